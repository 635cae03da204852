// Filters of a route, between real sockets: requests that go on, are answered, or wait.

#include <array>
#include <atomic>
#include <initializer_list>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "gateway/core/filter.h"
#include "gateway/core/rate_limit.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

// For what must happen meanwhile, also under a sanitizer on a loaded machine.
constexpr absl::Duration kLongEnough = absl::Seconds(1);
constexpr absl::string_view kGet = "GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n";

// Says what a test wants, and counts who asked.
class Scripted final : public Filter {
 public:
  struct Script {
    std::atomic<int> asked{0};
    std::atomic<FilterVerdict::Kind> kind{FilterVerdict::Kind::kContinue};
    absl::Duration wait;
  };
  explicit Scripted(Script* script) : script_(*script) {}
  FilterVerdict OnRequest(const RouteRequest& request, common::MonotonicTime now,
                          common::MonotonicTime until) const override {
    EXPECT_TRUE(absl::StartsWith(request.path, "/a"));
    EXPECT_GT(until, now);
    ++script_.asked;
    return {.kind = script_.kind, .resume_at = now + script_.wait, .retry_after = script_.wait};
  }

 private:
  Script& script_;
};

class StreamFiltersTest : public EngineFixture {
 protected:
  void UseFilters(std::initializer_list<Scripted::Script*> scripts) {
    auto chain = std::make_shared<FilterChain>();
    for (Scripted::Script* script : scripts) {
      chain->filters.push_back(std::make_unique<Scripted>(script));
    }
    routes[0].filters = std::move(chain);
  }
  void UseLimit(const RateLimitOptions& options) {
    auto chain = std::make_shared<FilterChain>();
    chain->filters.push_back(std::make_unique<RateLimit>(options));
    routes[0].filters = std::move(chain);
  }
  bool Waiting(uint64_t count) {
    return WaitFor([&] { return engine().Stats().requests_waiting == count; });
  }

  ScriptedUpstream upstream_{
      Answering([](const TestMessage& request) { return Ok(request.body); })};
  Scripted::Script first_;
  Scripted::Script second_;
};

TEST_F(StreamFiltersTest, AllAreAskedInTheirOrder) {
  UseFilters({&first_, &second_});
  Publish({upstream_.port()});
  Peer client = Client();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(first_.asked, 1);
  EXPECT_EQ(second_.asked, 1);
}

TEST_F(StreamFiltersTest, OneThatRefusesEndsTheRequest) {
  first_.kind = FilterVerdict::Kind::kLimited;
  first_.wait = absl::Milliseconds(1200);
  UseFilters({&first_, &second_});
  Publish({upstream_.port()});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 429);
  EXPECT_EQ(answer.Field("retry-after"), "2") << "whole seconds, rounded up";
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "rate_limited");
  EXPECT_EQ(second_.asked, 0);
  EXPECT_EQ(upstream_.connections(), 0);
  EXPECT_EQ(ReasonCountOf(Reason::kRateLimited), 1u);
  first_.kind = FilterVerdict::Kind::kContinue;
  client.Write(kGet);
  const TestMessage next = client.ReadMessage();
  EXPECT_EQ(next.status(), 200);
  EXPECT_FALSE(next.Has("retry-after"));
}

TEST_F(StreamFiltersTest, OneThatWaitsGoesOnBehindTheFilter) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = absl::Milliseconds(30);
  UseFilters({&first_, &second_});
  Publish({upstream_.port()});
  Peer client = Client();
  const absl::Time begun = absl::Now();
  client.Write("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "hello") << "its body waits with it";
  EXPECT_GE(absl::Now() - begun, absl::Milliseconds(30));
  EXPECT_EQ(first_.asked, 1);
  EXPECT_EQ(second_.asked, 1);
  EXPECT_EQ(engine().Stats().requests_waited, 1u);
  EXPECT_EQ(engine().Stats().requests_waiting, 0u);
}

TEST_F(StreamFiltersTest, ABodyThatWaitsIsBoundedAndArrivesWhole) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = kLongEnough;
  UseFilters({&first_});
  Publish({upstream_.port()});
  Peer client = Client();
  const std::string body(4'000'000, 'x');
  client.Write(
      absl::StrCat("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ", body.size(), "\r\n\r\n"));
  std::thread writes([&] { client.Write(body); });
  const bool waited = WaitFor([&] { return engine().Stats().requests_waited == 1; });
  writes.join();
  EXPECT_TRUE(waited);
  EXPECT_EQ(client.ReadMessage().body, body);
  EXPECT_LE(engine().Stats().buffer_bytes_peak, 4 * (limits.stream_window_bytes + kChunkBytes));
}

TEST_F(StreamFiltersTest, AClientThatLeavesIsForgotten) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = absl::Seconds(60);
  UseFilters({&first_});
  Publish({upstream_.port()});
  {
    Peer client = Client();
    client.Write("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    ASSERT_TRUE(Waiting(1));
  }
  EXPECT_TRUE(Waiting(0));
  EXPECT_EQ(upstream_.connections(), 0);
}

TEST_F(StreamFiltersTest, TheRequestsTimeGoesOnWhileItWaits) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = absl::Seconds(60);
  policy.request_timeout = absl::Milliseconds(50);
  UseFilters({&first_});
  Publish({upstream_.port()});
  Peer client = Client();
  client.Write(kGet);
  const TestMessage answer = client.ReadMessage();
  EXPECT_EQ(answer.status(), 504);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "request_timeout");
  EXPECT_EQ(engine().Stats().requests_waiting, 0u);
}

