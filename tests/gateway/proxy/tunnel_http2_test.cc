// Upgrades where HTTP/2 stands on one side at least (RFC 8441): how the handshake is translated,
// and what is refused.

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/tunnel_fixture.h"

namespace pointsman::gateway {
namespace {

class TunnelHttp2Test : public TunnelFixture {
 protected:
  using Side = Http2Peer::Side;

  Peer socket_;
  std::unique_ptr<Http2Peer> client_;
  Http2Peer& client() {
    if (client_ == nullptr) {
      socket_ = Client();
      client_ = std::make_unique<Http2Peer>(Side::kClient, &socket_);
    }
    return *client_;
  }
  // An HTTP/2 endpoint: `connect` is the value of its setting, `answer` deals with each stream.
  using Answer = std::function<void(Http2Peer& http2, int32_t id)>;
  static ScriptedUpstream::Script Http2Endpoint(uint32_t connect, Answer answer) {
    return [connect, answer = std::move(answer)](Peer& peer, int) {
      Http2Peer http2(Side::kServer, &peer, {{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, connect}});
      while (const int32_t id = http2.AwaitRequestHead()) answer(http2, id);
    };
  }
};

TEST_F(TunnelHttp2Test, AnHttp1EndpointGetsAHandshakeOfItsOwn) {
  std::promise<TestMessage> read;
  ScriptedUpstream upstream(Following([&read](Peer& peer, const TestMessage& request) {
    read.set_value(request);
    Echo(peer, request);
  }));
  Publish({upstream.port()});
  H2Fields fields = WsConnect("/chat?x=1");
  fields.push_back({"sec-websocket-key", "not for this protocol"});
  const int32_t id = client().Open(fields);
  const H2Message& answer = client().AwaitHead(id);
  EXPECT_EQ(nghttp2_session_get_remote_settings(client().session(),
                                                NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL),
            1u);
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.Field("sec-websocket-protocol"), "chat");
  for (const char* name : {"sec-websocket-accept", "upgrade", "connection", "content-length"}) {
    EXPECT_EQ(answer.Field(name), "") << name;
  }
  const TestMessage seen = read.get_future().get();
  EXPECT_EQ(seen.first_line, "GET /chat?x=1 HTTP/1.1");
  EXPECT_EQ(seen.Field("host"), "a");
  EXPECT_EQ(seen.Field("upgrade"), "websocket");
  EXPECT_EQ(seen.Field("connection"), "upgrade");
  EXPECT_EQ(seen.Field("sec-websocket-key").size(), 24u);
  EXPECT_EQ(seen.Field("sec-websocket-version"), "13");
  EXPECT_FALSE(seen.Has("transfer-encoding"));
  EXPECT_FALSE(seen.Has(":protocol"));
}

TEST_F(TunnelHttp2Test, AnHttp1ClientGetsItsProof) {
  policy.upstream_http2 = true;
  std::promise<H2Message> read;
  ScriptedUpstream upstream(Http2Endpoint(1, [&read](Http2Peer& http2, int32_t id) {
    read.set_value(http2.message(id));
    http2.RespondOpen(id, {{":status", "204"},
                           {"sec-websocket-protocol", "chat"},
                           {"sec-websocket-accept", "a lie"}});
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(WsRequest("/chat?x=1"));
  const TestMessage answer = client.ReadHead();
  EXPECT_EQ(answer.first_line, "HTTP/1.1 101 Switching Protocols");
  EXPECT_EQ(answer.Field("sec-websocket-accept"), kWsAccept);
  EXPECT_EQ(answer.Field("sec-websocket-protocol"), "chat");
  EXPECT_EQ(answer.Field("upgrade"), "websocket");
  EXPECT_EQ(answer.Field("connection"), "upgrade");
  const H2Message seen = read.get_future().get();
  EXPECT_EQ(seen.Field(":method"), "CONNECT");
  EXPECT_EQ(seen.Field(":protocol"), "websocket");
  EXPECT_EQ(seen.Field(":scheme"), "http");
  EXPECT_EQ(seen.Field(":authority"), "a");
  EXPECT_EQ(seen.Field(":path"), "/chat?x=1");
  EXPECT_EQ(seen.Field("sec-websocket-version"), "13");
  EXPECT_EQ(seen.Field("sec-websocket-key"), "");
  EXPECT_FALSE(seen.ended);
}

TEST_F(TunnelHttp2Test, TunnelsShareAConnectionWithRequests) {
  policy.upstream_http2 = true;
  ScriptedUpstream upstream(Http2Endpoint(1, [](Http2Peer& http2, int32_t id) {
    if (http2.message(id).Field(":method") == "CONNECT") {
      http2.RespondOpen(id, {{":status", "200"}});
      http2.Send(id, "tunnel", false);
    } else {
      http2.Respond(id, {{":status", "200"}}, "plain");
    }
  }));
  Publish({upstream.port()});
  const int32_t first = client().Open(WsConnect());
  const int32_t second = client().Open(WsConnect());
  EXPECT_EQ(client().AwaitHead(first).status(), 200);
  EXPECT_EQ(client().AwaitHead(second).status(), 200);
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).body, "plain");
  EXPECT_TRUE(client().Until([&] { return client().message(second).body == "tunnel"; }));
  EXPECT_EQ(upstream.connections(), 1);
  EXPECT_EQ(engine().Stats().tunnels, 2u);
  client().Reset(first, NGHTTP2_CANCEL);
  EXPECT_TRUE(TunnelsAre(1));
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).body, "plain");
}

