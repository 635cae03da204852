// Copies of requests for another service, between real sockets: what a copy is, and that nothing
// that becomes of it is seen by the client.

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gateway/core/filter.h"
#include "gateway/core/request_buffer.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/kept.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kGet = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

std::string Post(absl::string_view body) {
  return absl::StrCat("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ", body.size(), "\r\n\r\n",
                      body);
}

// Says how long the body was that it read.
ScriptedUpstream::Script Measuring() {
  return Answering(
      [](const TestMessage& request) { return Ok(absl::StrCat(request.body.size())); });
}

// Reads a request and says nothing until the other side gives up.
void StaySilent(Peer& peer, int /*connection*/) {
  std::string rest;
  peer.ReadToEnd(&rest);
}

// Reads a head and nothing more until the other side gives up or the upstream is stopped.
void StopReading(Peer& peer, int /*connection*/) {
  peer.ReadHead();
  pollfd wait{peer.fd(), POLLRDHUP, 0};
  poll(&wait, 1, kPatienceMillis);
}

// The fields that a copy has like its original: all but the one that tells them apart.
H2Fields WithoutMark(H2Fields fields) {
  std::erase_if(fields, [](const auto& field) { return field.first == "x-pointsman-mirrored"; });
  return fields;
}

class StreamMirrorTest : public EngineFixture {
 protected:
  StreamMirrorTest() {
    routes[0].mirror = MirrorTarget{.service = 1, .share = 1};
    observer = &log_;
  }

  void Serve(uint16_t original, uint16_t copy) {
    PublishServices({{"web", {original}}, {"web-copy", {copy}}});
  }
  void Serve() { Serve(original_.port(), copy_.port()); }
  TestMessage Ask(const std::string& bytes) {
    Peer client = Client();
    client.Write(bytes);
    return client.ReadMessage();
  }
  bool Copied(size_t count) {
    return WaitFor([&] { return copy_.asked() == count; });
  }
  // All copies have had their answers at this endpoint, or were given up.
  bool AllOver(uint16_t endpoint_port) {
    return WaitFor([&] { return Totals(endpoint_port).in_flight == 0; });
  }
  // So many requests, each answered by the original's endpoint.
  void ExpectServed(int requests) {
    Peer client = Client();
    for (int i = 0; i < requests; ++i) {
      client.Write(i % 2 == 0 ? std::string(kGet) : Post("hello"));
      const TestMessage answer = client.ReadMessage();
      ASSERT_EQ(answer.status(), 200) << i;
      ASSERT_EQ(answer.body, "original") << i;
    }
  }

  RequestLog log_;
  KeepingEndpoint original_{Ok("original")};
  KeepingEndpoint copy_{Ok("copy")};
};

TEST_F(StreamMirrorTest, TheCopyIsTheSameRequestWithAMark) {
  Serve();
  const TestMessage answer =
      Ask("POST /a/b?c=1&d HTTP/1.1\r\nHost: example.com\r\nX-Twice: 1\r\nx-twice: 2\r\n"
          "Content-Type: text/plain\r\nX-Pointsman-Mirrored: no\r\nCookie: e=f\r\n"
          "Content-Length: 5\r\n\r\nhello");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "original");
  ASSERT_TRUE(Copied(1));
  const TestMessage original = original_.last();
  const TestMessage copy = copy_.last();
  EXPECT_EQ(copy.first_line, "POST /a/b?c=1&d HTTP/1.1");
  EXPECT_EQ(copy.first_line, original.first_line);
  EXPECT_EQ(ValuesOf(copy.fields, "x-pointsman-mirrored"), std::vector<std::string>{"yes"});
  EXPECT_FALSE(original.Has("x-pointsman-mirrored"));
  EXPECT_EQ(WithoutMark(copy.fields), original.fields);
  EXPECT_TRUE(copy.Has("x-request-id"));
  EXPECT_EQ(copy.body, "hello");
  EXPECT_EQ(original.body, "hello");
}

