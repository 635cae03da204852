// Requests whose body is waited for, between real sockets: to choose a route by it, or because the
// route holds requests back until they are whole.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gateway/core/filter.h"
#include "gateway/core/json_body.h"
#include "gateway/core/rate_limit.h"
#include "gateway/core/request_buffer.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

std::string Post(absl::string_view body, absl::string_view fields = "") {
  return absl::StrCat("POST /v1/chat HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n",
                      fields, "Content-Length: ", body.size(), "\r\n\r\n", body);
}

class StreamBodyTest : public EngineFixture {
 protected:
  // "small" by a field of the body is answered 299 here; everything else goes to the endpoint,
  // which says what it got.
  void RouteByBody() {
    RouteEntry small = AnyRoute();
    small.name = "small";
    small.service = RouteEntry::kNoService;
    small.direct_status = 299;
    small.json = {{{.steps = PointerSteps("/model")},
                   {.kind = TextCondition::Kind::kExact, .value = "small"}}};
    routes = {AnyRoute(), small};
    Publish({upstream_.port()});
  }
  void Buffer() {
    auto chain = std::make_shared<FilterChain>();
    chain->filters.push_back(std::make_unique<RequestBuffer>());
    routes[0].filters = std::move(chain);
  }
  TestMessage Ask(const std::string& bytes) {
    Peer client = Client();
    client.Write(bytes);
    return client.ReadMessage();
  }
  bool Awaiting(uint64_t count) {
    return WaitFor([&] { return engine().Stats().requests_awaiting_body == count; });
  }

  ScriptedUpstream upstream_{
      Answering([](const TestMessage& request) { return Ok(request.body); })};
};

TEST_F(StreamBodyTest, AFieldOfTheBodyChoosesTheRoute) {
  RouteByBody();
  EXPECT_EQ(Ask(Post(R"({"model":"small"})")).status(), 299);
  const std::string large = R"( {"model" : "large", "x":[1, 2]}  )";
  const TestMessage answer = Ask(Post(large));
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, large) << "untouched";
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.requests_awaited_body, 2u);
  EXPECT_EQ(stats.requests_awaiting_body, 0u);
  EXPECT_EQ(stats.bodies_unreadable + stats.bodies_too_large, 0u);
}

TEST_F(StreamBodyTest, AConnectionServesRequestAfterRequest) {
  RouteByBody();
  Peer client = Client();
  for (int i = 0; i < 3; ++i) {
    client.Write(Post(R"({"model":"small"})"));
    EXPECT_EQ(client.ReadMessage().status(), 299);
    client.Write(Post(R"({"model":"x"})"));
    EXPECT_EQ(client.ReadMessage().body, R"({"model":"x"})");
  }
  client.Write(absl::StrCat(Post(R"({"model":"small"})"), Post("{}")));
  EXPECT_EQ(client.ReadMessage().status(), 299);
  EXPECT_EQ(client.ReadMessage().body, "{}") << "what was sent ahead waits its turn";
}

TEST_F(StreamBodyTest, TheBodyMayComeByteByByte) {
  RouteByBody();
  Peer client = Client();
  const std::string request =
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  client.Write(request);
  ASSERT_TRUE(Awaiting(1));
  for (const char c : absl::string_view(R"({"model":"small"})")) {
    client.Write(absl::StrCat("1\r\n", absl::string_view(&c, 1), "\r\n"));
  }
  EXPECT_EQ(upstream_.connections(), 0);
  client.Write("0\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 299);
}

TEST_F(StreamBodyTest, AFieldThatComesTwiceIsRefused) {
  RouteByBody();
  const TestMessage answer = Ask(Post(R"({"model":"large","model":"small"})"));
  EXPECT_EQ(answer.status(), 400);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "ambiguous_body");
  EXPECT_EQ(upstream_.connections(), 0);
}

TEST_F(StreamBodyTest, WhatCannotBeReadMatchesNothing) {
  RouteByBody();
  EXPECT_EQ(Ask(Post(R"({"model":"small")")).status(), 200);
  EXPECT_EQ(Ask(Post(R"({"model":"small"})", "Content-Encoding: gzip\r\n")).status(), 200);
  EXPECT_EQ(Ask(Post(R"({"model":"small"})", "Content-Encoding: identity\r\n")).status(), 299);
  EXPECT_EQ(engine().Stats().bodies_unreadable, 2u);
  EXPECT_EQ(Ask(Post("")).status(), 200) << "no body is none that cannot be read";
  EXPECT_EQ(engine().Stats().bodies_unreadable, 2u);
}