// S13 over HTTP/2: data is kept until an endpoint has agreed.
TEST_F(TunnelHttp2Test, EarlyDataWaitsForTheAnswer) {
  std::promise<bool> nothing_came;
  std::promise<void> hinted;
  auto hint = hinted.get_future();
  ScriptedUpstream upstream([&](Peer& peer, int) {
    const TestMessage request = peer.ReadHead();
    if (!request.Has("upgrade")) {
      peer.Write(Ok("x"));
      return;
    }
    peer.Write("HTTP/1.1 103 Early Hints\r\n\r\n");
    hint.wait();
    nothing_came.set_value(ReceivedNothing(peer));
    peer.Write(WsAnswer(request));
    Echo(peer, request);
  });
  Publish({upstream.port()});
  const std::string early(65'535, 'e');  // All that the window allows.
  const int32_t id = client().Open(WsConnect());
  client().Send(id, early, true);
  client().Until([&] { return !client().message(id).interims.empty(); });
  // The gateway has read everything that stands before a request it has answered.
  client().Await(client().Request(Http2Peer::Get("/other")));
  hinted.set_value();
  EXPECT_TRUE(nothing_came.get_future().get());
  EXPECT_EQ(client().Await(id).status(), 200);
  EXPECT_TRUE(client().message(id).body == early) << client().message(id).body.size();
}

TEST_F(TunnelHttp2Test, ARefusalPassesAndEarlyDataDoesNot) {
  std::promise<std::string> leftover;
  ScriptedUpstream upstream([&](Peer& peer, int) {
    peer.ReadHead();
    peer.Write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    std::string rest;
    peer.ReadToEnd(&rest);
    leftover.set_value(rest);
  });
  Publish({upstream.port()});
  const int32_t id = client().Open(WsConnect());
  client().Send(id, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", false);
  const H2Message& answer = client().Await(id);
  EXPECT_EQ(answer.status(), 403);
  EXPECT_EQ(answer.body, "no");
  engine().Drain(absl::ZeroDuration());
  EXPECT_EQ(leftover.get_future().get(), "");
}

// A 2xx would tell the client that its tunnel stands.
TEST_F(TunnelHttp2Test, ASuccessThatIsNoSwitchIs502) {
  ScriptedUpstream upstream(Answering([](const TestMessage& request) -> std::string {
    if (!absl::StartsWith(request.first_line, "GET /lie")) return Ok("not a tunnel");
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
  }));
  Publish({upstream.port()});
  const H2Message& plain = client().Await(client().Open(WsConnect()));
  EXPECT_EQ(plain.status(), 502);
  EXPECT_EQ(plain.Field("x-pointsman-reason"), "upgrade_unsupported");
  const H2Message& lie = client().Await(client().Open(WsConnect("/lie")));
  EXPECT_EQ(lie.status(), 502);
  EXPECT_EQ(lie.Field("x-pointsman-reason"), "upstream_protocol");
  EXPECT_EQ(engine().Stats().tunnels_opened, 0u);
}

TEST_F(TunnelHttp2Test, OtherProtocolsAndPlainConnectAreRefused) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  H2Fields other = WsConnect();
  other[1].second = "connect-udp";
  const H2Message& refused = client().Await(client().Open(other));
  EXPECT_EQ(refused.status(), 501);
  EXPECT_EQ(refused.Field("x-pointsman-reason"), "upgrade_refused");
  // Not as gRPC's 200, which its client would take for the tunnel.
  H2Fields posing = WsConnect();
  for (auto& [name, value] : posing) {
    if (name == ":protocol") value = "connect-udp";
  }
  posing.emplace_back("content-type", "application/grpc");
  EXPECT_EQ(client().Await(client().Open(posing)).status(), 501);
  const int32_t plain = client().Open({{":method", "CONNECT"}, {":authority", "a:443"}});
  EXPECT_EQ(client().Await(plain).status(), 405);
  EXPECT_EQ(client().message(plain).Field("x-pointsman-reason"), "connect_refused");
  EXPECT_EQ(client().message(plain).Field("allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  const H2Message& ended = client().Await(client().Request(WsConnect()));
  EXPECT_EQ(ended.status(), 400);
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).status(), 200);
  EXPECT_EQ(upstream.connections(), 1);
}

TEST_F(TunnelHttp2Test, AnEndpointWithoutTheSettingIsNotAsked) {
  policy.upstream_http2 = true;
  std::atomic<int> asked{0};
  ScriptedUpstream without(Http2Endpoint(0, [&asked](Http2Peer& http2, int32_t id) {
    if (http2.message(id).Field(":method") == "CONNECT") ++asked;
    http2.Respond(id, {{":status", "200"}}, "plain");
  }));
  Publish({without.port()});
  for (int i = 0; i < 3; ++i) {
    Peer client = Client();
    client.Write(WsRequest());
    EXPECT_EQ(client.ReadMessage().Field("x-pointsman-reason"), "upgrade_unsupported");
    client.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.ReadMessage().body, "plain") << "the connection goes on";
  }
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(without.connections(), 1);
  EXPECT_EQ(Totals(without.port()).resets, 0u) << "no failure of the endpoint";
  ScriptedUpstream with(Http2Endpoint(1, [](Http2Peer& http2, int32_t id) {
    http2.RespondOpen(id, {{":status", "200"}});
  }));
  Publish({without.port(), with.port()});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(client().AwaitHead(client().Open(WsConnect())).status(), 200);
  }
  EXPECT_EQ(asked, 0);
}