TEST_F(StreamMirrorTest, TheCopyIsOfTheSameTrace) {
  limits.trace_sample = 1;
  Serve();
  EXPECT_EQ(Ask(std::string(kGet)).status(), 200);
  ASSERT_TRUE(Copied(1));
  EXPECT_NE(original_.last().Field("traceparent"), "");
  EXPECT_EQ(copy_.last().Field("traceparent"), original_.last().Field("traceparent"));
}

TEST_F(StreamMirrorTest, TheCopyIsOfTheRewrittenRequest) {
  Rewrite rewrite;
  rewrite.path.kind = PathChange::Kind::kPrefix;
  rewrite.path.text = "/v2";
  rewrite.request_headers.set = {{"x-new", "1"}};
  routes[0].path_kind = RouteEntry::PathKind::kPrefix;
  routes[0].path = "/a";
  routes[0].rewrite = std::make_shared<const Rewrite>(rewrite);
  Serve();
  EXPECT_EQ(Ask("GET /a/b?c HTTP/1.1\r\nHost: a\r\n\r\n").body, "original");
  ASSERT_TRUE(Copied(1));
  EXPECT_EQ(copy_.last().first_line, "GET /v2/b?c HTTP/1.1");
  EXPECT_EQ(WithoutMark(copy_.last().fields), original_.last().fields);
}

