// HTTP/2 on either side and on both, over real sockets.

#include <atomic>
#include <future>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

class Http2Test : public EngineFixture {
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
};

TEST_F(Http2Test, ToAnHttp1Endpoint) {
  TestMessage seen;
  ScriptedUpstream upstream(Answering([&seen](const TestMessage& request) {
    seen = request;
    return std::string("HTTP/1.1 201 Created\r\nX-Kind: Good\r\nContent-Length: 5\r\n\r\nhello");
  }));
  Publish({upstream.port()});
  H2Fields fields = Http2Peer::Post("/path?q=1");
  fields.push_back({"x-own", "v"});
  fields.push_back({"cookie", "a=1"});
  fields.push_back({"cookie", "b=2"});
  fields.push_back({"te", "trailers"});
  const H2Message& answer = client().Await(client().Request(fields, "body"));
  EXPECT_EQ(answer.status(), 201);
  EXPECT_EQ(answer.Field("x-kind"), "Good");
  EXPECT_EQ(answer.Field("content-length"), "5");
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.reset, 0u);
  EXPECT_EQ(seen.first_line, "POST /path?q=1 HTTP/1.1");
  EXPECT_EQ(seen.Field("host"), "a");
  EXPECT_EQ(seen.Field("x-own"), "v");
  EXPECT_EQ(seen.Field("cookie"), "a=1; b=2");
  EXPECT_EQ(seen.Field("transfer-encoding"), "chunked");
  EXPECT_EQ(seen.Field("via"), "2 pointsman");
  EXPECT_EQ(seen.Field("x-forwarded-for"), "127.0.0.1");
  EXPECT_FALSE(seen.Has("te"));
  EXPECT_EQ(seen.body, "body");
}

TEST_F(Http2Test, ToAnHttp2Endpoint) {
  policy.upstream_http2 = true;
  H2Message seen;
  ScriptedUpstream upstream(Http2Answering([&seen](const H2Message& request) {
    seen = request;
    return H2Answer{{{":status", "200"}, {"content-type", "application/grpc"}},
                    "reply",
                    {{"grpc-status", "0"}}};
  }));
  Publish({upstream.port()});
  H2Fields fields = Http2Peer::Post("/svc/Method");
  fields.push_back({"te", "trailers"});
  fields.push_back({"content-type", "application/grpc"});
  const H2Message& answer = client().Await(client().Request(fields, "ask", {{"x-last", "1"}}));
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "reply");
  EXPECT_EQ(answer.Trailer("grpc-status"), "0");
  EXPECT_EQ(seen.Field(":path"), "/svc/Method");
  EXPECT_EQ(seen.Field(":authority"), "a");
  EXPECT_EQ(seen.Field("te"), "trailers");
  EXPECT_EQ(seen.Field("x-forwarded-proto"), "http");
  EXPECT_EQ(seen.body, "ask");
  EXPECT_EQ(seen.Trailer("x-last"), "1");
  EXPECT_EQ(engine().Stats().requests_active, 0u);
}

TEST_F(Http2Test, TellsAnotherHostWhenTheServiceSaysSo) {
  policy.upstream_http2 = true;
  policy.authority = "api.internal";
  H2Message seen;
  ScriptedUpstream upstream(Http2Answering([&seen](const H2Message& request) {
    seen = request;
    return H2Answer{{{":status", "200"}}, "", {}};
  }));
  Publish({upstream.port()});
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).status(), 200);
  EXPECT_EQ(seen.Field(":authority"), "api.internal");
  EXPECT_EQ(seen.Field("x-forwarded-host"), "a");
}

TEST_F(Http2Test, FromAnHttp1Client) {
  policy.upstream_http2 = true;
  H2Message seen;
  ScriptedUpstream upstream(Http2Answering([&seen](const H2Message& request) {
    seen = request;
    return H2Answer{{{":status", "200"}, {"x-a", "b"}}, "reply", {{"x-sum", "9"}}};
  }));
  Publish({upstream.port()});
  Peer client = Client();
  for (int i = 0; i < 3; ++i) {
    client.Write(
        "PUT /x HTTP/1.1\r\nHost: Example.test\r\nX-Mixed: V\r\nConnection: x-hop\r\nX-Hop: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    const TestMessage answer = client.ReadMessage();
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.Field("x-a"), "b");
    EXPECT_EQ(answer.body, "reply");
    ASSERT_EQ(answer.trailers.size(), 1u);
    EXPECT_EQ(answer.trailers[0].second, "9");
    EXPECT_EQ(seen.Field(":authority"), "Example.test");
    EXPECT_EQ(seen.Field("x-mixed"), "V");
    EXPECT_EQ(seen.Field("x-hop"), "");
    EXPECT_EQ(seen.Field("via"), "1.1 pointsman");
    EXPECT_EQ(seen.body, "abc");
  }
  EXPECT_EQ(upstream.connections(), 1);
}