TEST_F(StreamFiltersTest, WhatWaitsObeysTheTableOfThen) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = kLongEnough;
  UseFilters({&first_});
  Publish({upstream_.port()});
  Peer waits = Client();
  waits.Write(kGet);
  ASSERT_TRUE(Waiting(1));
  second_.kind = FilterVerdict::Kind::kLimited;
  UseFilters({&second_});
  Publish({upstream_.port()});
  EXPECT_EQ(waits.ReadMessage().status(), 429) << "the new filters are asked too";
  EXPECT_EQ(second_.asked, 1);

  UseFilters({&first_});
  Publish({upstream_.port()});
  waits.Write(kGet);
  ASSERT_TRUE(Waiting(1));
  routes[0].name = "another";
  Publish({upstream_.port()});
  const TestMessage answer = waits.ReadMessage();
  EXPECT_EQ(answer.status(), 404);
  EXPECT_EQ(answer.Field("x-pointsman-reason"), "no_route");
}

TEST_F(StreamFiltersTest, AnotherTableWithTheSameFiltersAsksNothingTwice) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = kLongEnough;
  UseFilters({&first_, &second_});
  Publish({upstream_.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_TRUE(Waiting(1));
  Publish({upstream_.port()});
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(first_.asked, 1);
  EXPECT_EQ(second_.asked, 1);
}

TEST_F(StreamFiltersTest, AFilterThatStaysAmongOthersIsAskedOnce) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = kLongEnough;
  UseFilters({&first_});
  Publish({upstream_.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_TRUE(Waiting(1));
  auto chain = std::make_shared<FilterChain>(*routes[0].filters);
  chain->filters.push_back(std::make_unique<Scripted>(&second_));
  routes[0].filters = std::move(chain);
  Publish({upstream_.port()});
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(first_.asked, 1) << "its turn had come";
  EXPECT_EQ(second_.asked, 1);
}

TEST_F(StreamFiltersTest, WhatTheRouteAllowsNoMorePassesNoMore) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = kLongEnough;
  routes[0].path_traits = common::kPathEncodedSlash | common::kPathEmptySegment;
  routes[0].upgrades = {"tcp"};
  UseFilters({&first_});
  Publish({upstream_.port()});
  Peer slash = Client();
  Peer empty = Client();
  Peer upgrade = Client();
  slash.Write("GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n");
  empty.Write("GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n");
  upgrade.Write("GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n");
  ASSERT_TRUE(Waiting(3));
  routes[0].path_traits = 0;
  routes[0].upgrades.clear();
  auto table = std::make_shared<RoutingTable>(*Table({upstream_.port()}));
  table->config.revision = 2;
  PublishTable(std::move(table));
  EXPECT_EQ(slash.ReadMessage().Field("x-pointsman-reason"), "ambiguous_path");
  EXPECT_EQ(empty.ReadMessage().Field("x-pointsman-reason"), "ambiguous_path");
  EXPECT_EQ(upgrade.ReadMessage().Field("x-pointsman-reason"), "upgrade_refused");
  EXPECT_EQ(upstream_.connections(), 0);
}

TEST_F(StreamFiltersTest, ADirectAnswerWaitsToo) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = absl::Milliseconds(20);
  routes[0].service = RouteEntry::kNoService;
  routes[0].direct_status = 204;
  UseFilters({&first_});
  Publish({upstream_.port()});
  Peer client = Client();
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().status(), 204);
  EXPECT_EQ(engine().Stats().requests_waited, 1u);
}

TEST_F(StreamFiltersTest, ADrainServesWhatWaits) {
  first_.kind = FilterVerdict::Kind::kSuspend;
  first_.wait = kLongEnough;
  UseFilters({&first_});
  Publish({upstream_.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_TRUE(Waiting(1));
  std::thread drain([&] { engine().Drain(absl::Seconds(20)); });
  const TestMessage answer = client.ReadMessage();
  drain.join();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.Field("connection"), "close");
}

TEST_F(StreamFiltersTest, ARateLimitHoldsForAllWorkersTogether) {
  workers = 4;
  UseLimit({.requests_per_second = 0.001, .burst = 7, .max_wait = {}});
  Publish({upstream_.port()});
  int passed = 0;
  for (int i = 0; i < 20; ++i) {
    Peer client = Client();
    client.Write(kGet);
    passed += client.ReadMessage().status() == 200 ? 1 : 0;
  }
  EXPECT_EQ(passed, 7);
  EXPECT_EQ(ReasonCountOf(Reason::kRateLimited), 13u);
}

TEST_F(StreamFiltersTest, RequestsOverHttp2WaitForTheirTurn) {
  UseLimit({.requests_per_second = 100, .burst = 1, .max_wait = absl::Seconds(10)});
  Publish({upstream_.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  std::array<int32_t, 6> streams = {};
  const absl::Time begun = absl::Now();
  for (int32_t& stream : streams) stream = client.Request(Http2Peer::Get("/a"));
  for (const int32_t stream : streams) EXPECT_EQ(client.Await(stream).status(), 200);
  EXPECT_GE(absl::Now() - begun, absl::Milliseconds(49)) << "the sixth is due after 50 ms";
  EXPECT_EQ(engine().Stats().requests_waited, 5u);
}

}  // namespace
}  // namespace pointsman::gateway