TEST_F(StreamMirrorTest, BodiesOfEveryFramingAreCopied) {
  Serve();
  Peer client = Client();
  const std::string head = "PUT /a HTTP/1.1\r\nHost: a\r\n";
  const std::vector<std::string> requests = {
      absl::StrCat(head, "Content-Length: 0\r\n\r\n"),
      absl::StrCat(head, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      absl::StrCat(head, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
      absl::StrCat(head, "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"),
  };
  const std::vector<std::string> bodies = {"", "", "abcde", "abc"};
  for (size_t i = 0; i < requests.size(); ++i) {
    client.Write(requests[i]);
    TestMessage answer = client.ReadMessage();
    if (answer.status() == 100) answer = client.ReadMessage();
    EXPECT_EQ(answer.body, "original") << i;
    ASSERT_TRUE(Copied(i + 1)) << i;
    EXPECT_EQ(copy_.last().body, bodies[i]) << i;
    EXPECT_EQ(WithoutMark(copy_.last().fields), original_.last().fields) << i;
  }
  EXPECT_EQ(engine().Stats().mirrors_broken, 0u);
}

TEST_F(StreamMirrorTest, TrailersAreCopiedWhenTheyCome) {
  Serve();
  Peer client = Client();
  const std::string head =
      "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
  const std::string trailers = "0\r\nx-sum: 17\r\n\r\n";
  for (size_t cut = 0; cut <= trailers.size(); ++cut) {
    client.Write(head + trailers.substr(0, cut));
    ASSERT_TRUE(WaitFor([&] { return engine().Stats().mirrors == cut + 1; })) << cut;
    client.Write(trailers.substr(cut));
    EXPECT_EQ(client.ReadMessage().body, "original") << cut;
    ASSERT_TRUE(Copied(cut + 1)) << cut;
    EXPECT_EQ(copy_.last().body, "abc") << cut;
    EXPECT_EQ(copy_.last().trailers, (H2Fields{{"x-sum", "17"}})) << cut;
    EXPECT_EQ(original_.last().trailers, (H2Fields{{"x-sum", "17"}})) << cut;
  }
}

TEST_F(StreamMirrorTest, AnHttp2ClientsRequestIsCopiedToAnHttp2Service) {
  other_policy.emplace();
  other_policy->upstream_http2 = true;
  KeepingHttp2Endpoint copy{H2Answer{{{":status", "200"}}, "copy", {}}};
  Serve(original_.port(), copy.port());
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  for (size_t i = 1; i <= 5; ++i) {
    EXPECT_EQ(client.Await(client.Request(Http2Peer::Post("/x?y"), "hello")).body, "original");
    ASSERT_TRUE(WaitFor([&] { return copy.asked() == i; }));
    EXPECT_EQ(copy.last().Field(":method"), "POST");
    EXPECT_EQ(copy.last().Field(":path"), "/x?y");
    EXPECT_EQ(copy.last().Field("x-pointsman-mirrored"), "yes");
    EXPECT_EQ(copy.last().body, "hello");
  }
  EXPECT_EQ(engine().Stats().mirrors, 5u);
}

H2Fields Call() {
  return {{":method", "POST"},    {":scheme", "http"},
          {":authority", "a"},    {":path", "/pkg.Service/Method"},
          {"te", "trailers"},     {"content-type", "application/grpc"},
          {"grpc-timeout", "60S"}};
}

TEST_F(StreamMirrorTest, AGrpcRequestIsCopiedToAnHttp2Service) {
  policy.upstream_http2 = true;
  const H2Answer good{{{":status", "200"}, {"content-type", "application/grpc"}},
                      "original",
                      {{"grpc-status", "0"}}};
  KeepingHttp2Endpoint original{good};
  KeepingHttp2Endpoint copy{H2Answer{
      {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "14"}}, "", {}}};
  Serve(original.port(), copy.port());
  const std::string message("\0\0\0\0\2hi", 7);
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const H2Message answer = client.Await(client.Request(Call(), message));
  EXPECT_EQ(answer.body, "original");
  EXPECT_EQ(answer.Trailer("grpc-status"), "0");
  ASSERT_TRUE(WaitFor([&] { return copy.asked() == 1; }));
  EXPECT_EQ(copy.last().body, message);
  EXPECT_EQ(copy.last().Field(":path"), "/pkg.Service/Method");
  EXPECT_EQ(copy.last().Field("te"), "trailers");
  EXPECT_EQ(copy.last().Field("x-pointsman-mirrored"), "yes");
  EXPECT_NE(copy.last().Field("grpc-timeout"), "");
  EXPECT_TRUE(AllOver(copy.port()));
}

TEST_F(StreamMirrorTest, AGrpcRequestIsNotCopiedToAServiceWithoutHttp2) {
  policy.upstream_http2 = true;
  other_policy.emplace();
  KeepingHttp2Endpoint original{H2Answer{
      {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "0"}}, "", {}}};
  Serve(original.port(), copy_.port());
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  EXPECT_EQ(client.Await(client.Request(Call(), "")).Field("grpc-status"), "0");
  EXPECT_EQ(engine().Stats().mirrors, 0u);
  EXPECT_EQ(engine().Stats().mirrors_refused, 1u);
  EXPECT_EQ(copy_.asked(), 0u);
}

// ---- What becomes of copies is nothing to the client.

TEST_F(StreamMirrorTest, ADeadEndpointChangesNothing) {
  const uint16_t dead = DeadPort();
  Serve(original_.port(), dead);
  ExpectServed(20);
  EXPECT_TRUE(WaitFor([&] { return Totals(dead).connect_failures > 0; }));
  EXPECT_TRUE(AllOver(dead));
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.mirrors + stats.mirrors_refused, 20u);
  EXPECT_EQ(stats.responses[2], 20u);
  EXPECT_EQ(stats.responses[5], 0u);
  EXPECT_EQ(stats.retries, 0u);
  EXPECT_EQ(ReasonCountOf(Reason::kConnectFailed), 0u);
}

TEST_F(StreamMirrorTest, AnEndpointThatFailsChangesNothing) {
  KeepingEndpoint failing("HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nbad");
  Serve(original_.port(), failing.port());
  ExpectServed(20);
  ASSERT_TRUE(WaitFor([&] { return Totals(failing.port()).server_errors == 20; }));
  EXPECT_EQ(failing.asked(), 20u);
  EXPECT_EQ(engine().Stats().responses[5], 0u);
}

