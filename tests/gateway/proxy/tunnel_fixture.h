#pragma once

// What the tests of upgrades share: the handshakes of WebSocket and of a made-up protocol from both
// ends, over either protocol, and endpoints that hand a tunnel to a script.

#include <sys/socket.h>

#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/http/upgrade.h"
#include "tests/gateway/proxy/attack_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {

inline constexpr absl::string_view kWsKey = "dGhlIHNhbXBsZSBub25jZQ==";
inline constexpr absl::string_view kWsAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

inline std::string WsRequest(absl::string_view path = "/ws") {
  return absl::StrCat("GET ", path,
                      " HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
                      "Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
                      kWsKey, "\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
}

// The answer that follows the upgrade of `request`.
inline std::string WsAnswer(const TestMessage& request) {
  const WebSocketAccept accept = AcceptFor(request.Field("sec-websocket-key"));
  return absl::StrCat(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: ",
      absl::string_view(accept.data(), accept.size()), "\r\n\r\n");
}

// A protocol of nobody's, which needs a route that lists it.
inline constexpr absl::string_view kChat = "Chat/2";

inline std::string ChatRequest(absl::string_view path = "/chat") {
  return absl::StrCat("POST ", path,
                      " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ", kChat,
                      "\r\nContent-Length: 0\r\n\r\n");
}

inline H2Fields ChatConnect(const std::string& path = "/chat") {
  return {{":method", "CONNECT"},
          {":protocol", std::string(kChat)},
          {":scheme", "http"},
          {":authority", "a"},
          {":path", path}};
}

// The answer that follows the upgrade of `request`, whichever it is.
inline std::string SwitchAnswer(const TestMessage& request) {
  const std::string protocol = request.Field("upgrade");
  if (protocol == "websocket") return WsAnswer(request);
  return absl::StrCat(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ", protocol, "\r\n\r\n");
}

inline H2Fields WsConnect(const std::string& path = "/ws") {
  return {{":method", "CONNECT"},
          {":protocol", "websocket"},
          {":scheme", "http"},
          {":authority", "a"},
          {":path", path},
          {"sec-websocket-version", "13"},
          {"sec-websocket-protocol", "chat"}};
}

// One end of a tunnel, whichever protocol carries it. The connection outlives it.
class TunnelEnd {
 public:
  explicit TunnelEnd(Peer* peer) : peer_(peer) {}
  TunnelEnd(Http2Peer* http2, int32_t id) : http2_(http2), id_(id) {}

  void Send(const std::string& bytes) {
    if (http2_ != nullptr) {
      http2_->Send(id_, bytes, false);
    } else {
      peer_->Write(bytes);
    }
  }
  // Nothing more will be sent.
  void End() {
    if (http2_ != nullptr) {
      http2_->Send(id_, "", true);
    } else {
      peer_->ShutdownWrite();
    }
  }
  void Break() {
    if (http2_ != nullptr) {
      http2_->Reset(id_, NGHTTP2_CANCEL);
    } else {
      peer_->Reset();
    }
  }
  // What has come, at least a byte; false at the end.
  bool ReceiveSome(std::string* out) {
    if (http2_ == nullptr) return peer_->ReadSome(out);
    H2Message& message = http2_->message(id_);
    http2_->Until([&] { return !message.body.empty() || message.ended || message.closed; });
    out->append(message.body);
    return !std::exchange(message.body, "").empty();
  }
  std::string Receive(size_t n) {
    std::string got;
    while (got.size() < n && ReceiveSome(&got)) {
    }
    return got;
  }
  // Both directions were ended: until the other side knows.
  void Finish() {
    std::string rest;
    if (http2_ == nullptr) {
      peer_->ReadToEnd(&rest);
    } else {
      http2_->Until([&] { return http2_->message(id_).closed; });
    }
  }
  // True when the other side ended orderly.
  bool ReceiveToEnd(std::string* out) {
    if (http2_ == nullptr) return peer_->ReadToEnd(out);
    while (ReceiveSome(out)) {
    }
    return http2_->message(id_).ended;
  }

 private:
  Peer* peer_ = nullptr;
  Http2Peer* http2_ = nullptr;
  int32_t id_ = 0;
};

class TunnelFixture : public AttackFixture {
 protected:
  using Tunnel = std::function<void(Peer& peer, const TestMessage& request)>;

  // An HTTP/1 endpoint that follows every upgrade; `tunnel` has the connection then.
  static ScriptedUpstream::Script Following(Tunnel tunnel) {
    return [tunnel = std::move(tunnel)](Peer& peer, int) {
      const TestMessage request = peer.ReadHead();
      if (!request.complete || !peer.Write(SwitchAnswer(request))) return;
      tunnel(peer, request);
    };
  }
  // Sends back what comes, until the client ends.
  static void Echo(Peer& peer, const TestMessage& /*request*/) {
    std::string bytes;
    while (peer.ReadSome(&bytes)) {
      if (!peer.Write(bytes)) return;
      bytes.clear();
    }
  }
  // An HTTP/1 client's tunnel.
  Peer OpenTunnel(int receive_buffer = 0) {
    Peer client = Client(receive_buffer);
    client.Write(WsRequest());
    EXPECT_EQ(client.ReadHead().status(), 101);
    return client;
  }
  static bool ReceivedNothing(const Peer& peer) {
    char byte = 0;
    return recv(peer.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }
  bool TunnelsAre(uint64_t n) {
    return WaitFor([this, n] { return engine().Stats().tunnels == n; });
  }
  static std::string Numbers(int n) {
    std::string text;
    for (int i = 0; i < n; ++i) absl::StrAppend(&text, i, ",");
    return text;
  }
};

}  // namespace pointsman::gateway
