// Endpoints whose name has two addresses, over real sockets: the first is ::1 where this host has
// it (else 127.0.0.2) or, where somebody is to be there, 127.0.0.2; the other is 127.0.0.1. The
// engine does not care for families.

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/gateway/net/loopback_listener.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/kept.h"
#include "tests/gateway/proxy/tls_peers.h"

namespace pointsman::gateway {
namespace {

constexpr char kGet[] = "GET / HTTP/1.1\r\nHost: web.example\r\n\r\n";
constexpr uint32_t kFirst = INADDR_LOOPBACK + 1;  // 127.0.0.2.

bool HasIpv6() {
  const SocketAddress address = AddressAt("[::1]", 0);
  Fd fd(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd.valid() && bind(fd.get(), address.get(), address.length()) == 0;
}

// One request, and the connection is over.
ScriptedUpstream::Script OnceEach(const std::string& body) {
  return [body](Peer& peer, int) {
    if (!peer.ReadMessage().complete) return;
    peer.Write(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(),
                            "\r\nConnection: close\r\n\r\n", body));
  };
}

class DualStackTest : public EngineFixture {
 protected:
  // Nobody is at the first address, unless the test says otherwise.
  DualStackTest() { endpoint_host = HasIpv6() ? "[::1]" : "127.0.0.2"; }

  TestMessage Ask(const std::string& request = kGet) {
    Peer client = Client();
    client.Write(request);
    return client.ReadMessage();
  }
  // The way to the endpoint cost the request nothing that is counted.
  void ExpectBlameless(uint16_t endpoint) {
    EXPECT_EQ(engine().Stats().retries, 0u);
    EXPECT_EQ(Totals(endpoint).connect_failures, 0u);
    EXPECT_EQ(Totals(endpoint).avoided_micros, 0);
    EXPECT_TRUE(WaitFor([&] { return Totals(endpoint).in_flight == 0; }));
  }
};

TEST_F(DualStackTest, TheOtherAddressAnswersWhenTheFirstRefuses) {
  policy.max_retries = 0;
  ScriptedUpstream upstream(OnceEach("other"));
  Publish({upstream.port()});
  const TestMessage answer = Ask();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "other");
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 1u);
  EXPECT_EQ(engine().Stats().upstream_opened, 1u);
  EXPECT_EQ(Totals(upstream.port()).requests, 1u);
  ExpectBlameless(upstream.port());
}

TEST_F(DualStackTest, WhatMayNotBeRepeatedGoesThereToo) {
  std::atomic<int> posts{0};
  ScriptedUpstream upstream(Answering([&posts](const TestMessage& request) {
    ++posts;
    return Ok(request.body);
  }));
  Publish({upstream.port()});
  const TestMessage answer =
      Ask("POST / HTTP/1.1\r\nHost: web.example\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "body");
  EXPECT_EQ(posts, 1);
  ExpectBlameless(upstream.port());
}

TEST_F(DualStackTest, BothRefusingIsOneFailureOfTheEndpoint) {
  policy.max_retries = 0;
  const uint16_t dead = DeadPort();
  Publish({dead});
  for (uint64_t i = 1; i <= 3; ++i) {
    const TestMessage answer = Ask();
    EXPECT_EQ(answer.status(), 503);
    EXPECT_EQ(answer.Field("x-pointsman-reason"), "connect_failed");
    EXPECT_EQ(Totals(dead).connect_failures, i);
    EXPECT_EQ(Totals(dead).unreachable_in_a_row, i);
    EXPECT_EQ(ReasonCountOf(Reason::kConnectFailed), i);
  }
  EXPECT_EQ(Totals(dead).in_flight, 0u);
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 0u);
}

TEST_F(DualStackTest, AnEndpointThatRefusesTwiceIsAvoidedAndAnotherTried) {
  const uint16_t dead = DeadPort();
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("good"); }));
  Publish({dead, upstream.port()});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask().status(), 200);
  // Once in the 100 ms, and then in twice as long each time, for which it is avoided.
  EXPECT_GE(Totals(dead).connect_failures, 1u);
  EXPECT_LT(Totals(dead).connect_failures, 8u);
  EXPECT_EQ(engine().Stats().retries, Totals(dead).connect_failures);
}