// The largest that can be set (gateway_limits.proto): the library must not refuse to send it on.
TEST_F(Http2Test, TheLargestHeadPassesFromHttp1AndBack) {
  constexpr size_t kFields = 980;
  limits.head.bytes_max = 48 * 1024;
  limits.head.fields_max = 1000;
  policy.upstream_http2 = true;
  const std::string value(36, 'v');
  std::atomic<size_t> seen{0};
  ScriptedUpstream upstream(Http2Answering([&](const H2Message& request) {
    seen = request.fields.size();
    H2Answer answer{{{":status", "200"}}, "reply", {}};
    // Sizes of heads count 32 bytes a field here.
    for (int i = 0; i < 600; ++i) answer.fields.emplace_back(absl::StrCat("x-", i), value);
    return answer;
  }));
  Publish({upstream.port()});
  std::string head = "GET / HTTP/1.1\r\nHost: a.example\r\n";
  for (size_t i = 0; i < kFields; ++i) absl::StrAppend(&head, "x-", i, ": ", value, "\r\n");
  absl::StrAppend(&head, "x-rest: ", std::string(48 * 1024 - head.size() - 12, 'r'), "\r\n\r\n");
  ASSERT_EQ(head.size(), size_t{48 * 1024});
  Peer peer = Client();
  peer.Write(head);
  const TestMessage answer = peer.ReadMessage();
  EXPECT_EQ(answer.status(), 200) << answer.Field("x-pointsman-reason");
  EXPECT_EQ(answer.body, "reply");
  EXPECT_EQ(answer.Field("x-599"), value);
  EXPECT_GT(seen.load(), kFields);
}

TEST_F(Http2Test, AnEndpointCannotSpeakForTheGateway) {
  policy.upstream_http2 = true;
  ScriptedUpstream upstream(Http2Answering([](const H2Message&) {
    return H2Answer{{{":status", "503"}, {"x-pointsman-reason", "no_route"}}, "busy", {}};
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.body, "busy");
  EXPECT_FALSE(answer.Has("x-pointsman-reason"));
}

// Counters are kept by the first digit: another one must not reach them.
TEST_F(Http2Test, AStatusOutOfRangeIs502) {
  policy.upstream_http2 = true;
  ScriptedUpstream upstream(Http2Answering([](const H2Message&) {
    return H2Answer{{{":status", "999"}}, "", {}};
  }));
  Publish({upstream.port()});
  const H2Message& answer = client().Await(client().Request(Http2Peer::Post("/"), "x"));
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "upstream_protocol");
}

TEST_F(Http2Test, ManyStreamsShareAConnection) {
  policy.upstream_http2 = true;
  ScriptedUpstream upstream(Http2Answering([](const H2Message& request) {
    return H2Answer{{{":status", "200"}}, request.body, {}};
  }));
  Publish({upstream.port()});
  std::map<int32_t, std::string> bodies;
  for (int i = 0; i < 100; ++i) {
    const std::string body(static_cast<size_t>(i) * 300 + 1, static_cast<char>('a' + i % 26));
    bodies[client().Request(Http2Peer::Post(), body)] = body;
  }
  for (const auto& [id, body] : bodies) {
    const H2Message& answer = client().Await(id);
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.body, body);
  }
  EXPECT_EQ(upstream.connections(), 1);
  EXPECT_EQ(engine().Stats().connections, 1u);
}

// As gRPC's clients do, at the limits as they are by default.
TEST_F(Http2Test, PingsAndOpenedWindowsBetweenSmallRequestsHaveNoEnd) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  for (int i = 0; i < 3'000; ++i) {
    ASSERT_EQ(client().Await(client().Request(Http2Peer::Get())).status(), 200) << i;
    nghttp2_submit_ping(client().session(), 0, nullptr);
    nghttp2_submit_window_update(client().session(), 0, 0, 1);
  }
  EXPECT_FALSE(client().goaway());
}

