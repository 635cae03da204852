// Connections passed through to TCP services, over real sockets.

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/tls_peers.h"

namespace pointsman::gateway {
namespace {

// Sends back what comes, in upper case letters, until the end.
void Echo(Peer& peer, int /*connection*/) {
  std::string bytes;
  while (peer.ReadSome(&bytes)) {
    peer.Write(absl::AsciiStrToUpper(bytes));
    bytes.clear();
  }
  peer.ShutdownWrite();
}

class TcpTest : public EngineFixture {
 protected:
  TcpTest() {
    policy.tcp = true;
    listener_tcp = std::make_shared<TcpForwarding>();
    listener_tcp->services = {"web"};
  }
};

TEST_F(TcpTest, PassesBytesBothWaysAndEachEnd) {
  ScriptedUpstream upstream(Echo);
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("hello ");
  std::string answer;
  ASSERT_TRUE(client.ReadExact(6, &answer));
  client.Write("world");
  client.ShutdownWrite();
  EXPECT_TRUE(client.ReadToEnd(&answer));
  EXPECT_EQ(answer, "HELLO WORLD");
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().tcp_open == 0; }));
  EXPECT_EQ(engine().Stats().tcp_connections, 1u);
  EXPECT_EQ(Totals(upstream.port()).in_flight, 0u);
}

TEST_F(TcpTest, TheEndpointMaySpeakFirst) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    peer.Write("220 ready\r\n");
    peer.ShutdownWrite();
    std::string rest;
    peer.ReadToEnd(&rest);
  });
  Publish({upstream.port()});
  Peer client = Client();
  std::string said;
  EXPECT_TRUE(client.ReadToEnd(&said));
  EXPECT_EQ(said, "220 ready\r\n");
}

TEST_F(TcpTest, TriesAnotherEndpointWithWhatTheClientSaidEarly) {
  ScriptedUpstream upstream(Echo);
  Publish({DeadPort(), upstream.port()});
  for (int i = 0; i < 8; ++i) {
    Peer client = Client();
    client.Write("early");
    client.ShutdownWrite();
    std::string answer;
    EXPECT_TRUE(client.ReadToEnd(&answer));
    EXPECT_EQ(answer, "EARLY");
  }
}

TEST_F(TcpTest, ClosesWithAReasonWhenNobodyTakesIt) {
  policy.max_retries = 1;
  Publish({DeadPort()});
  Peer client = Client();
  client.Write("anyone?");
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(ReasonCountOf(Reason::kConnectFailed) + ReasonCountOf(Reason::kNoEndpoint), 1u);
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().tcp_open == 0; }));
}

TEST_F(TcpTest, UnknownServicesAndOtherProtocolsAreRefused) {
  listener_tcp->services = {"absent"};
  Publish({});
  EXPECT_TRUE(Client().Closed());
  EXPECT_TRUE(WaitFor([&] { return ReasonCountOf(Reason::kNoService) == 1; }));
}

TEST_F(TcpTest, HttpServicesAreNotPassedThrough) {
  policy.tcp = false;
  ScriptedUpstream upstream(Echo);
  Publish({upstream.port()});
  EXPECT_TRUE(Client().Closed());
  EXPECT_TRUE(WaitFor([&] { return ReasonCountOf(Reason::kNoService) == 1; }));
}

TEST_F(TcpTest, ABrokenEndpointIsNotAnEnd) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    std::string bytes;
    peer.ReadSome(&bytes);
    peer.Write("half");
    bytes.clear();
    peer.ReadSome(&bytes);
    peer.Reset();
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("go");
  std::string answer;
  ASSERT_TRUE(client.ReadExact(4, &answer));
  client.Write("on");
  std::string rest;
  EXPECT_FALSE(client.ReadToEnd(&rest)) << "a reset, not an orderly end";
}