TEST_F(StreamMirrorTest, AnAnswerToACopyIsNotTriedAgain) {
  policy.retry_statuses.Add(503);
  KeepingEndpoint busy("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  KeepingEndpoint other("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  PublishServices({{"web", {original_.port()}}, {"web-copy", {busy.port(), other.port()}}});
  ExpectServed(10);
  ASSERT_TRUE(WaitFor([&] { return busy.asked() + other.asked() >= 10; }));
  EXPECT_TRUE(AllOver(busy.port()) && AllOver(other.port()));
  EXPECT_EQ(busy.asked() + other.asked(), 10u);
  EXPECT_EQ(engine().Stats().retries, 0u);
}

TEST_F(StreamMirrorTest, AnEndpointThatBreaksOffChangesNothing) {
  ScriptedUpstream breaking([](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  });
  Serve(original_.port(), breaking.port());
  ExpectServed(20);
  EXPECT_TRUE(AllOver(breaking.port()));
  EXPECT_EQ(ReasonCountOf(Reason::kUpstreamReset), 0u);
}

TEST_F(StreamMirrorTest, AnEndpointThatNeverAnswersChangesNothing) {
  ScriptedUpstream silent(&StaySilent);
  Serve(original_.port(), silent.port());
  ExpectServed(20);
  EXPECT_TRUE(WaitFor([&] { return silent.connections() == 20; })) << "none waits for another";
  EXPECT_EQ(Totals(silent.port()).in_flight, 20u);
  EXPECT_EQ(engine().Stats().requests_active, 0u);
}

TEST_F(StreamMirrorTest, AnEndpointThatNeverAnswersIsGivenUp) {
  other_policy.emplace();
  other_policy->first_byte_timeout = absl::Milliseconds(50);
  ScriptedUpstream silent(&StaySilent);
  Serve(original_.port(), silent.port());
  ExpectServed(4);
  EXPECT_TRUE(WaitFor([&] { return Totals(silent.port()).timeouts == 4; }));
  EXPECT_TRUE(AllOver(silent.port()));
  EXPECT_EQ(ReasonCountOf(Reason::kUpstreamTimeout), 0u);
}

TEST_F(StreamMirrorTest, AnswersOfAnyLengthAreThrownAway) {
  const std::string large(1'000'000, 'x');
  KeepingEndpoint talking(Ok(large));
  Serve(original_.port(), talking.port());
  for (size_t i = 1; i <= 10; ++i) {
    ExpectServed(1);
    ASSERT_TRUE(WaitFor([&] { return Totals(talking.port()).latency_count == i; }));
    ASSERT_TRUE(AllOver(talking.port()));
  }
  EXPECT_EQ(talking.connections(), 1) << "they were read to their ends";
  KeepingHttp2Endpoint talking_http2(H2Answer{{{":status", "200"}}, large, {}});
  other_policy.emplace();
  other_policy->upstream_http2 = true;
  Serve(original_.port(), talking_http2.port());
  for (size_t i = 1; i <= 10; ++i) {
    ExpectServed(1);
    ASSERT_TRUE(WaitFor([&] { return Totals(talking_http2.port()).latency_count == i; }));
    ASSERT_TRUE(AllOver(talking_http2.port()));
  }
  EXPECT_EQ(talking_http2.connections(), 1);
  EXPECT_LE(engine().Stats().buffer_bytes_peak, 16 * (limits.stream_window_bytes + kChunkBytes));
}

TEST_F(StreamMirrorTest, AServiceWithoutEndpointsRefusesCopies) {
  PublishServices({{"web", {original_.port()}}, {"web-copy", {}}});
  ExpectServed(4);
  EXPECT_EQ(engine().Stats().mirrors, 0u);
  EXPECT_EQ(engine().Stats().mirrors_refused, 4u);
  EXPECT_EQ(ReasonCountOf(Reason::kNoEndpoint), 0u);
}

TEST_F(StreamMirrorTest, AServiceAtItsLimitRefusesCopies) {
  other_policy.emplace();
  other_policy->max_in_flight = 2;
  ScriptedUpstream silent(&StaySilent);
  Serve(original_.port(), silent.port());
  ExpectServed(5);
  EXPECT_EQ(engine().Stats().mirrors, 2u);
  EXPECT_EQ(engine().Stats().mirrors_refused, 3u);
}

TEST_F(StreamMirrorTest, ACopyThatCannotKeepUpIsBrokenOff) {
  ScriptedUpstream original(Measuring());
  ScriptedUpstream stuck(&StopReading);
  Serve(original.port(), stuck.port());
  // More than the kernel's buffers take.
  const std::string body(16'000'000, 'x');
  Peer client = Client();
  ASSERT_TRUE(client.Write(Post(body)));
  EXPECT_EQ(client.ReadMessage().body, "16000000");
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.mirrors, 1u);
  EXPECT_EQ(stats.mirrors_broken, 1u);
  EXPECT_LE(stats.buffer_bytes_peak, 8 * (limits.stream_window_bytes + kChunkBytes));
  EXPECT_TRUE(AllOver(stuck.port()));
  client.Write(Post("hello"));
  EXPECT_EQ(client.ReadMessage().body, "5") << "the connection goes on";
}