TEST_F(TunnelHttp2Test, WaitsForTheSettingsNoLongerThanForAConnection) {
  policy.upstream_http2 = true;
  policy.connect_timeout = absl::Milliseconds(50);
  policy.max_retries = 0;
  ScriptedUpstream silent([](Peer& peer, int) {
    std::string rest;
    peer.ReadToEnd(&rest);
  });
  Publish({silent.port()});
  const H2Message& answer = client().Await(client().Open(WsConnect()));
  EXPECT_EQ(answer.status(), 504);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "connect_timeout");
}

TEST_F(TunnelHttp2Test, NothingButDataOnATunnel) {
  policy.upstream_http2 = true;
  std::promise<uint32_t> code;
  ScriptedUpstream upstream(Http2Endpoint(1, [&code](Http2Peer& http2, int32_t id) {
    http2.RespondOpen(id, {{":status", "200"}});
    http2.Until([&] { return http2.message(id).closed; });
    code.set_value(http2.message(id).reset);
  }));
  Publish({upstream.port()});
  const int32_t id = client().Open(WsConnect());
  EXPECT_EQ(client().AwaitHead(id).status(), 200);
  const nghttp2_nv field = {const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>("a")),
                            const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>("b")), 1, 1, 0};
  nghttp2_submit_headers(client().session(), NGHTTP2_FLAG_END_STREAM, id, nullptr, &field, 1,
                         nullptr);
  EXPECT_EQ(client().Await(id).reset, static_cast<uint32_t>(NGHTTP2_CANCEL));
  EXPECT_EQ(code.get_future().get(), static_cast<uint32_t>(NGHTTP2_CANCEL));
  EXPECT_EQ(ReasonCountOf(Reason::kBadTrailer), 1u);
}

}  // namespace
}  // namespace pointsman::gateway
