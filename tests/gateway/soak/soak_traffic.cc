#include "tests/gateway/soak/soak_traffic.h"

#include <algorithm>

namespace pointsman::gateway {
namespace {

std::string Target(const TestMessage& request) {
  const std::vector<std::string> words = absl::StrSplit(request.first_line, ' ');
  return words.size() > 1 ? words[1] : "";
}

std::string Chunks(const std::string& body) {
  std::string out = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += 7000) {
    const std::string piece = body.substr(at, 7000);
    absl::StrAppend(&out, absl::Hex(piece.size()), "\r\n", piece, "\r\n");
  }
  return absl::StrCat(out, "0\r\nx-end: 1\r\n\r\n");
}

void Echo(Peer& peer) {
  // The answer to the one key that SoakClient sends.
  peer.Write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
  std::string bytes;
  while (peer.ReadSome(&bytes) && peer.Write(bytes)) bytes.clear();
}

void Good(Peer& peer, int connection) {
  while (true) {
    const TestMessage request = peer.ReadMessage();
    if (!request.complete) return;
    if (request.Has("upgrade")) return Echo(peer);
    const size_t size = SoakSize(Target(request));
    const std::string body = SoakBody(size > 0 ? size : request.body.size());
    if (!peer.Write(connection % 2 == 0 ? Ok(body) : Chunks(body))) return;
  }
}

// Answers until it has had enough, then fails in its own way, given what it should have answered.
ScriptedUpstream::Script Failing(std::function<void(Peer& peer, const std::string& good)> fail) {
  return [fail = std::move(fail)](Peer& peer, int connection) {
    for (int i = 0;; ++i) {
      const TestMessage request = peer.ReadMessage();
      if (!request.complete) return;
      if (request.Has("upgrade")) return Echo(peer);
      const size_t size = SoakSize(Target(request));
      const std::string good = Ok(SoakBody(size > 0 ? size : request.body.size()));
      if ((i + connection) % 4 == 3) return fail(peer, good);
      if (!peer.Write(good)) return;
    }
  };
}

void WaitForEnd(Peer& peer) {
  std::string rest;
  peer.ReadToEnd(&rest);
}

}  // namespace

std::vector<std::unique_ptr<ScriptedUpstream>> SoakOrigins() {
  std::vector<std::unique_ptr<ScriptedUpstream>> origins;
  const auto add = [&](ScriptedUpstream::Script script) {
    origins.push_back(std::make_unique<ScriptedUpstream>(std::move(script)));
  };
  add(Good);
  add(Good);
  const std::vector<std::string> last_words = {
      "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf",
      "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
      "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
  };
  for (const std::string& words : last_words) {
    add(Failing([words](Peer& peer, const std::string&) { peer.Write(words); }));
  }
  add(Failing([](Peer& peer, const std::string&) { peer.Reset(); }));
  add(Failing([](Peer& peer, const std::string& good) { peer.Write(good + "and more"); }));
  add(Failing([](Peer& peer, const std::string& good) { peer.Write(good.substr(0, 30)); }));
  add(Failing([](Peer& peer, const std::string&) { WaitForEnd(peer); }));
  return origins;
}

std::vector<std::unique_ptr<ScriptedUpstream>> SoakHttp2Origins() {
  std::vector<std::unique_ptr<ScriptedUpstream>> origins;
  for (const int kind : {0, 0, 1, 2, 3}) {
    origins.push_back(std::make_unique<ScriptedUpstream>([kind](Peer& peer, int) {
      Http2Peer http2(Http2Peer::Side::kServer, &peer);
      int n = 0;
      while (const int32_t id = http2.AwaitRequest()) {
        const H2Message& request = http2.message(id);
        const size_t size = SoakSize(request.Field(":path"));
        const std::string body = SoakBody(size > 0 ? size : request.body.size());
        const bool fails = kind > 0 && ++n % 5 == 0;
        if (fails && kind == 1) {
          http2.Reset(id, NGHTTP2_REFUSED_STREAM);
        } else if (fails && kind == 2) {
          http2.Goaway(id);
          http2.Respond(id, {{":status", "200"}}, body);
          return WaitForEnd(peer);
        } else if (fails) {
          return peer.Reset();
        } else {
          http2.Respond(id, {{":status", "200"}}, body, {{"x-end", "1"}});
        }
        http2.messages().erase(id);
      }
    }));
  }
  return origins;
}