TEST_F(Http2Test, LargeBodiesPassBothWays) {
  for (const bool http2 : {false, true}) {
    policy.upstream_http2 = http2;
    ScriptedUpstream echo1(Answering([](const TestMessage& request) { return Ok(request.body); }));
    ScriptedUpstream echo2(Http2Answering([](const H2Message& request) {
      return H2Answer{{{":status", "200"}}, request.body, {}};
    }));
    Publish({http2 ? echo2.port() : echo1.port()});
    std::string body;
    for (int i = 0; i < 500'000; ++i) absl::StrAppend(&body, i, ",");
    const H2Message& answer = client().Await(client().Request(Http2Peer::Post(), body));
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.body == body, true) << answer.body.size() << " of " << body.size();
  }
}

TEST_F(Http2Test, HeadsWithoutBodies) {
  ScriptedUpstream upstream(Answering([](const TestMessage& request) -> std::string {
    if (absl::StartsWith(request.first_line, "HEAD")) {
      return "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n";
    }
    return "HTTP/1.1 204 No Content\r\n\r\n";
  }));
  Publish({upstream.port()});
  H2Fields head = Http2Peer::Get();
  head[0].second = "HEAD";
  // The test's reader takes the answer to HEAD for complete by its END_STREAM.
  EXPECT_EQ(client().Await(client().Request(head)).Field("content-length"), "77");
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).status(), 204);
}

TEST_F(Http2Test, AnAnswerWithoutBodyMayEndInAFrameOfItsOwn) {
  policy.upstream_http2 = true;
  const auto answer = [](const std::string& path) {
    if (path == "/empty") return H2Fields{{":status", "200"}, {"content-length", "0"}};
    if (path == "/none") return H2Fields{{":status", "204"}};
    if (path == "/old") return H2Fields{{":status", "304"}, {"etag", "e"}};
    return H2Fields{{":status", "200"}, {"content-length", "77"}};  // To HEAD.
  };
  ScriptedUpstream upstream([&answer](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    for (int32_t id = http2.AwaitRequest(); id > 0; id = http2.AwaitRequest()) {
      http2.RespondOpen(id, answer(http2.message(id).Field(":path")));
      http2.Send(id, "", /*end=*/true);
    }
  });
  Publish({upstream.port()});
  for (const std::string path : {"/empty", "/none", "/old", "/head"}) {
    H2Fields fields = Http2Peer::Get(path);
    if (path == "/head") fields[0].second = "HEAD";
    const H2Message& whole = client().Await(client().Request(fields));
    EXPECT_EQ(whole.Field(":status"), answer(path)[0].second) << path;
    EXPECT_TRUE(whole.ended) << path;
    EXPECT_EQ(whole.reset, 0u) << path;
    EXPECT_EQ(whole.body, "") << path;
  }
  EXPECT_EQ(upstream.connections(), 1);
}

TEST_F(Http2Test, TrailersWithoutABodyPass) {
  policy.upstream_http2 = true;
  H2Message seen;
  ScriptedUpstream upstream(Http2Answering([&seen](const H2Message& request) {
    seen = request;
    return H2Answer{{{":status", "200"}, {"content-length", "0"}}, "", {{"x-back", "2"}}};
  }));
  Publish({upstream.port()});
  const H2Message& answer =
      client().Await(client().Request(Http2Peer::Post(), "", {{"x-there", "1"}}));
  EXPECT_EQ(seen.Trailer("x-there"), "1");
  EXPECT_EQ(answer.Trailer("x-back"), "2");
}

TEST_F(Http2Test, InterimResponsesPass) {
  policy.upstream_http2 = true;
  ScriptedUpstream upstream([](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    const int32_t id = http2.AwaitRequest();
    http2.Interim(id, {{":status", "103"}, {"link", "</a>"}});
    http2.Interim(id, {{":status", "103"}, {"link", "</b>"}});
    http2.Respond(id, {{":status", "200"}}, "x");
    http2.AwaitRequest();
  });
  Publish({upstream.port()});
  const H2Message& answer = client().Await(client().Request(Http2Peer::Get()));
  EXPECT_EQ(answer.status(), 200);
  ASSERT_EQ(answer.interims.size(), 2u);
  EXPECT_EQ(H2Message::Find(answer.interims[1], "link"), "</b>");
}

TEST_F(Http2Test, OwnAnswersSayWhy) {
  routes.clear();
  Publish({});
  const H2Message& answer = client().Await(client().Request(Http2Peer::Get()));
  EXPECT_EQ(answer.status(), 404);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "no_route");
  EXPECT_EQ(answer.body, "no_route\n");
}