TEST_F(StreamBodyTest, OtherTypesAreNotWaitedFor) {
  RouteByBody();
  Peer client = Client();
  client.Write(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
  EXPECT_TRUE(WaitFor([&] { return upstream_.connections() == 1; })) << "before its body came";
  client.Write("hello");
  EXPECT_EQ(client.ReadMessage().body, "hello");
  EXPECT_EQ(engine().Stats().requests_awaited_body, 0u);
}

TEST_F(StreamBodyTest, ABodyBeyondTheLimitGoesOnUnread) {
  limits.replay_bytes_max = 40'000;
  RouteByBody();
  const std::string fits =
      absl::StrCat(R"({"model":"small","x":")", std::string(39'000, 'x'), "\"}");
  EXPECT_EQ(Ask(Post(fits)).status(), 299);
  const std::string large =
      absl::StrCat(R"({"model":"small","x":")", std::string(300'000, 'x'), "\"}");
  EXPECT_EQ(Ask(Post(large)).body, large) << "the length says it";
  EXPECT_EQ(engine().Stats().requests_awaited_body, 1u);
  Peer client = Client();
  client.Write(
      absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n",
                   absl::Hex(large.size()), "\r\n", large, "\r\n0\r\n\r\n"));
  EXPECT_EQ(client.ReadMessage().body, large) << "so much came";
  EXPECT_EQ(engine().Stats().bodies_too_large, 2u);
}

TEST_F(StreamBodyTest, ExactlyTheLimitIsRead) {
  const std::string body = R"({"model":"small"})";
  limits.replay_bytes_max = body.size();
  RouteByBody();
  const auto chunked = [](const std::string& text) {
    return absl::StrCat(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n",
        absl::Hex(text.size()), "\r\n", text, "\r\n0\r\n\r\n");
  };
  EXPECT_EQ(Ask(Post(body)).status(), 299);
  EXPECT_EQ(Ask(chunked(body)).status(), 299);
  EXPECT_EQ(Ask(Post(body + " ")).status(), 200);
  EXPECT_EQ(Ask(chunked(body + " ")).status(), 200);
}

TEST_F(StreamBodyTest, AClientThatAsksIsToldToGoOn) {
  RouteByBody();
  Peer client = Client();
  const std::string body = R"({"model":"x"})";
  client.Write(
      absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   "Expect: 100-continue\r\nContent-Length: ",
                   body.size(), "\r\n\r\n"));
  EXPECT_EQ(client.ReadMessage().status(), 100);
  client.Write(body);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 200) << "once";
  EXPECT_EQ(answer.body, body);
}

TEST_F(StreamBodyTest, ABodyThatDoesNotComeIsNotWaitedForForEver) {
  policy.idle_timeout = absl::Milliseconds(50);
  Buffer();
  Publish({upstream_.port()});
  const TestMessage answer = Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
  EXPECT_EQ(answer.status(), 408);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "body_timeout");
  EXPECT_EQ(engine().Stats().requests_awaiting_body, 0u);
  EXPECT_EQ(upstream_.connections(), 0);
}

TEST_F(StreamBodyTest, AClientThatLeavesIsForgotten) {
  RouteByBody();
  {
    Peer client = Client();
    client.Write(Post("{}").substr(0, Post("{}").size() - 1));
    ASSERT_TRUE(Awaiting(1));
  }
  EXPECT_TRUE(Awaiting(0));
  EXPECT_EQ(upstream_.connections(), 0);
}

