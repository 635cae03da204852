// Upgrades from HTTP/1 clients to HTTP/1 endpoints: what passes, and what must not (rows S13 and P8
// of the attack tables, docs/design/upgrades.md).

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/tunnel_fixture.h"

namespace pointsman::gateway {
namespace {

class TunnelTest : public TunnelFixture {};

TEST_F(TunnelTest, CarriesBytesBothWays) {
  std::promise<TestMessage> read;
  ScriptedUpstream upstream(Following([&read](Peer& peer, const TestMessage& request) {
    read.set_value(request);
    Echo(peer, request);
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(WsRequest("/chat?x=1"));
  const TestMessage answer = client.ReadHead();
  EXPECT_EQ(answer.first_line, "HTTP/1.1 101 Switching Protocols");
  EXPECT_EQ(answer.Field("connection"), "upgrade");
  EXPECT_EQ(answer.Field("upgrade"), "websocket");
  EXPECT_EQ(answer.Field("sec-websocket-accept"), kWsAccept);
  EXPECT_EQ(answer.Field("sec-websocket-protocol"), "chat");
  EXPECT_FALSE(answer.Has("content-length"));
  EXPECT_FALSE(answer.Has("transfer-encoding"));
  const TestMessage seen = read.get_future().get();
  EXPECT_EQ(seen.first_line, "GET /chat?x=1 HTTP/1.1");
  EXPECT_EQ(seen.Field("connection"), "upgrade");
  EXPECT_EQ(seen.Field("upgrade"), "websocket");
  EXPECT_EQ(seen.Field("sec-websocket-key"), kWsKey);
  EXPECT_EQ(seen.Field("x-forwarded-for"), "127.0.0.1");
  EXPECT_TRUE(TunnelsAre(1));
  const std::string sent = Numbers(300'000);
  std::thread writer([&] { client.Write(sent); });
  std::string back;
  EXPECT_TRUE(client.ReadExact(sent.size(), &back));
  writer.join();
  EXPECT_TRUE(back == sent);
  client.Close();
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 0; }));
  EXPECT_EQ(engine().Stats().tunnels_opened, 1u);
  EXPECT_EQ(engine().Stats().responses[1], 1u);
  EXPECT_EQ(Totals(upstream.port()).in_flight, 0u);
}

// S13. The endpoint speaks before it looks: had the bytes been sent on, they would be there.
TEST_F(TunnelTest, EarlyBytesWaitForTheAnswer) {
  std::promise<bool> nothing_came;
  std::promise<void> hinted;
  auto hint = hinted.get_future();
  ScriptedUpstream upstream([&](Peer& peer, int) {
    const TestMessage request = peer.ReadHead();
    peer.Write("HTTP/1.1 103 Early Hints\r\n\r\n");
    hint.wait();
    nothing_came.set_value(ReceivedNothing(peer));
    peer.Write(WsAnswer(request));
    Echo(peer, request);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(absl::StrCat(WsRequest(), "early"));
  EXPECT_EQ(client.ReadHead().status(), 103);
  hinted.set_value();
  EXPECT_TRUE(nothing_came.get_future().get());
  EXPECT_EQ(client.ReadHead().status(), 101);
  std::string back;
  client.Write("later");
  EXPECT_TRUE(client.ReadExact(10, &back));
  EXPECT_EQ(back, "earlylater");
}

TEST_F(TunnelTest, BytesBehindTheAnswersHeadBelongToTheTunnel) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    peer.Write(absl::StrCat(WsAnswer(peer.ReadHead()), "first"));
    std::string rest;
    peer.ReadToEnd(&rest);
  });
  Publish({upstream.port()});
  Peer client = OpenTunnel();
  std::string got;
  EXPECT_TRUE(client.ReadExact(5, &got));
  EXPECT_EQ(got, "first");
}

TEST_F(TunnelTest, ARefusedUpgradeIsAnOrdinaryAnswer) {
  ScriptedUpstream upstream(Answering([](const TestMessage& request) -> std::string {
    if (!request.Has("upgrade")) return Ok("plain");
    return "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: "
           "2\r\n\r\nno";
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(WsRequest());
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 426);
  EXPECT_EQ(answer.Field("sec-websocket-version"), "13");
  EXPECT_EQ(answer.body, "no");
  client.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().body, "plain");
  EXPECT_EQ(upstream.connections(), 1) << "both connections go on";
  EXPECT_EQ(engine().Stats().tunnels_opened, 0u);
}

// P8. An endpoint that answers 200 leaves the connection HTTP: what the client keeps sending is
// parsed, routed and refused like everything else, never carried through.
TEST_F(TunnelTest, NothingIsSmuggledBehindARefusedUpgrade) {
  std::atomic<int> requests{0};
  std::promise<std::string> leftover;
  ScriptedUpstream upstream([&](Peer& peer, int) {
    while (peer.ReadMessage().complete) {
      ++requests;
      if (!peer.Write(Ok("x"))) break;
    }
    std::string rest;
    peer.ReadToEnd(&rest);
    leftover.set_value(rest);
  });
  routes[0].path_kind = RouteEntry::PathKind::kExact;
  routes[0].path = "/ws";
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(
      absl::StrCat(WsRequest(), "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n\x81\x05hello\r\n"));
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "no_route");
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "bad_request_line");
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(requests, 1);
  engine().Drain(absl::ZeroDuration());
  EXPECT_EQ(leftover.get_future().get(), "");
}

// P8. A 101 that an endpoint was talked into without having read the key opens nothing.
TEST_F(TunnelTest, A101ThatProvesNothingIs502) {
  const std::string accept = absl::StrCat("Sec-WebSocket-Accept: ", kWsAccept, "\r\n");
  const std::string start = "HTTP/1.1 101 Switching Protocols\r\n";
  const std::vector<std::string> answers = {
      absl::StrCat(start, "Upgrade: websocket\r\nConnection: Upgrade\r\n"),
      absl::StrCat(start, "Upgrade: websocket\r\nConnection: Upgrade\r\n",
                   "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"),
      absl::StrCat(start, "Upgrade: websocket\r\nConnection: Upgrade\r\n", accept, accept),
      absl::StrCat(start, "Upgrade: websocket\r\n", accept),
      absl::StrCat(start, "Connection: Upgrade\r\n", accept),
      absl::StrCat(start, "Upgrade: h2c\r\nConnection: Upgrade\r\n", accept),
      absl::StrCat(start, "Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n", accept),
      absl::StrCat(start, "Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n", accept),
      absl::StrCat(start, "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n",
                   accept),
      absl::StrCat(start,
                   "Upgrade: websocket\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked\r\n",
                   accept),
      absl::StrCat("HTTP/1.0 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
                   accept),
  };
  std::atomic<size_t> next{0};
  std::atomic<int> leaked{0};
  ScriptedUpstream upstream([&](Peer& peer, int) {
    const TestMessage request = peer.ReadHead();
    if (!request.Has("upgrade")) {
      peer.Write(Ok("plain"));
      return;
    }
    peer.Write(absl::StrCat(answers[next], "\r\n"));
    std::string rest;
    peer.ReadToEnd(&rest);
    if (!rest.empty()) ++leaked;
  });
  Publish({upstream.port()});
  const auto ask_all = [&] {
    for (next = 0; next < answers.size(); ++next) {
      Peer client = Client();
      client.Write(absl::StrCat(WsRequest(), "\x81\x05hello"));
      const TestMessage answer = client.ReadMessage();
      EXPECT_EQ(answer.status(), 502) << answers[next];
      EXPECT_EQ(answer.Field("x-pointsman-reason"), "upstream_protocol") << answers[next];
      EXPECT_TRUE(GoodRequest());
    }
  };
  ask_all();
  BeginRow();
  ask_all();
  ExpectUnharmed();
  EXPECT_EQ(engine().Stats().tunnels_opened, 0u);
  EXPECT_EQ(leaked, 0);
}

// S13. What is no WebSocket handshake loses its Upgrade, and a 101 to it is nobody's.
TEST_F(TunnelTest, OtherUpgradesAreDropped) {
  std::atomic<bool> saw_upgrade{false};
  ScriptedUpstream upstream(Answering([&](const TestMessage& request) {
    if (request.Has("upgrade") || request.Has("connection")) saw_upgrade = true;
    return std::string("HTTP/1.1 204 No Content\r\n\r\n");
  }));
  Publish({upstream.port()});
  const std::string key = absl::StrCat("Sec-WebSocket-Key: ", kWsKey, "\r\n");
  const std::string both = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const std::vector<std::string> heads = {
      absl::StrCat("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", key),
      absl::StrCat("GET / HTTP/1.1\r\nUpgrade: websocket\r\n", key),
      absl::StrCat("GET / HTTP/1.1\r\n", both),
      absl::StrCat("GET / HTTP/1.1\r\n", both, "Sec-WebSocket-Key: short\r\n"),
      absl::StrCat("GET / HTTP/1.1\r\n", both, key, key),
      absl::StrCat("GET / HTTP/1.1\r\nConnection: Upgrade, Sec-WebSocket-Key\r\n",
                   "Upgrade: websocket\r\n", key),
      absl::StrCat("GET / HTTP/1.0\r\n", both, key),
      absl::StrCat("HEAD / HTTP/1.1\r\n", both, key),
      absl::StrCat("GET / HTTP/1.1\r\nContent-Length: 0\r\n", both, key),
  };
  for (const std::string& head : heads) {
    Peer client = Client();
    client.Write(absl::StrCat(head, "Host: a\r\n\r\n"));
    EXPECT_EQ(client.ReadMessage().status(), 204) << head;
    EXPECT_FALSE(saw_upgrade.exchange(false)) << head;
  }
}

TEST_F(TunnelTest, EachDirectionEndsByItself) {
  ScriptedUpstream upstream(Following([](Peer& peer, const TestMessage& request) {
    if (absl::StartsWith(request.first_line, "GET /talk")) {
      peer.Write("all");
      peer.ShutdownWrite();
      std::string said;
      peer.ReadToEnd(&said);
      EXPECT_EQ(said, "still here");
      return;
    }
    std::string said;
    EXPECT_TRUE(peer.ReadToEnd(&said));
    peer.Write(absl::StrCat("heard ", said));
  }));
  Publish({upstream.port()});
  Peer first = OpenTunnel();
  first.Write("me out");
  first.ShutdownWrite();
  std::string answer;
  EXPECT_TRUE(first.ReadToEnd(&answer));
  EXPECT_EQ(answer, "heard me out");
  Peer second = Client();
  second.Write(WsRequest("/talk"));
  EXPECT_EQ(second.ReadHead().status(), 101);
  answer.clear();
  EXPECT_TRUE(second.ReadToEnd(&answer));
  EXPECT_EQ(answer, "all");
  EXPECT_EQ(engine().Stats().tunnels, 1u);
  second.Write("still here");
  second.ShutdownWrite();
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_EQ(ReasonCountOf(Reason::kClientGone), 0u);
}

// The end is passed on behind the last byte, however slowly that one is taken.
TEST_F(TunnelTest, ASlowEndpointGetsEverythingBeforeTheEnd) {
  const std::string sent = Numbers(2'500'000);
  std::promise<void> written;
  auto go = written.get_future().share();
  std::promise<std::string> got;
  ScriptedUpstream upstream(Following([&](Peer& peer, const TestMessage&) {
    peer.ShutdownWrite();
    go.wait();
    std::string all;
    peer.ReadToEnd(&all);
    got.set_value(std::move(all));
  }));
  Publish({upstream.port()});
  Peer client = OpenTunnel();
  EXPECT_TRUE(client.Closed()) << "the endpoint's direction has ended";
  std::thread writer([&] {
    client.Write(sent);
    client.ShutdownWrite();
  });
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().buffer_bytes >= limits.stream_window_bytes; }));
  written.set_value();
  writer.join();
  EXPECT_TRUE(got.get_future().get() == sent);
  EXPECT_LT(engine().Stats().buffer_bytes_peak, 400'000u);
  EXPECT_TRUE(TunnelsAre(0));
}

