// Upgrades to protocols other than WebSocket, which a route lists: who gets one, and what must not
// pass (rows S13 and P8 of the attack tables, docs/design/upgrades.md).

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/tunnel_fixture.h"

namespace pointsman::gateway {
namespace {

class TunnelOtherTest : public TunnelFixture {
 protected:
  TunnelOtherTest() { routes[0].upgrades = {"chat/2", "tcp"}; }

  Http2Peer& http2_client() {
    if (http2_ == nullptr) {
      socket_ = Client();
      http2_ = std::make_unique<Http2Peer>(Http2Peer::Side::kClient, &socket_);
    }
    return *http2_;
  }

 private:
  Peer socket_;
  std::unique_ptr<Http2Peer> http2_;
};

TEST_F(TunnelOtherTest, APostPassesAsItIs) {
  std::promise<TestMessage> read;
  ScriptedUpstream upstream([&read](Peer& peer, int) {
    const TestMessage request = peer.ReadHead();
    read.set_value(request);
    peer.Write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: CHAT/2\r\n"
        "X-Stream-Protocol-Version: v4\r\n\r\n");
    Echo(peer, request);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(ChatRequest("/exec?command=sh"));
  const TestMessage answer = client.ReadHead();
  EXPECT_EQ(answer.first_line, "HTTP/1.1 101 Switching Protocols");
  EXPECT_EQ(answer.Field("connection"), "upgrade");
  EXPECT_EQ(answer.Field("upgrade"), kChat);
  EXPECT_EQ(answer.Field("x-stream-protocol-version"), "v4");
  EXPECT_FALSE(answer.Has("sec-websocket-accept"));
  const TestMessage seen = read.get_future().get();
  EXPECT_EQ(seen.first_line, "POST /exec?command=sh HTTP/1.1");
  EXPECT_EQ(seen.Field("connection"), "upgrade");
  EXPECT_EQ(seen.Field("upgrade"), kChat);
  EXPECT_EQ(seen.Field("content-length"), "0");
  EXPECT_FALSE(seen.Has("sec-websocket-key"));
  client.Write("hello");
  std::string back;
  EXPECT_TRUE(client.ReadExact(5, &back));
  EXPECT_EQ(back, "hello");
  EXPECT_TRUE(TunnelsAre(1));
}

// S13. The endpoint speaks before it looks: had the bytes been sent on, they would be there.
TEST_F(TunnelOtherTest, EarlyBytesWaitForTheAnswer) {
  std::promise<bool> nothing_came;
  std::promise<void> hinted;
  auto hint = hinted.get_future();
  ScriptedUpstream upstream([&](Peer& peer, int) {
    const TestMessage request = peer.ReadHead();
    peer.Write("HTTP/1.1 103 Early Hints\r\n\r\n");
    hint.wait();
    nothing_came.set_value(ReceivedNothing(peer));
    peer.Write(SwitchAnswer(request));
    Echo(peer, request);
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(absl::StrCat(ChatRequest(), "early"));
  EXPECT_EQ(client.ReadHead().status(), 103);
  hinted.set_value();
  EXPECT_TRUE(nothing_came.get_future().get());
  EXPECT_EQ(client.ReadHead().status(), 101);
  std::string back;
  EXPECT_TRUE(client.ReadExact(5, &back));
  EXPECT_EQ(back, "early");
}

// P8. What follows a refused upgrade is the next request, with all rules.
TEST_F(TunnelOtherTest, NothingIsSmuggledBehindARefusedUpgrade) {
  std::atomic<int> requests{0};
  ScriptedUpstream upstream(Answering([&requests](const TestMessage&) {
    ++requests;
    return Ok("x");
  }));
  routes[0].path_kind = RouteEntry::PathKind::kExact;
  routes[0].path = "/chat";
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(absl::StrCat(ChatRequest(), "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n", "\x01\r\n"));
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "no_route");
  EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "bad_request_line");
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(requests, 1);
}

// S13. What the route does not list, or what has a body, loses its Upgrade and goes on.
TEST_F(TunnelOtherTest, WhatIsNotFollowedIsAnOrdinaryRequest) {
  std::atomic<bool> saw_upgrade{false};
  ScriptedUpstream upstream(Answering([&](const TestMessage& request) {
    if (request.Has("upgrade") || request.Has("connection")) saw_upgrade = true;
    return Ok(request.body);
  }));
  Publish({upstream.port()});
  const std::string asks =
      absl::StrCat("Host: a\r\nConnection: Upgrade\r\nUpgrade: ", kChat, "\r\n");
  const std::vector<std::string> requests = {
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat/1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, HTTP/2.0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: chat/2\r\n\r\n",
      absl::StrCat("POST / HTTP/1.0\r\n", asks, "\r\n"),
      absl::StrCat("HEAD / HTTP/1.1\r\n", asks, "\r\n"),
      absl::StrCat("OPTIONS * HTTP/1.1\r\n", asks, "\r\n"),
      absl::StrCat("POST / HTTP/1.1\r\n", asks, "Content-Length: 4\r\n\r\nbody"),
      absl::StrCat("POST / HTTP/1.1\r\n", asks,
                   "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"),
      absl::StrCat("POST / HTTP/1.1\r\n", asks, "Content-Type: application/grpc-web\r\n\r\n"),
  };
  for (const std::string& request : requests) {
    Peer client = Client();
    client.Write(request);
    EXPECT_NE(client.ReadHead().status(), 101) << request;
    EXPECT_FALSE(saw_upgrade.exchange(false)) << request;
  }
  EXPECT_EQ(engine().Stats().tunnels_opened, 0u);
}

TEST_F(TunnelOtherTest, TheRouteDecides) {
  RouteEntry plain = AnyRoute();
  plain.name = "plain";
  plain.path_kind = RouteEntry::PathKind::kPrefix;
  plain.path = "/plain";
  routes.push_back(plain);
  RouteEntry direct = plain;
  direct.name = "direct";
  direct.path = "/direct";
  direct.service = RouteEntry::kNoService;
  direct.direct_status = 200;
  routes.push_back(direct);
  ScriptedUpstream upstream([](Peer& peer, int) {
    while (true) {
      const TestMessage request = peer.ReadHead();
      if (!request.complete) return;
      if (request.Has("upgrade")) break;
      peer.Write(Ok("plain"));
    }
    peer.Write("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: chat/2\r\n\r\n");
    Echo(peer, {});
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(ChatRequest("/plain"));
  EXPECT_EQ(client.ReadMessage().body, "plain");
  client.Write(ChatRequest());
  EXPECT_EQ(client.ReadHead().status(), 101);
  const H2Message& refused = http2_client().Await(http2_client().Open(ChatConnect("/plain")));
  EXPECT_EQ(refused.status(), 501);
  EXPECT_EQ(refused.Field("x-pointsman-reason"), "upgrade_refused");
  EXPECT_EQ(http2_client().AwaitHead(http2_client().Open(ChatConnect())).status(), 200);
  // 200 would tell the client that its tunnel stands.
  const H2Message& answered = http2_client().Await(http2_client().Open(WsConnect("/direct")));
  EXPECT_EQ(answered.Field("x-pointsman-reason"), "upgrade_refused");
}

TEST_F(TunnelOtherTest, TheFirstOfSeveralThatIsAllowedIsAskedFor) {
  ScriptedUpstream upstream(Following([](Peer& peer, const TestMessage& request) {
    peer.Write(request.Field("upgrade"));
    peer.ShutdownWrite();
  }));
  Publish({upstream.port()});
  const std::string key = absl::StrCat("Sec-WebSocket-Key: ", kWsKey, "\r\n");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"Upgrade: h2c, chat/1, TCP, chat/2\r\n", "TCP"},
      {"Upgrade: chat/2, websocket\r\n" + key, "chat/2"},
      {"Upgrade: websocket, tcp\r\n", "tcp"},
      {"Upgrade: websocket, tcp\r\n" + key, "websocket"},
  };
  for (const auto& [fields, chosen] : cases) {
    Peer client = Client();
    client.Write(
        absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n", fields, "\r\n"));
    const TestMessage answer = client.ReadHead();
    EXPECT_EQ(answer.status(), 101) << fields;
    EXPECT_EQ(answer.Field("upgrade"), chosen);
    EXPECT_EQ(answer.Has("sec-websocket-accept"), chosen == "websocket");
    std::string told;
    client.ReadToEnd(&told);
    EXPECT_EQ(told, chosen);
  }
}

TEST_F(TunnelOtherTest, A101ThatNamesAnotherProtocolIs502) {
  const std::string start = "HTTP/1.1 101 Switching Protocols\r\n";
  const std::string connection = "Connection: Upgrade\r\n";
  const std::vector<std::string> answers = {
      absl::StrCat(start, connection),
      absl::StrCat(start, connection, "Upgrade: chat\r\n"),
      absl::StrCat(start, connection, "Upgrade: tcp\r\n"),
      absl::StrCat(start, connection, "Upgrade: h2c\r\n"),
      absl::StrCat(start, connection, "Upgrade: chat/2, h2c\r\n"),
      absl::StrCat(start, connection, "Upgrade: chat/2\r\nUpgrade: chat/2\r\n"),
      absl::StrCat(start, "Upgrade: chat/2\r\n"),
      absl::StrCat(start, connection, "Upgrade: chat/2\r\nContent-Length: 5\r\n"),
      absl::StrCat("HTTP/1.0 101 Switching\r\n", connection, "Upgrade: chat/2\r\n"),
  };
  std::atomic<size_t> next{0};
  std::atomic<int> leaked{0};
  ScriptedUpstream upstream([&](Peer& peer, int) {
    peer.ReadHead();
    peer.Write(absl::StrCat(answers[next], "\r\n"));
    std::string rest;
    peer.ReadToEnd(&rest);
    if (!rest.empty()) ++leaked;
  });
  Publish({upstream.port()});
  for (; next < answers.size(); ++next) {
    Peer client = Client();
    client.Write(absl::StrCat(ChatRequest(), "\x01"));
    EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "upstream_protocol")
        << answers[next];
  }
  EXPECT_EQ(engine().Stats().tunnels_opened, 0u);
  EXPECT_EQ(leaked, 0);
}

// Whoever read the head of a POST may have begun to work.
TEST_F(TunnelOtherTest, APostIsTriedElsewhereOnlyWhenNobodySawIt) {
  ScriptedUpstream bad([](Peer& peer, int) { peer.ReadHead(); });
  ScriptedUpstream good(Following(&Echo));
  Publish({bad.port()});
  Peer unlucky = Client();
  unlucky.Write(ChatRequest());
  EXPECT_EQ(unlucky.ReadMessage().Field("x-pointsman-reason"), "upstream_reset");
  EXPECT_EQ(bad.connections(), 1);
  EXPECT_EQ(engine().Stats().retries, 0u);
  Publish({DeadPort(), good.port()});
  for (int i = 0; i < 10; ++i) {
    Peer client = Client();
    client.Write(ChatRequest());
    EXPECT_EQ(client.ReadHead().status(), 101);
  }
}

TEST_F(TunnelOtherTest, AnHttp2EndpointIsAskedByExtendedConnect) {
  policy.upstream_http2 = true;
  std::promise<H2Message> read;
  ScriptedUpstream upstream([&read](Peer& peer, int) {
    Http2Peer http2(Http2Peer::Side::kServer, &peer,
                    {{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}});
    const int32_t id = http2.AwaitRequestHead();
    read.set_value(http2.message(id));
    http2.RespondOpen(id, {{":status", "200"}});
    http2.Until([&] { return http2.message(id).closed; });
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(ChatRequest());
  const TestMessage answer = client.ReadHead();
  EXPECT_EQ(answer.first_line, "HTTP/1.1 101 Switching Protocols");
  EXPECT_EQ(answer.Field("upgrade"), kChat);
  EXPECT_FALSE(answer.Has("sec-websocket-accept"));
  const H2Message seen = read.get_future().get();
  EXPECT_EQ(seen.Field(":method"), "CONNECT");
  EXPECT_EQ(seen.Field(":protocol"), kChat);
  EXPECT_EQ(seen.Field(":path"), "/chat");
  EXPECT_EQ(seen.Field("content-length"), "");
  EXPECT_FALSE(seen.ended);
}

TEST_F(TunnelOtherTest, AnHttp2ClientsConnectIsAGetForAnHttp1Endpoint) {
  std::promise<TestMessage> read;
  ScriptedUpstream upstream(Following([&read](Peer& peer, const TestMessage& request) {
    read.set_value(request);
    Echo(peer, request);
  }));
  Publish({upstream.port()});
  const H2Message& answer = http2_client().AwaitHead(http2_client().Open(ChatConnect()));
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.Field("upgrade"), "");
  const TestMessage seen = read.get_future().get();
  EXPECT_EQ(seen.first_line, "GET /chat HTTP/1.1");
  EXPECT_EQ(seen.Field("upgrade"), kChat);
  EXPECT_EQ(seen.Field("connection"), "upgrade");
  EXPECT_FALSE(seen.Has("sec-websocket-key"));
  EXPECT_FALSE(seen.Has("content-length"));
}

}  // namespace
}  // namespace pointsman::gateway