TEST_F(StreamMirrorTest, ACopyThatGetsNoWindowIsBrokenOff) {
  other_policy.emplace();
  other_policy->upstream_http2 = true;
  ScriptedUpstream original(Measuring());
  ScriptedUpstream stuck(&StopReading);
  Serve(original.port(), stuck.port());
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const std::string body(1'000'000, 'x');
  EXPECT_EQ(client.Await(client.Request(Http2Peer::Post(), body)).body, "1000000");
  EXPECT_EQ(engine().Stats().mirrors, 1u);
  EXPECT_EQ(engine().Stats().mirrors_broken, 1u);
  EXPECT_TRUE(AllOver(stuck.port()));
  EXPECT_EQ(client.Await(client.Request(Http2Peer::Post(), "hello")).body, "5");
}

TEST_F(StreamMirrorTest, ACopyThatKeepsUpIsNotBrokenOff) {
  std::atomic<size_t> received{0};
  ScriptedUpstream original(Measuring());
  ScriptedUpstream reading([&received](Peer& peer, int) {
    if (!peer.ReadHead().complete) return;
    std::string bytes;
    while (peer.ReadSome(&bytes)) received.store(bytes.size());
  });
  Serve(original.port(), reading.port());
  constexpr size_t kPiece = 50'000;
  constexpr size_t kPieces = 20;
  Peer client = Client();
  client.Write(absl::StrCat("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ", kPiece * kPieces,
                            "\r\n\r\n"));
  for (size_t i = 1; i <= kPieces; ++i) {
    client.Write(std::string(kPiece, 'x'));
    ASSERT_TRUE(WaitFor([&] { return received.load() == i * kPiece; })) << i;
  }
  EXPECT_EQ(client.ReadMessage().body, absl::StrCat(kPiece * kPieces));
  EXPECT_EQ(engine().Stats().mirrors_broken, 0u);
}