size_t SoakClient::AnySize() {
  static constexpr size_t kSizes[] = {1, 100, 1000, 17'000, 70'000, 200'000};
  return kSizes[Below(std::size(kSizes))];
}

void SoakClient::Take(const TestMessage& answer, size_t size) {
  if (!answer.complete) return;
  ++counts_.answered;
  if (answer.status() != 200) return;
  ++(answer.body == SoakBody(size) ? counts_.good : counts_.wrong);
}

void SoakClient::Act() {
  switch (Below(12)) {
    case 0:
    case 1:
    case 2:
      return KeepAlive();
    case 3:
      return Upload();
    case 4:
      return GiveUp();
    case 5:
      return ReadSlowly();
    case 6:
      return Pipeline();
    case 7:
      return Tunnel();
    case 8:
      return Attack();
    case 9:
      return Http2GiveUp();
    default:
      return Streams();
  }
}

void SoakClient::KeepAlive() {
  Peer peer = ways_.http1();
  for (int i = 0; i < 8; ++i) {
    const size_t size = AnySize();
    if (!peer.Write(absl::StrCat("GET /size/", size, " HTTP/1.1\r\nHost: a\r\n\r\n"))) return;
    const TestMessage answer = peer.ReadMessage();
    Take(answer, size);
    if (!answer.complete || answer.Field("connection") == "close") return;
  }
}

void SoakClient::Upload() {
  Peer peer = ways_.http1();
  const size_t size = AnySize();
  const std::string body = SoakBody(size);
  std::string request = "PUT / HTTP/1.1\r\nHost: a\r\n";
  if (Below(2) == 0) {
    absl::StrAppend(&request, "Content-Length: ", size, "\r\n\r\n", body);
  } else {
    absl::StrAppend(&request, "Transfer-Encoding: chunked\r\n\r\n", absl::Hex(size), "\r\n", body,
                    "\r\n0\r\n\r\n");
  }
  peer.Write(request);
  Take(peer.ReadMessage(), size);
}

void SoakClient::GiveUp() {
  Peer peer = ways_.http1();
  peer.Write(Below(2) == 0
                 ? "GET /size/200000 HTTP/1.1\r\nHost: a\r\n\r\n"
                 : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\nsome of it");
  if (Below(2) == 0) peer.ReadHead();
  ++counts_.given_up;
  if (Below(2) == 0) peer.Reset();
}

void SoakClient::ReadSlowly() {
  Peer peer = ways_.http1();
  const int small = 16 * 1024;
  setsockopt(peer.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  peer.Write("GET /size/70000 HTTP/1.1\r\nHost: a\r\n\r\n");
  Take(peer.ReadMessage(), 70'000);
}

void SoakClient::Pipeline() {
  Peer peer = ways_.http1();
  std::string requests;
  for (int i = 0; i < 10; ++i) {
    absl::StrAppend(&requests, "GET /size/", 10 + i, " HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  peer.Write(requests);
  for (size_t i = 0; i < 10; ++i) {
    const TestMessage answer = peer.ReadMessage();
    Take(answer, 10 + i);
    if (!answer.complete || answer.Field("connection") == "close") return;
  }
}

void SoakClient::Tunnel() {
  Peer peer = ways_.http1();
  peer.Write(
      "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  if (peer.ReadHead().status() != 101) return;
  const std::string said = SoakBody(30'000);
  peer.Write(said);
  std::string heard;
  if (!peer.ReadExact(said.size(), &heard)) return;
  ++(heard == said ? counts_.tunnels : counts_.wrong);
}

void SoakClient::Attack() {
  Peer peer = ways_.http1();
  peer.Write(attacks_[Below(attacks_.size())].input);
  peer.ShutdownWrite();
  const TestMessage answer = peer.ReadMessage();
  ++(answer.complete && answer.status() < 400 ? counts_.wrong : counts_.attacks);
}

void SoakClient::Streams() {
  Peer peer = ways_.http2();
  Http2Peer http2(Http2Peer::Side::kClient, &peer);
  std::vector<std::pair<int32_t, size_t>> streams;
  for (int i = 0; i < 10; ++i) {
    const size_t size = AnySize() % 60'000;
    const bool get = size > 0 && Below(2) == 0;
    streams.emplace_back(get ? http2.Request(Http2Peer::Get(absl::StrCat("/size/", size)))
                             : http2.Request(Http2Peer::Post(), SoakBody(size)),
                         size);
  }
  for (const auto& [id, size] : streams) {
    const H2Message& answer = http2.Await(id);
    if (!answer.ended) continue;
    ++counts_.answered;
    if (answer.status() != 200 || answer.reset != 0) continue;
    ++(answer.body == SoakBody(size) ? counts_.good : counts_.wrong);
  }
}

void SoakClient::Http2GiveUp() {
  Peer peer = ways_.http2();
  Http2Peer http2(Http2Peer::Side::kClient, &peer);
  const int32_t first = http2.Request(Http2Peer::Get("/size/50000"));
  const int32_t second = http2.Open(Http2Peer::Post());
  http2.Flush();
  http2.Send(second, "some of it", /*end=*/false);
  if (Below(2) == 0) http2.AwaitHead(first);
  http2.Reset(first, NGHTTP2_CANCEL);
  ++counts_.given_up;
  if (Below(2) == 0) peer.Reset();
}

}  // namespace pointsman::gateway