TEST_F(StreamBodyTest, ABufferedRequestMeetsItsEndpointWhole) {
  Buffer();
  Publish({upstream_.port()});
  Peer client = Client();
  const std::string body(100'000, 'x');
  client.Write(absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", body.size(),
                            "\r\n\r\n", body.substr(0, 99'999)));
  ASSERT_TRUE(Awaiting(1));
  EXPECT_EQ(upstream_.connections(), 0);
  client.Write("x");
  EXPECT_EQ(client.ReadMessage().body, body);
  EXPECT_EQ(engine().Stats().requests_awaited_body, 1u);
}

TEST_F(StreamBodyTest, ABufferThatIsFullGoesOn) {
  limits.replay_bytes_max = 50'000;
  Buffer();
  Publish({upstream_.port()});
  const std::string body(4'000'000, 'x');
  Peer client = Client();
  std::thread writes([&] {
    client.Write(absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", body.size(),
                              "\r\n\r\n", body));
  });
  const TestMessage answer = client.ReadMessage();
  writes.join();
  EXPECT_EQ(answer.body, body);
  EXPECT_LE(engine().Stats().buffer_bytes_peak,
            limits.replay_bytes_max + 4 * (limits.stream_window_bytes + kChunkBytes));
}

TEST_F(StreamBodyTest, RequestsWithoutABodyAreNotHeld) {
  Buffer();
  Publish({upstream_.port()});
  EXPECT_EQ(Ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
  EXPECT_EQ(engine().Stats().requests_awaited_body, 0u);
}

TEST_F(StreamBodyTest, ALimitIsAskedBeforeABodyIsKept) {
  auto chain = std::make_shared<FilterChain>();
  chain->filters.push_back(std::make_unique<RateLimit>(
      RateLimitOptions{.requests_per_second = 0.001, .burst = 1, .max_wait = {}}));
  chain->filters.push_back(std::make_unique<RequestBuffer>());
  routes[0].filters = std::move(chain);
  Publish({upstream_.port()});
  EXPECT_EQ(Ask(Post("{}")).status(), 200) << "and once for each request";
  EXPECT_EQ(Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").status(), 429);
}

TEST_F(StreamBodyTest, TheServicesOwnLimitHoldsForWhatWasKept) {
  policy.max_request_body_bytes = 20;
  RouteByBody();
  const std::string body = R"({"model":"large","x":"xxxxxxxxxx"})";
  EXPECT_EQ(Ask(absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n",
                             absl::Hex(body.size()), "\r\n", body, "\r\n0\r\n\r\n"))
                .status(),
            413);
}

TEST_F(StreamBodyTest, OverHttp2ManyBodiesMayWaitAtOnce) {
  RouteByBody();
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  H2Fields fields = Http2Peer::Post("/v1/chat");
  fields.emplace_back("content-type", "application/json");
  std::vector<int32_t> streams;
  const std::string begun = absl::StrCat(R"({"x":")", std::string(100'000, 'x'), "\"");
  for (int i = 0; i < 40; ++i) {
    streams.push_back(client.Open(fields));
    client.Send(streams.back(), begun, /*end=*/false);
  }
  ASSERT_TRUE(Awaiting(40));
  for (const int32_t stream : streams) client.Send(stream, R"(,"model":"small"})", /*end=*/true);
  for (const int32_t stream : streams) EXPECT_EQ(client.Await(stream).status(), 299);
}

TEST_F(StreamBodyTest, AnotherTableMayChooseAnotherRoute) {
  RouteByBody();
  Peer client = Client();
  const std::string request = Post(R"({"model":"small"})");
  client.Write(request.substr(0, request.size() - 1));
  ASSERT_TRUE(Awaiting(1));
  routes = {AnyRoute()};
  Publish({upstream_.port()});
  client.Write("}");
  EXPECT_EQ(client.ReadMessage().status(), 200);
}

TEST_F(StreamBodyTest, TwoContentTypesAreAmbiguous) {
  RouteByBody();
  const TestMessage answer =
      Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Type: "
          "application/json\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(answer.status(), 400);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "ambiguous_body");
  EXPECT_EQ(Ask(Post(R"({"model":"small"})", "Content-Encoding:\r\n")).status(), 299)
      << "an empty encoding is none";
}

TEST_F(StreamBodyTest, FramingNeedsNoCreditOfTheBody) {
  const std::string body = R"({"model":"small"})";
  limits.replay_bytes_max = body.size();
  RouteByBody();
  Peer client = Client();
  // All that may be kept is here; what is left is framing, in pieces of its own.
  client.Write(
      absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   "Transfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n",
                   absl::Hex(body.size()), "\r\n", body));
  ASSERT_TRUE(Awaiting(1));
  for (const std::string& piece :
       {std::string("\r\n0"), std::string(";ext=1\r"),
        absl::StrCat("\nx-t: ", std::string(8000, 'x')), std::string("\r\n\r\n")}) {
    const uint64_t before = engine().Stats().received_bytes;
    client.Write(piece);
    ASSERT_TRUE(WaitFor([&] { return engine().Stats().received_bytes > before; })) << piece;
  }
  EXPECT_EQ(client.ReadMessage().status(), 299);
}

TEST_F(StreamBodyTest, TrailersPassBehindAnAwaitedBody) {
  Buffer();
  std::string trailer;
  ScriptedUpstream upstream(Answering([&trailer](const TestMessage& request) {
    for (const auto& [name, value] : request.trailers) trailer = absl::StrCat(name, "=", value);
    return Ok(request.body);
  }));
  Publish({upstream.port()});
  const TestMessage answer =
      Ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n"
          "5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n");
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(trailer, "x-t=1");
}

