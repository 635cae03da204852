// Connections to HTTP/2 endpoints. Over real sockets.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/tls_peers.h"

namespace pointsman::gateway {
namespace {

class Http2UpstreamTest : public EngineFixture {
 protected:
  using Side = Http2Peer::Side;

  void SetUp() override { policy.upstream_http2 = true; }
  Http2Peer& client() {
    if (client_ == nullptr) {
      socket_ = Client();
      client_ = std::make_unique<Http2Peer>(Side::kClient, &socket_);
    }
    return *client_;
  }
  // Asks for `count` at once; how many were answered 200.
  int AskAtOnce(int count) {
    std::vector<int32_t> ids;
    for (int i = 0; i < count; ++i) ids.push_back(client().Request(Http2Peer::Post(), "ask"));
    int good = 0;
    for (const int32_t id : ids) good += client().Await(id).status() == 200 ? 1 : 0;
    return good;
  }

 private:
  Peer socket_;
  std::unique_ptr<Http2Peer> client_;
};

TEST_F(Http2UpstreamTest, SaysTheSchemeThatItSpeaks) {
  std::string plain;
  ScriptedUpstream upstream(Http2Answering([&plain](const H2Message& request) {
    plain = request.Field(":scheme");
    return H2Answer{{{":status", "200"}}, "", {}};
  }));
  Publish({upstream.port()});
  EXPECT_EQ(AskAtOnce(1), 1);
  EXPECT_EQ(plain, "http");
}

TEST_F(Http2UpstreamTest, SaysHttpsOverTls) {
  TlsPeers peers;
  const SslContext server = peers.ServerContext("endpoint", "IP:127.0.0.1", "h2");
  upstream_tls.emplace();
  upstream_tls->ca_pem = peers.ca_pem();
  upstream_tls->server_name = "127.0.0.1";
  upstream_tls->protocol = UpstreamProtocol::kHttp2;
  std::string scheme;
  ScriptedUpstream upstream([&](Peer& peer, int) {
    if (!peer.StartTls(server.get())) return;
    Http2Peer http2(Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) {
      scheme = http2.message(id).Field(":scheme");
      http2.Respond(id, {{":status", "200"}});
    }
  });
  Publish({upstream.port()});
  EXPECT_EQ(AskAtOnce(1), 1);
  EXPECT_EQ(scheme, "https");
}

}  // namespace
}  // namespace pointsman::gateway