TEST_F(DualStackTest, TheOtherIsNeverAskedWhenTheFirstWorks) {
  endpoint_host = "127.0.0.2";
  ScriptedUpstream other(OnceEach("other"));
  ScriptedUpstream first(OnceEach("first"), kFirst, other.port());
  Publish({other.port()});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Ask().body, "first");
  EXPECT_EQ(other.connections(), 0);
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 0u);
}

TEST_F(DualStackTest, TheAddressThatWorkedLastIsAskedFirst) {
  endpoint_host = "127.0.0.2";
  ScriptedUpstream other(OnceEach("other"));
  Publish({other.port()});
  EXPECT_EQ(Ask().body, "other");
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 1u);
  // It came back, but nobody asks it while the other works.
  ScriptedUpstream first(OnceEach("first"), kFirst, other.port());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask().body, "other");
  EXPECT_EQ(first.connections(), 0);
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 1u);
  other.Stop();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask().body, "first");
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 2u);
  ExpectBlameless(other.port());
}

TEST_F(DualStackTest, ASilentAddressIsWaitedForOnce) {
  endpoint_host = "127.0.0.2";
  policy.connect_timeout = absl::Seconds(2);
  ScriptedUpstream other(OnceEach("other"));
  SilentListener silent("127.0.0.2", other.port());
  Publish({other.port()});
  const absl::Time start = absl::Now();
  EXPECT_EQ(Ask().body, "other");
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(240));
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 1u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Ask().body, "other");
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 1u) << "it was asked first again";
  ExpectBlameless(other.port());
}

TEST_F(DualStackTest, BothSilentIsOneTimeOutOfTheEndpoint) {
  endpoint_host = "127.0.0.2";
  policy.connect_timeout = absl::Milliseconds(100);
  policy.max_retries = 0;
  SilentListener other("127.0.0.1");
  SilentListener first("127.0.0.2", other.port());
  Publish({other.port()});
  const TestMessage answer = Ask();
  EXPECT_EQ(answer.status(), 504);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "connect_timeout");
  EXPECT_EQ(Totals(other.port()).connect_failures, 1u);
  EXPECT_EQ(Totals(other.port()).in_flight, 0u);
}

TEST_F(DualStackTest, Http2GoesToTheOtherAddressWithAllItsTries) {
  policy.upstream_http2 = true;
  policy.max_retries = 0;
  ScriptedUpstream upstream([](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) {
      http2.Respond(id, {{":status", "200"}}, http2.message(id).body);
    }
  });
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  std::vector<int32_t> ids;
  ids.reserve(10);
  for (int i = 0; i < 10; ++i) {
    ids.push_back(client.Request(Http2Peer::Post(), absl::StrCat("body ", i)));
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(client.Await(ids[i]).status(), 200);
    EXPECT_EQ(client.Await(ids[i]).body, absl::StrCat("body ", i));
  }
  EXPECT_EQ(upstream.connections(), 1);
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 1u);
  ExpectBlameless(upstream.port());
}

TEST_F(DualStackTest, Http2WithoutEitherFailsOnceForEachTry) {
  policy.upstream_http2 = true;
  policy.max_retries = 0;
  const uint16_t dead = DeadPort();
  Publish({dead});
  const TestMessage answer = Ask();
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "connect_failed");
  EXPECT_EQ(Totals(dead).connect_failures, 1u);
}

TEST_F(DualStackTest, TlsIsSpokenWithTheAddressThatStands) {
  TlsPeers peers;
  const SslContext server = peers.ServerContext("endpoint", "DNS:backend.internal");
  upstream_tls.emplace();
  upstream_tls->ca_pem = peers.ca_pem();
  upstream_tls->server_name = "backend.internal";
  endpoint_host = "127.0.0.2";
  policy.connect_timeout = absl::Seconds(2);
  ScriptedUpstream upstream([&](Peer& peer, int connection) {
    if (peer.StartTls(server.get())) OnceEach("sealed")(peer, connection);
  });
  SilentListener silent("127.0.0.2", upstream.port());
  Publish({upstream.port()});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Ask().body, "sealed");
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 1u);
  EXPECT_EQ(engine().Stats().tls_upstream_failures, 0u);
  ExpectBlameless(upstream.port());
}