TEST_F(StreamBodyTest, ABadChunkEndsTheWait) {
  RouteByBody();
  Peer client = Client();
  client.Write(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  ASSERT_TRUE(Awaiting(1));
  client.Write("zz\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 400);
  EXPECT_EQ(engine().Stats().requests_awaiting_body, 0u);
}

TEST_F(StreamBodyTest, NoMoreWaitThanTheBuffersBear) {
  limits.buffer_bytes_max = size_t{16} << 20;
  limits.replay_bytes_max = size_t{1} << 20;
  const size_t most = limits.buffer_bytes_max / 4 / (limits.replay_bytes_max + kChunkBytes);
  ASSERT_EQ(most, 3u);
  RouteByBody();
  std::vector<Peer> clients;
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
  const std::string unknown = absl::StrCat(head, "Transfer-Encoding: chunked\r\n\r\n");
  for (size_t i = 0; i < most; ++i) {
    clients.push_back(Client());
    clients.back().Write(unknown);
  }
  ASSERT_TRUE(Awaiting(most));
  const TestMessage refused = Ask(unknown);
  EXPECT_EQ(refused.status(), 503);
  EXPECT_EQ(refused.Field("x-pointsman-reason"), "buffers_full");
  EXPECT_EQ(Ask(Post(R"({"model":"small"})")).status(), 299)
      << "what is small is awaited all the same";
  EXPECT_EQ(Ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200) << "others are served";
  routes = {AnyRoute()};
  Buffer();
  Publish({upstream_.port()});
  Peer whole = Client();
  whole.Write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n");
  EXPECT_TRUE(WaitFor([&] { return Totals(upstream_.port()).in_flight == 1; }))
      << "it goes on at once";
  whole.Write("1\r\ni\r\n0\r\n\r\n");
  EXPECT_EQ(whole.ReadMessage().body, "hi");
  clients.clear();
  EXPECT_TRUE(Awaiting(0));
  Peer next = Client();
  next.Write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_TRUE(Awaiting(1)) << "there is room again";
}

TEST_F(StreamBodyTest, WhatItsServiceDoesNotAdmitIsNotAwaited) {
  policy.max_request_body_bytes = 100;
  Buffer();
  Publish({upstream_.port()});
  const TestMessage answer =
      Ask("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n");
  EXPECT_EQ(answer.status(), 413) << "no 100 before";
}

TEST_F(StreamBodyTest, TheServicesTimeCountsFromTheRequestsBeginning) {
  policy.request_timeout = absl::Milliseconds(1);
  RouteByBody();
  Peer client = Client();
  const std::string request = Post(R"({"model":"x"})");
  client.Write(request.substr(0, request.size() - 1));
  ASSERT_TRUE(Awaiting(1));
  const absl::Time begun = absl::Now();
  while (absl::Now() - begun < absl::Milliseconds(2)) std::this_thread::yield();
  client.Write(request.substr(request.size() - 1));
  EXPECT_EQ(client.ReadMessage().status(), 504);
  EXPECT_EQ(upstream_.connections(), 0) << "nobody works for it any more";
}

TEST_F(StreamBodyTest, AnotherTableMayTakeTheFilterAway) {
  Buffer();
  Publish({upstream_.port()});
  Peer client = Client();
  client.Write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh");
  ASSERT_TRUE(Awaiting(1));
  routes = {AnyRoute()};
  Publish({upstream_.port()});
  client.Write("i");
  EXPECT_EQ(client.ReadMessage().body, "hi");
}

TEST_F(StreamBodyTest, ADrainServesWhatWaits) {
  RouteByBody();
  Peer client = Client();
  const std::string request = Post(R"({"model":"x"})");
  client.Write(request.substr(0, request.size() - 1));
  ASSERT_TRUE(Awaiting(1));
  std::thread drain([&] { engine().Drain(absl::Seconds(20)); });
  client.Write(request.substr(request.size() - 1));
  const TestMessage answer = client.ReadMessage();
  drain.join();
  EXPECT_EQ(answer.status(), 200);
}

TEST_F(StreamBodyTest, GrpcPassesAsItComes) {
  policy.upstream_http2 = true;
  Buffer();
  std::atomic<bool> head{false};
  ScriptedUpstream upstream([&head](Peer& socket, int) {
    Http2Peer server(Http2Peer::Side::kServer, &socket);
    const int32_t id = server.AwaitRequestHead();
    if (id == 0) return;
    head = true;
    if (server.AwaitRequest() != id) return;
    server.Respond(id, {{":status", "200"}, {"content-type", "application/grpc"}}, "",
                   {{"grpc-status", "0"}});
  });
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  H2Fields fields = Http2Peer::Post("/s/m");
  fields.emplace_back("content-type", "application/grpc");
  fields.emplace_back("te", "trailers");
  const int32_t stream = client.Open(fields);
  client.Flush();
  EXPECT_TRUE(WaitFor([&] { return head.load(); })) << "before its body came";
  client.Send(stream, std::string(5, '\0'), /*end=*/true);
  EXPECT_EQ(client.Await(stream).Trailer("grpc-status"), "0");
  EXPECT_EQ(engine().Stats().requests_awaited_body, 0u);
}

}  // namespace
}  // namespace pointsman::gateway