TEST_F(TunnelTest, ASlowClientHoldsTheEndpointBack) {
  constexpr size_t kHuge = 16 << 20;
  ScriptedUpstream upstream(
      Following([](Peer& peer, const TestMessage&) { peer.Write(std::string(kHuge, 'x')); }));
  Publish({upstream.port()});
  Peer client = OpenTunnel(/*receive_buffer=*/4096);
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().buffer_bytes >= limits.stream_window_bytes; }));
  std::string got;
  EXPECT_TRUE(client.ReadToEnd(&got));
  EXPECT_EQ(got.size(), kHuge);
  EXPECT_LT(engine().Stats().buffer_bytes_peak, 400'000u);
}

TEST_F(TunnelTest, AnEndpointThatDiesResetsTheClient) {
  ScriptedUpstream upstream(Following([](Peer& peer, const TestMessage&) {
    std::string asked;
    peer.ReadExact(3, &asked);
    peer.Reset();
  }));
  Publish({upstream.port()});
  Peer client = OpenTunnel();
  client.Write("die");
  std::string rest;
  EXPECT_FALSE(client.ReadToEnd(&rest)) << "no orderly end";
  EXPECT_EQ(rest, "");
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_EQ(ReasonCountOf(Reason::kUpstreamReset), 1u);
  EXPECT_EQ(upstream.connections(), 1) << "a tunnel is never tried again";
  EXPECT_EQ(engine().Stats().retries, 0u);
}