class DualStackLogTest : public DualStackTest {
 protected:
  DualStackLogTest() {
    endpoint_host = "127.0.0.2";
    observer = &log_;
  }
  // The endpoint of the last one of `requests` requests.
  std::string Logged(size_t requests) {
    EXPECT_TRUE(WaitFor([&] { return log_.requests().size() == requests; }));
    return log_.requests().last().endpoint;
  }

  RequestLog log_;
};

TEST_F(DualStackLogTest, TheAddressThatWasAskedIsTold) {
  ScriptedUpstream other(Answering([](const TestMessage&) { return Ok("other"); }));
  Publish({other.port()});
  Peer client = Client();
  for (size_t i = 1; i <= 2; ++i) {
    client.Write(kGet);
    EXPECT_EQ(client.ReadMessage().body, "other");
    EXPECT_EQ(Logged(i), absl::StrCat("127.0.0.1:", other.port()));
  }
  EXPECT_EQ(other.connections(), 1);
  ScriptedUpstream first(OnceEach("first"), kFirst, other.port());
  other.Stop();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().body, "first");
  EXPECT_EQ(Logged(3), absl::StrCat("127.0.0.2:", other.port()));
}

TEST_F(DualStackLogTest, WithHttp2Too) {
  policy.upstream_http2 = true;
  KeepingHttp2Endpoint other({.body = "other"});
  Publish({other.port()});
  for (size_t i = 1; i <= 2; ++i) {
    EXPECT_EQ(Ask().body, "other");
    EXPECT_EQ(Logged(i), absl::StrCat("127.0.0.1:", other.port()));
  }
  EXPECT_EQ(other.connections(), 1);
}

TEST_F(DualStackLogTest, AnotherWorkersConnectionToo) {
  workers = 4;
  limits.upstream_shelf_after = absl::Milliseconds(20);
  ScriptedUpstream other(Answering([](const TestMessage&) { return Ok("other"); }));
  Publish({other.port()});
  // As many clients as it takes that each worker has some.
  std::vector<Peer> clients;
  clients.reserve(16);
  for (size_t i = 1; i <= 16; ++i) {
    clients.push_back(Client());
    clients.back().Write(kGet);
    EXPECT_EQ(clients.back().ReadMessage().body, "other");
    EXPECT_EQ(Logged(i), absl::StrCat("127.0.0.1:", other.port()));
    ASSERT_TRUE(WaitFor([&] { return engine().Stats().upstream_shelved == 1; }));
  }
  EXPECT_EQ(engine().Stats().upstream_shelf_taken, 15u);
  EXPECT_EQ(other.connections(), 1);
}

TEST_F(DualStackLogTest, WithoutAConnectionTheOneThatWasAskedLast) {
  policy.max_retries = 0;
  const uint16_t dead = DeadPort();
  Publish({dead});
  EXPECT_EQ(Ask().status(), 503);
  EXPECT_EQ(Logged(1), absl::StrCat("127.0.0.1:", dead));
}

class DualStackTcpTest : public DualStackTest {
 protected:
  DualStackTcpTest() {
    policy.tcp = true;
    listener_tcp = std::make_shared<TcpForwarding>();
    listener_tcp->services = {"web"};
  }
};

TEST_F(DualStackTcpTest, ClientsReachTheOtherAddress) {
  policy.max_retries = 0;
  ScriptedUpstream upstream([](Peer& peer, int) {
    std::string bytes;
    if (peer.ReadExact(5, &bytes)) peer.Write(absl::AsciiStrToUpper(bytes));
    peer.ShutdownWrite();
  });
  Publish({upstream.port()});
  for (int i = 0; i < 3; ++i) {
    Peer client = Client();
    client.Write("early");
    std::string answer;
    EXPECT_TRUE(client.ReadToEnd(&answer));
    EXPECT_EQ(answer, "EARLY");
  }
  EXPECT_EQ(engine().Stats().upstream_second_addresses, 1u);
  ExpectBlameless(upstream.port());
}

TEST_F(DualStackTcpTest, WithoutEitherItIsOneFailure) {
  policy.max_retries = 0;
  const uint16_t dead = DeadPort();
  Publish({dead});
  Peer client = Client();
  EXPECT_TRUE(client.Closed());
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().tcp_open == 0; }));
  EXPECT_EQ(Totals(dead).connect_failures, 1u);
  EXPECT_EQ(ReasonCountOf(Reason::kConnectFailed), 1u);
}

}  // namespace
}  // namespace pointsman::gateway