// Before the copy has a connection.
TEST_F(StreamMirrorTest, AFirstBodyIsCopiedWhole) {
  const std::string body(30'000, 'x');
  for (int i = 0; i < 10; ++i) {
    StartOver();
    KeepingEndpoint copy(Ok("copy"));
    Serve(original_.port(), copy.port());
    EXPECT_EQ(Ask(Post(body)).body, "original");
    EXPECT_EQ(engine().Stats().mirrors_broken, 0u);
    ASSERT_TRUE(WaitFor([&] { return copy.asked() == 1; }));
    EXPECT_EQ(copy.last().body, body);
  }
}

TEST_F(StreamMirrorTest, ABodyThatWasAwaitedIsCopiedWhole) {
  auto chain = std::make_shared<FilterChain>();
  chain->filters.push_back(std::make_unique<RequestBuffer>());
  routes[0].filters = std::move(chain);
  Serve();
  for (size_t size : {1u, 60'000u, 128u * 1024}) {
    const size_t before = copy_.asked();
    const std::string body(size, 'x');
    EXPECT_EQ(Ask(Post(body)).body, "original");
    ASSERT_TRUE(Copied(before + 1)) << size;
    EXPECT_EQ(copy_.last().body, body);
  }
  EXPECT_EQ(engine().Stats().mirrors_broken, 0u);
}

TEST_F(StreamMirrorTest, ACopyEndsWithItsClient) {
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  const auto script = [&](Peer& peer, int) {
    if (!peer.ReadHead().complete) return;
    std::string body;
    if (!peer.ReadExact(3, &body)) return;
    ++begun;
    if (peer.Closed()) ++ended;
  };
  ScriptedUpstream original(script);
  ScriptedUpstream copy(script);
  Serve(original.port(), copy.port());
  {
    Peer client = Client();
    client.Write("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    ASSERT_TRUE(WaitFor([&] { return begun.load() == 2; }));
  }
  EXPECT_TRUE(WaitFor([&] { return ended.load() == 2; }));
  EXPECT_TRUE(AllOver(copy.port()));
  EXPECT_EQ(engine().Stats().mirrors_broken, 0u);
  EXPECT_EQ(ReasonCountOf(Reason::kClientGone), 1u) << "of the original";
}

TEST_F(StreamMirrorTest, ACopyEndsWithItsHttp2Stream) {
  std::atomic<int> begun{0};
  std::atomic<int> reset{0};
  policy.upstream_http2 = true;
  const auto script = [&](Peer& socket, int) {
    Http2Peer server(Http2Peer::Side::kServer, &socket);
    const int32_t id = server.AwaitRequestHead();
    if (id == 0 || !server.Until([&] { return server.message(id).body == "abc"; })) return;
    ++begun;
    if (server.Until([&] { return server.message(id).closed; })) ++reset;
  };
  ScriptedUpstream original(script);
  ScriptedUpstream copy(script);
  Serve(original.port(), copy.port());
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const int32_t id = client.Open(Http2Peer::Post());
  client.Send(id, "abc", /*end=*/false);
  ASSERT_TRUE(WaitFor([&] { return begun.load() == 2; }));
  client.Reset(id, NGHTTP2_CANCEL);
  EXPECT_TRUE(WaitFor([&] { return reset.load() == 2; }));
  EXPECT_TRUE(AllOver(copy.port()));
}

TEST_F(StreamMirrorTest, AWholeRequestIsCopiedThoughItsClientLeaves) {
  std::atomic<bool> answer{false};
  ScriptedUpstream slow_copy([&answer](Peer& peer, int) {
    peer.ReadMessage();
    if (WaitFor([&] { return answer.load(); })) peer.Write(Ok("copy"));
    peer.ReadMessage();
  });
  Serve(original_.port(), slow_copy.port());
  EXPECT_EQ(Ask(Post("hello")).body, "original");
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().connections == 0; }));
  answer.store(true);
  EXPECT_TRUE(WaitFor([&] { return Totals(slow_copy.port()).latency_count == 1; }));
  EXPECT_TRUE(AllOver(slow_copy.port()));
}

TEST_F(StreamMirrorTest, ARetryOfTheOriginalIsCopiedOnce) {
  policy.retry_budget_min_per_second = 1000;
  ScriptedUpstream bad([](Peer& peer, int) { peer.ReadMessage(); });
  PublishServices({{"web", {bad.port(), original_.port()}}, {"web-copy", {copy_.port()}}});
  size_t requests = 0;
  for (; Totals(bad.port()).resets == 0; ++requests) {
    ASSERT_LT(requests, 200u);
    ASSERT_EQ(Ask(std::string(kGet)).body, "original");
  }
  EXPECT_TRUE(Copied(requests));
  EXPECT_EQ(engine().Stats().mirrors, requests);
}

