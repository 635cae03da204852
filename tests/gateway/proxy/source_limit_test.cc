// Connections per source: whatever they speak and whoever names their source.

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/tls_peers.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

std::shared_ptr<const common::CidrSet> Networks(absl::string_view text) {
  return std::make_shared<const common::CidrSet>(*common::CidrSet::Parse(text));
}

class SourceLimitTest : public EngineFixture {
 protected:
  void Serve(size_t per_source_max) {
    limits.connections_per_source_max = per_source_max;
    upstream_ =
        std::make_unique<ScriptedUpstream>(Answering([](const TestMessage&) { return Ok("x"); }));
    Publish({upstream_->port()});
  }
  static std::string Header(absl::string_view source) {
    return absl::StrCat("PROXY TCP4 ", source, " 198.51.100.1 5000 443\r\n");
  }
  static int Ask(Peer& client, absl::string_view before = "") {
    client.Write(absl::StrCat(before, kGet));
    return client.ReadMessage().status();
  }
  bool OpenIs(uint64_t connections) {
    return WaitFor([&] { return engine().Stats().connections == connections; });
  }

  std::unique_ptr<ScriptedUpstream> upstream_;
};

TEST_F(SourceLimitTest, RefusesWithAReasonAndTakesThePlaceOfWhoLeft) {
  Serve(2);
  Peer first = Client();
  Peer second = Client();
  EXPECT_EQ(Ask(first), 200);
  EXPECT_EQ(Ask(second), 200);
  Peer third = Client();
  const TestMessage refused = third.ReadMessage();
  EXPECT_EQ(refused.status(), 429);
  EXPECT_EQ(refused.Field("x-pointsman-reason"), "too_many_from_source");
  EXPECT_TRUE(third.Closed());
  EXPECT_EQ(engine().Stats().shed_connections, 1u);
  first.Close();
  ASSERT_TRUE(OpenIs(1));
  Peer fourth = Client();
  EXPECT_EQ(Ask(fourth), 200);
  EXPECT_EQ(Ask(second), 200) << "never lost its place";
}

TEST_F(SourceLimitTest, OneSourceCannotTakeThePlacesOfOthers) {
  limits.proxy_header_from = Networks("127.0.0.0/8");
  Serve(1);
  Peer greedy = Client();
  EXPECT_EQ(Ask(greedy, Header("192.0.2.1")), 200);
  Peer more = Client();
  EXPECT_EQ(Ask(more, Header("192.0.2.1")), 429);
  Peer other = Client();
  EXPECT_EQ(Ask(other, Header("192.0.2.2")), 200);
  EXPECT_EQ(Ask(greedy), 200);
}

TEST_F(SourceLimitTest, TrustedProxiesMayHaveAll) {
  limits.trusted_proxies = Networks("127.0.0.0/8");
  Serve(1);
  Peer first = Client();
  Peer second = Client();
  EXPECT_EQ(Ask(first), 200);
  EXPECT_EQ(Ask(second), 200);
}

TEST_F(SourceLimitTest, ThePlaceIsKeptWhenTheProtocolIsKnown) {
  Serve(1);
  {
    Peer socket = Client();
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    EXPECT_EQ(client.Await(client.Request(Http2Peer::Get())).status(), 200);
    Peer more = Client();
    EXPECT_EQ(more.ReadMessage().status(), 429);
    socket.Close();
  }
  ASSERT_TRUE(OpenIs(0));
  Peer next = Client();
  EXPECT_EQ(Ask(next), 200);
}

TEST_F(SourceLimitTest, ThePlaceIsKeptBehindTls) {
  TlsPeers peers;
  TlsServerOptions tls;
  tls.certificates = {peers.Certificate("a", "DNS:a.example")};
  listener_tls = tls;
  Serve(1);
  for (const char* protocol : {"\x02h2", "\x08http/1.1"}) {
    Peer first = Client();
    ASSERT_TRUE(first.StartTls(peers.ClientContext(protocol).get(), "a.example"));
    Peer more = Client();
    EXPECT_FALSE(more.StartTls(peers.ClientContext(protocol).get(), "a.example"));
    first.Close();
    ASSERT_TRUE(OpenIs(0));
  }
}

}  // namespace
}  // namespace pointsman::gateway