TEST_F(TunnelTest, AClientThatDiesEndsTheEndpointsConnection) {
  std::promise<void> ended;
  ScriptedUpstream upstream(Following([&](Peer& peer, const TestMessage&) {
    std::string rest;
    peer.ReadToEnd(&rest);
    ended.set_value();
  }));
  Publish({upstream.port()});
  Peer client = OpenTunnel();
  client.Reset();
  ended.get_future().wait();
  EXPECT_TRUE(TunnelsAre(0));
  EXPECT_EQ(ReasonCountOf(Reason::kClientGone), 1u);
}

TEST_F(TunnelTest, IsTriedElsewhereBeforeTheAnswerOnly) {
  ScriptedUpstream good(Following(&Echo));
  // Takes the request and leaves without a word.
  ScriptedUpstream bad([](Peer& peer, int) { peer.ReadHead(); });
  Publish({bad.port(), good.port(), DeadPort()});
  for (int i = 0; i < 12; ++i) {
    Peer client = Client();
    client.Write(absl::StrCat(WsRequest(), "kept"));
    ASSERT_EQ(client.ReadHead().status(), 101);
    std::string back;
    EXPECT_TRUE(client.ReadExact(4, &back));
    EXPECT_EQ(back, "kept") << "early bytes go to the one that agreed";
  }
  EXPECT_GT(engine().Stats().retries, 0u);
}