// ---- Shares and counters.

TEST_F(StreamMirrorTest, NoShareIsNoCopy) {
  routes[0].mirror->share = 0;
  Serve();
  ExpectServed(50);
  EXPECT_EQ(engine().Stats().mirrors + engine().Stats().mirrors_refused, 0u);
  EXPECT_EQ(copy_.asked(), 0u);
}

TEST_F(StreamMirrorTest, AShareIsDrawn) {
  routes[0].mirror->share = 0.5;
  Serve();
  constexpr int kRequests = 400;
  ExpectServed(kRequests);
  const uint64_t copies = engine().Stats().mirrors;
  EXPECT_NEAR(static_cast<double>(copies), kRequests * 0.5, 4 * std::sqrt(kRequests * 0.25));
  EXPECT_TRUE(Copied(copies));
  EXPECT_EQ(engine().Stats().mirrors_refused, 0u);
}

TEST_F(StreamMirrorTest, CopiesAreNoRequests) {
  Serve();
  ExpectServed(30);
  ASSERT_TRUE(WaitFor([&] { return Totals(copy_.port()).latency_count == 30; }));
  ASSERT_TRUE(AllOver(copy_.port()));
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.mirrors, 30u);
  EXPECT_EQ(stats.mirrors_refused, 0u);
  EXPECT_EQ(stats.mirrors_broken, 0u);
  EXPECT_EQ(stats.requests, 30u);
  EXPECT_EQ(stats.requests_active, 0u);
  EXPECT_EQ(stats.responses[2], 30u);
  EXPECT_EQ(log_.requests().size(), 30u);
  for (const LoggedRequest& one : log_.requests().all()) EXPECT_EQ(one.service, "web");
}

// ---- The end.

TEST_F(StreamMirrorTest, ADrainDoesNotWaitForCopies) {
  ScriptedUpstream silent(&StaySilent);
  other_policy.emplace();
  for (const bool http2 : {false, true}) {
    StartOver();
    other_policy->upstream_http2 = http2;
    Serve(original_.port(), silent.port());
    const int before = silent.connections();
    EXPECT_EQ(Ask(Post("hello")).body, "original");
    ASSERT_TRUE(WaitFor([&] { return silent.connections() > before; }));
    const absl::Time begun = absl::Now();
    engine().Drain(absl::Seconds(60));
    EXPECT_LT(absl::Now() - begun, absl::Seconds(30));
  }
}

TEST_F(StreamMirrorTest, ADrainEndsARequestAndItsCopy) {
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  const auto script = [&](Peer& peer, int) {
    if (!peer.ReadHead().complete) return;
    ++begun;
    std::string rest;
    peer.ReadToEnd(&rest);
    ++ended;
  };
  ScriptedUpstream original(script);
  ScriptedUpstream copy(script);
  Serve(original.port(), copy.port());
  Peer client = Client();
  client.Write("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  ASSERT_TRUE(WaitFor([&] { return begun.load() == 2; }));
  engine().Drain(absl::Milliseconds(50));
  EXPECT_TRUE(WaitFor([&] { return ended.load() == 2; }));
  EXPECT_TRUE(client.Closed());
}

TEST_F(StreamMirrorTest, ADrainServesARequestAndItsCopy) {
  Serve();
  Peer client = Client();
  client.Write("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().mirrors == 1; }));
  std::thread drain([&] { engine().Drain(absl::Seconds(20)); });
  client.Write("lo");
  const TestMessage answer = client.ReadMessage();
  client.Close();
  drain.join();
  EXPECT_EQ(answer.body, "original");
}

}  // namespace
}  // namespace pointsman::gateway