TEST_F(Http2Test, AResetOfTheClientReachesTheEndpoint) {
  policy.upstream_http2 = true;
  std::promise<uint32_t> code;
  ScriptedUpstream upstream([&code](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    const int32_t id = http2.AwaitRequest();
    http2.Respond(id, {{":status", "200"}}, std::string(1'000'000, 'x'));
    http2.Until([&] { return http2.message(id).closed; });
    code.set_value(http2.message(id).reset);
  });
  Publish({upstream.port()});
  const int32_t id = client().Request(Http2Peer::Get());
  client().AwaitHead(id);
  client().Reset(id, NGHTTP2_CANCEL);
  EXPECT_EQ(code.get_future().get(), static_cast<uint32_t>(NGHTTP2_CANCEL));
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 0; }));
}

TEST_F(Http2Test, ACutAnswerIsReset) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  });
  Publish({upstream.port()});
  const H2Message& answer = client().Await(client().Request(Http2Peer::Get()));
  EXPECT_TRUE(absl::StartsWith("half", answer.body)) << "the reset may overtake it";
  EXPECT_EQ(answer.reset, static_cast<uint32_t>(NGHTTP2_INTERNAL_ERROR));
  EXPECT_FALSE(answer.ended);
}

TEST_F(Http2Test, RefusedStreamsAreTriedElsewhereWhateverTheMethod) {
  policy.upstream_http2 = true;
  ScriptedUpstream bad([](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) http2.Reset(id, NGHTTP2_REFUSED_STREAM);
  });
  ScriptedUpstream good(Http2Answering([](const H2Message& request) {
    return H2Answer{{{":status", "200"}}, request.body, {}};
  }));
  Publish({bad.port(), good.port()});
  for (int i = 0; i < 10; ++i) {
    const H2Message& answer = client().Await(client().Request(Http2Peer::Post(), "abc"));
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.body, "abc");
  }
}

TEST_F(Http2Test, AResetPostIsNotRepeated) {
  policy.upstream_http2 = true;
  std::atomic<int> posts{0};
  const auto resetting = [&posts](Peer& peer, int) {
    Http2Peer http2(Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) {
      ++posts;
      http2.Reset(id, NGHTTP2_INTERNAL_ERROR);
    }
  };
  ScriptedUpstream a(resetting);
  ScriptedUpstream b(resetting);
  Publish({a.port(), b.port()});
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Post(), "abc")).status(), 502);
  EXPECT_EQ(posts, 1);
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).status(), 502);
  EXPECT_GE(posts, 3);
}

TEST_F(Http2Test, StreamsBehindAGoawayGoToAFreshConnection) {
  policy.upstream_http2 = true;
  ScriptedUpstream upstream([](Peer& peer, int connection) {
    Http2Peer http2(Side::kServer, &peer);
    while (const int32_t id = http2.AwaitRequest()) {
      if (connection == 0) {
        http2.Goaway(0);  // Nothing was looked at.
      } else {
        http2.Respond(id, {{":status", "200"}}, "second");
      }
    }
  });
  Publish({upstream.port()});
  const H2Message& answer = client().Await(client().Request(Http2Peer::Post(), "abc"));
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "second");
  EXPECT_EQ(Totals(upstream.port()).resets, 0u);
}

TEST_F(Http2Test, ASlowReaderHoldsBackTheEndpointAndNobodyElse) {
  policy.upstream_http2 = true;
  constexpr size_t kHuge = 8 << 20;
  ScriptedUpstream upstream(Http2Answering([](const H2Message& request) {
    return H2Answer{
        {{":status", "200"}},
        request.Field(":path") == "/huge" ? std::string(kHuge, 'x') : std::string("small"),
        {}};
  }));
  Publish({upstream.port()});
  // A window of 1,000 bytes that is never opened again.
  Peer slow_socket = Client();
  Http2Peer slow(Side::kClient, &slow_socket, {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000}});
  nghttp2_session_set_local_window_size(slow.session(), 0, 0, 65'535);
  const int32_t id = slow.Request(Http2Peer::Get("/huge"));
  slow.AwaitHead(id);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client().Await(client().Request(Http2Peer::Get("/small"))).body, "small");
  }
  EXPECT_LT(engine().Stats().buffer_bytes_peak, kHuge / 4);
}