TEST_F(TunnelTest, LastsLongerThanARequestButNotIdle) {
  policy.request_timeout = absl::Milliseconds(100);
  policy.idle_timeout = absl::Milliseconds(400);
  ScriptedUpstream upstream(Following(&Echo));
  Publish({upstream.port()});
  Peer client = OpenTunnel();
  const absl::Time used_until = absl::Now() + 3 * absl::Duration(policy.request_timeout);
  std::string back;
  while (absl::Now() < used_until) {
    client.Write("x");
    ASSERT_TRUE(client.ReadExact(1, &back));
  }
  EXPECT_TRUE(client.Closed());
  EXPECT_GE(absl::Now() - used_until, absl::Milliseconds(300));
  EXPECT_EQ(ReasonCountOf(Reason::kIdleTimeout), 1u);
  EXPECT_EQ(ReasonCountOf(Reason::kRequestTimeout), 0u);
  EXPECT_TRUE(TunnelsAre(0));
}

TEST_F(TunnelTest, AnAnswerThatDoesNotComeTimesOut) {
  policy.first_byte_timeout = absl::Milliseconds(40);
  policy.max_retries = 0;
  ScriptedUpstream upstream([](Peer& peer, int) {
    std::string rest;
    peer.ReadToEnd(&rest);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(WsRequest());
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "upstream_timeout");
}

TEST_F(TunnelTest, DrainLetsTunnelsLiveToItsDeadline) {
  ScriptedUpstream upstream(Following(&Echo));
  Publish({upstream.port()});
  Peer client = OpenTunnel();
  std::thread drain([&] { engine().Drain(absl::Milliseconds(300)); });
  ASSERT_TRUE(WaitFor([&] { return engine().draining(); }));
  std::string back;
  client.Write("still");
  EXPECT_TRUE(client.ReadExact(5, &back));
  EXPECT_EQ(engine().Stats().tunnels, 1u);
  EXPECT_TRUE(client.Closed());
  drain.join();
  EXPECT_EQ(engine().Stats().tunnels, 0u);
  EXPECT_EQ(ReasonCountOf(Reason::kDraining), 1u);
  EXPECT_EQ(ReasonCountOf(Reason::kClientGone), 0u);
}

}  // namespace
}  // namespace pointsman::gateway