TEST_F(TcpTest, ASlowReaderHoldsItsWriterBack) {
  const std::string much(8'000'000, 'x');
  std::atomic<size_t> written{0};
  ScriptedUpstream upstream([&](Peer& peer, int) {
    for (size_t at = 0; at < much.size(); at += 100'000) {
      if (!peer.Write(absl::string_view(much).substr(at, 100'000))) return;
      written += 100'000;
    }
    peer.ShutdownWrite();
    std::string rest;
    peer.ReadToEnd(&rest);
  });
  Publish({upstream.port()});
  Peer client = Client(/*receive_buffer=*/4096);
  std::string got;
  ASSERT_TRUE(client.ReadExact(10, &got));
  // Bounded by the gateway's windows, whatever the kernel's buffers hold besides.
  EXPECT_LE(engine().Stats().buffer_bytes_peak, 20 * kChunkBytes);
  EXPECT_LT(written.load(), much.size());
  EXPECT_TRUE(client.ReadToEnd(&got));
  EXPECT_EQ(got.size(), much.size());
}

TEST_F(TcpTest, SlowReadersCannotFillTheMemory) {
  limits.buffer_bytes_max = 1 << 20;
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  const std::string much(8 << 20, 'x');
  ScriptedUpstream upstream([&](Peer& peer, int) {
    gone.wait();
    peer.Write(much);
  });
  Publish({upstream.port()});
  std::vector<Peer> deaf(120);
  for (Peer& client : deaf) client = Client(/*receive_buffer=*/4096);
  EXPECT_TRUE(WaitFor([&] { return upstream.connections() == 120; }));
  go.set_value();
  EXPECT_TRUE(WaitFor([this] { return ReasonCountOf(Reason::kBuffersFull) > 0; }));
  EXPECT_LE(engine().Stats().buffer_bytes_peak, limits.buffer_bytes_max * 5 / 4 + 16 * kChunkBytes);
  EXPECT_TRUE(WaitFor([this] { return engine().Stats().tcp_open < 120; }));
  deaf.clear();
  EXPECT_TRUE(WaitFor([this] { return engine().Stats().buffer_bytes == 0; }));
}

TEST_F(TcpTest, IdleConnectionsEnd) {
  listener_tcp->idle_timeout = absl::Milliseconds(50);
  ScriptedUpstream upstream(Echo);
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("a");
  std::string answer;
  ASSERT_TRUE(client.ReadExact(1, &answer));
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(ReasonCountOf(Reason::kIdleTimeout), 1u);
}

TEST_F(TcpTest, PassesTlsThroughByServerName) {
  TlsPeers peers;
  const SslContext server = peers.ServerContext("db", "DNS:db.example");
  ScriptedUpstream upstream([&](Peer& peer, int connection) {
    if (peer.StartTls(server.get())) Echo(peer, connection);
  });
  listener_tcp->services = {"", "web"};
  listener_tcp->names.Add("db.example", 1);
  Publish({upstream.port()});
  Peer client = Client();
  ASSERT_TRUE(client.StartTls(peers.ClientContext().get(), "db.example"));
  client.Write("inside");
  std::string answer;
  ASSERT_TRUE(client.ReadExact(6, &answer));
  EXPECT_EQ(answer, "INSIDE");
  // Another name, no name, and no TLS lead nowhere.
  EXPECT_FALSE(Client().StartTls(peers.ClientContext().get(), "other.example"));
  EXPECT_FALSE(Client().StartTls(peers.ClientContext().get()));
  Peer plain = Client();
  plain.Write("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(plain.Closed());
  EXPECT_EQ(ReasonCountOf(Reason::kNoRoute), 3u);
}

TEST_F(TcpTest, AHelloMustComeInTime) {
  limits.client_head_timeout = absl::Milliseconds(50);
  listener_tcp->names.Add("db.example", 0);
  Publish({});
  Peer silent = Client();
  EXPECT_TRUE(silent.Closed());
  EXPECT_EQ(ReasonCountOf(Reason::kHeadTimeout), 1u);
}

TEST_F(TcpTest, AnswersTlsAndPassesOnWhatIsInside) {
  TlsPeers peers;
  listener_tls.emplace();
  listener_tls->http = false;
  listener_tls->certificates = {peers.Certificate("a", "DNS:a.example")};
  ScriptedUpstream upstream(Echo);
  Publish({upstream.port()});
  Peer client = Client();
  // Protocols nobody here knows are the endpoint's business.
  ASSERT_TRUE(client.StartTls(peers.ClientContext("\x0apostgresql").get(), "a.example"));
  client.Write("inside");
  std::string answer;
  ASSERT_TRUE(client.ReadExact(6, &answer));
  EXPECT_EQ(answer, "INSIDE");
}

TEST_F(TcpTest, TheDeadlineOfADrainEndsThem) {
  ScriptedUpstream upstream(Echo);
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("a");
  std::string answer;
  ASSERT_TRUE(client.ReadExact(1, &answer));
  engine().Drain(absl::Milliseconds(20));
  EXPECT_FALSE(client.ReadToEnd(&answer));
  EXPECT_EQ(ReasonCountOf(Reason::kDraining), 1u);
}

}  // namespace
}  // namespace pointsman::gateway
