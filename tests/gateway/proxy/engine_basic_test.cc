// The engine between real sockets: what a client and an upstream see of ordinary traffic.

#include <string>

#include "absl/strings/match.h"
#include "tests/gateway/proxy/engine_fixture.h"

namespace pointsman::gateway {
namespace {

using EngineBasicTest = EngineFixture;

constexpr absl::string_view kGet = "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\n\r\n";

TEST_F(EngineBasicTest, ForwardsARequestAndItsAnswer) {
  TestMessage seen;
  ScriptedUpstream upstream(Answering([&](const TestMessage& request) {
    seen = request;
    return Ok("hello");
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_FALSE(answer.Has("connection"));
  EXPECT_EQ(seen.first_line, "GET /a?b=c HTTP/1.1");
  EXPECT_EQ(seen.Field("host"), "example.com");
  EXPECT_EQ(seen.Field("x-forwarded-for"), "127.0.0.1");
  EXPECT_EQ(seen.Field("x-forwarded-proto"), "http");
  EXPECT_EQ(seen.Field("via"), "1.1 pointsman");
  EXPECT_EQ(seen.Field("x-request-id").size(), 16u);
}

TEST_F(EngineBasicTest, KeepsBothSidesAlive) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer client = Client();
  for (int i = 0; i < 100; ++i) {
    client.Write(kGet);
    ASSERT_EQ(client.ReadMessage().status(), 200);
  }
  EXPECT_EQ(upstream.connections(), 1);
  EXPECT_EQ(engine().Stats().accepted, 1u);
  EXPECT_EQ(engine().Stats().upstream_reused, 99u);
  EXPECT_EQ(Totals(upstream.port()).requests, 100u);
  EXPECT_TRUE(WaitFor([&] { return Totals(upstream.port()).in_flight == 0; }));
}

TEST_F(EngineBasicTest, AnswersPipelinedRequestsInOrder) {
  ScriptedUpstream upstream(
      Answering([](const TestMessage& request) { return Ok(request.first_line); }));
  Publish({upstream.port()});
  Peer client = Client();
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&requests, "GET /", i, " HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  client.Write(requests);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(client.ReadMessage().body, absl::StrCat("GET /", i, " HTTP/1.1"));
  }
}

TEST_F(EngineBasicTest, OneBadPipelinedRequestEndsTheConnectionAfterTheGoodOnes) {
  ScriptedUpstream upstream(
      Answering([](const TestMessage& request) { return Ok(request.first_line); }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(absl::StrCat(kGet, kGet, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", kGet));
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(client.ReadMessage().status(), 200);
  const TestMessage refused = client.ReadMessage();
  EXPECT_EQ(refused.status(), 400);
  EXPECT_EQ(refused.Field("x-pointsman-reason"), "bad_host");
  EXPECT_EQ(refused.Field("connection"), "close");
  EXPECT_TRUE(client.Closed());
}

TEST_F(EngineBasicTest, ForwardsARequestBody) {
  ScriptedUpstream upstream(Answering([](const TestMessage& request) { return Ok(request.body); }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(client.ReadMessage().body, "hello");
  client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().body, "");
}

TEST_F(EngineBasicTest, ForwardsChunkedBodiesAndTrailersBothWays) {
  TestMessage seen;
  ScriptedUpstream upstream(Answering([&](const TestMessage& request) -> std::string {
    seen = request;
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\n";
  }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-End: yes\r\nAuthorization: no\r\n\r\n");
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.body, "abcdefg");
  ASSERT_EQ(answer.trailers.size(), 1u);
  EXPECT_EQ(answer.trailers[0], std::make_pair(std::string("x-sum"), std::string("7")));
  EXPECT_EQ(seen.body, "hello");
  EXPECT_EQ(seen.Field("transfer-encoding"), "chunked");
  ASSERT_EQ(seen.trailers.size(), 1u);
  EXPECT_EQ(seen.trailers[0].first, "x-end");
}

TEST_F(EngineBasicTest, NeverSharesThePortOfAnother) {
  Publish({});
  EndpointCells cells(1);
  EngineOptions options;
  options.listeners = {{*common::ParseAddress(engine().listen_addresses()[0])}};
  options.cells = &cells;
  options.clock = &common::SystemClock();
  const auto second = Engine::Start(std::move(options));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(EngineBasicTest, AnswersWithoutARoute) {
  routes.clear();
  Publish({});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 404);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "no_route");
  EXPECT_EQ(answer.body, "no_route\n");
  client.Write(kGet);  // Our own answers keep the connection.
  EXPECT_EQ(client.ReadMessage().status(), 404);
}

TEST_F(EngineBasicTest, AnswersDirectly) {
  RouteEntry route;
  route.name = "direct";
  route.direct_status = 299;
  route.direct_body = "made here";
  routes = {route};
  Publish({});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 299);
  EXPECT_EQ(answer.body, "made here");
  EXPECT_FALSE(answer.Has("x-pointsman-reason"));
}

TEST_F(EngineBasicTest, AnswersWithoutAnEndpoint) {
  Publish({});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "no_endpoint");
}

}  // namespace
}  // namespace pointsman::gateway