TEST_F(Http2Test, AnAnswerThatIsNeverTakenIsDropped) {
  limits.http2_stuck_timeout = absl::Milliseconds(40);
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("never read"); }));
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Side::kClient, &socket, {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}});
  const int32_t id = client.Request(Http2Peer::Get());
  EXPECT_EQ(client.AwaitHead(id).status(), 200);
  const H2Message& answer = client.Await(id);
  EXPECT_EQ(answer.reset, static_cast<uint32_t>(NGHTTP2_CANCEL));
  EXPECT_EQ(answer.body, "");
}

// Some clients take an answer that is followed by a reset for none: they are given time to stop.
TEST_F(Http2Test, AnEarlyAnswerStopsTheRequestAfterAWhile) {
  policy.max_request_body_bytes = 100;
  limits.linger_timeout = absl::Milliseconds(50);
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  const int32_t id = client().Open(Http2Peer::Post());
  client().Send(id, std::string(200, 'x'), false);
  const H2Message& answer = client().Await(id);
  EXPECT_EQ(answer.status(), 413);
  client().Until([&] { return client().message(id).closed; });
  EXPECT_EQ(answer.reset, static_cast<uint32_t>(NGHTTP2_NO_ERROR));
  EXPECT_EQ(client().Await(client().Request(Http2Peer::Get())).status(), 200) << "it goes on";
}

TEST_F(Http2Test, WhatComesBehindAnEarlyAnswerIsReadAndBounded) {
  policy.max_request_body_bytes = 100;
  limits.linger_timeout = absl::Hours(1);
  limits.linger_bytes_max = 200'000;
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  // A client that sends on to its end, within the bound: no reset.
  const int32_t fair = client().Open(Http2Peer::Post());
  client().Send(fair, std::string(200, 'x'), false);
  EXPECT_EQ(client().Await(fair).status(), 413);
  client().Send(fair, std::string(100'000, 'x'), true);
  client().Until([&] { return client().message(fair).closed; });
  EXPECT_TRUE(client().message(fair).closed);
  EXPECT_EQ(client().message(fair).reset, 0u);
  // One that does not stop.
  const int32_t endless = client().Open(Http2Peer::Post());
  client().Send(endless, std::string(200, 'x'), false);
  EXPECT_EQ(client().Await(endless).status(), 413);
  client().Send(endless, std::string(1'000'000, 'x'), false);
  client().Until([&] { return client().message(endless).closed; });
  EXPECT_TRUE(client().message(endless).closed);
  EXPECT_EQ(client().message(endless).reset, static_cast<uint32_t>(NGHTTP2_NO_ERROR));
}

TEST_F(Http2Test, ThePrefaceMayComeInPieces) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer whole = Client();
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  // An empty SETTINGS frame, then a GOAWAY.
  const std::string frames("\0\0\0\4\0\0\0\0\0\0\0\x8\7\0\0\0\0\0\0\0\0\0\0\0\0\0", 26);
  for (char c : preface + frames) {
    ASSERT_TRUE(whole.Write(absl::string_view(&c, 1)));
  }
  std::string answer;
  whole.ReadToEnd(&answer);
  ASSERT_GT(answer.size(), 9u);
  EXPECT_EQ(answer[3], '\4') << "settings come first";
  Peer other = Client();
  other.Write("PRI * HTTP/2.0\r\n");
  other.Write("x: y\r\n\r\n");
  EXPECT_EQ(other.ReadMessage().status(), 505);
}

TEST_F(Http2Test, DrainLetsStreamsEndAndTellsTheClient) {
  std::promise<void> go;
  auto ready = go.get_future().share();
  ScriptedUpstream upstream([ready](Peer& peer, int) {
    while (peer.ReadMessage().complete) {
      ready.wait();
      peer.Write(Ok("x"));
    }
  });
  limits.http2_goaway_wait = absl::Milliseconds(50);
  Publish({upstream.port()});
  const int32_t id = client().Request(Http2Peer::Get());
  client().Flush();
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 1; }));
  std::thread drain([&] { engine().Drain(absl::Seconds(10)); });
  ASSERT_TRUE(client().Until([&] { return client().goaway(); }));
  // Sent before the second GOAWAY: still served.
  const int32_t late = client().Request(Http2Peer::Get());
  go.set_value();
  EXPECT_EQ(client().Await(id).status(), 200);
  EXPECT_TRUE(client().Await(late).status() == 200 || client().message(late).closed);
  EXPECT_EQ(client().goaway_code(), 0u);
  drain.join();
}

}  // namespace
}  // namespace pointsman::gateway
