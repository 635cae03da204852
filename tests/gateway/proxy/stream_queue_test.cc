// Requests that wait while their service takes no more (docs/design/overload.md), between real
// sockets.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gateway/core/filter.h"
#include "gateway/core/request_buffer.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/gated.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/kept.h"

namespace pointsman::gateway {
namespace {

using Targets = std::vector<std::string>;

std::string Get(absl::string_view target) {
  return absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: a\r\n\r\n");
}

class StreamQueueTest : public EngineFixture {
 protected:
  StreamQueueTest() {
    policy.max_in_flight = 1;
    policy.waiting_max = 100;
    policy.wait_max = absl::Minutes(1);
  }

  static RouteEntry RouteOf(const std::string& name, const std::string& prefix,
                            Criticality criticality) {
    RouteEntry route = AnyRoute();
    route.name = name;
    route.path_kind = RouteEntry::PathKind::kPrefix;
    route.path = prefix;
    route.criticality = criticality;
    return route;
  }
  void RouteByCriticality() {
    routes = {RouteOf("first", "/critical", Criticality::kCritical), AnyRoute(),
              RouteOf("last", "/batch", Criticality::kSheddable)};
  }

  // A client whose request the endpoint has.
  Peer InFlight() {
    const size_t before = endpoint_.asked();
    Peer client = Client();
    client.Write(Get("/first"));
    PM_CHECK(WaitFor([&] { return endpoint_.asked() == before + 1; }));
    return client;
  }
  // One whose request waits.
  Peer Queued(absl::string_view target) {
    const uint64_t before = engine().Stats().requests_queued;
    Peer client = Client();
    client.Write(Get(target));
    PM_CHECK(WaitFor([&] { return engine().Stats().requests_queued == before + 1; }));
    return client;
  }
  void ExpectQueued(uint64_t requests) {
    EXPECT_TRUE(WaitFor([&] { return engine().Stats().requests_queued == requests; }))
        << engine().Stats().requests_queued;
  }
  static std::string ReasonOf(const TestMessage& answer) {
    return answer.Field("x-pointsman-reason");
  }

  GatedEndpoint endpoint_;
};

TEST_F(StreamQueueTest, ARequestWaitsForItsTurn) {
  Publish({endpoint_.port()});
  Peer first = InFlight();
  Peer second = Queued("/second");
  EXPECT_EQ(endpoint_.asked(), 1u);
  EXPECT_EQ(Totals(0).in_flight, 1u) << "what waits is not in its service";
  endpoint_.Let(1);
  EXPECT_EQ(first.ReadMessage().status(), 200);
  EXPECT_TRUE(WaitFor([&] { return endpoint_.asked() == 2; }));
  endpoint_.Let(1);
  EXPECT_EQ(second.ReadMessage().body, "gated");
  ExpectQueued(0);
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.requests_queued_total, 1u);
  EXPECT_EQ(stats.responses[2], 2u);
  EXPECT_EQ(stats.requests_waiting, 0u);
}

TEST_F(StreamQueueTest, InTheOrderTheyCame) {
  Publish({endpoint_.port()});
  Peer first = InFlight();
  std::vector<Peer> waiting;
  for (const char* target : {"/a", "/b", "/c", "/d"}) waiting.push_back(Queued(target));
  endpoint_.Open();
  for (Peer& client : waiting) EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(endpoint_.targets(), (Targets{"/first", "/a", "/b", "/c", "/d"}));
}

TEST_F(StreamQueueTest, TheMoreCriticalGoFirst) {
  RouteByCriticality();
  Publish({endpoint_.port()});
  Peer first = InFlight();
  std::vector<Peer> waiting;
  for (const char* target : {"/batch/1", "/some", "/critical/1", "/batch/2", "/critical/2"}) {
    waiting.push_back(Queued(target));
  }
  endpoint_.Open();
  for (Peer& client : waiting) EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(endpoint_.targets(),
            (Targets{"/first", "/critical/1", "/critical/2", "/some", "/batch/1", "/batch/2"}));
}

TEST_F(StreamQueueTest, TheLastOfTheLeastCriticalGivesWay) {
  policy.waiting_max = 2;
  RouteByCriticality();
  Publish({endpoint_.port()});
  Peer first = InFlight();
  Peer batch_1 = Queued("/batch/1");
  Peer batch_2 = Queued("/batch/2");
  Peer critical = Client();
  critical.Write(Get("/critical"));
  const TestMessage shed = batch_2.ReadMessage();
  EXPECT_EQ(shed.status(), 503);
  EXPECT_EQ(ReasonOf(shed), "shed");
  // One that is no more critical than those that wait finds no room.
  Peer batch_3 = Client();
  batch_3.Write(Get("/batch/3"));
  EXPECT_EQ(ReasonOf(batch_3.ReadMessage()), "too_many_requests");
  EXPECT_EQ(ReasonCountOf(Reason::kShed), 1u);
  EXPECT_EQ(ReasonCountOf(Reason::kTooManyRequests), 1u);
  endpoint_.Open();
  EXPECT_EQ(critical.ReadMessage().status(), 200);
  EXPECT_EQ(batch_1.ReadMessage().status(), 200);
  EXPECT_EQ(endpoint_.targets(), (Targets{"/first", "/critical", "/batch/1"}));
  ExpectQueued(0);
}

TEST_F(StreamQueueTest, NoLongerThanTheyMay) {
  policy.wait_max = absl::Milliseconds(20);
  Publish({endpoint_.port()});
  Peer first = InFlight();
  Peer second = Client();
  second.Write(Get("/second"));
  const TestMessage answer = second.ReadMessage();
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(ReasonOf(answer), "queue_timeout");
  ExpectQueued(0);
  endpoint_.Open();
  EXPECT_EQ(first.ReadMessage().status(), 200);
  second.Write(Get("/again"));
  EXPECT_EQ(second.ReadMessage().status(), 200) << "its connection goes on";
}

TEST_F(StreamQueueTest, AClientThatLeavesGivesItsPlaceUp) {
  policy.waiting_max = 1;
  Publish({endpoint_.port()});
  Peer first = InFlight();
  Queued("/left").Reset();
  ExpectQueued(0);
  Peer second = Queued("/second");
  endpoint_.Open();
  EXPECT_EQ(second.ReadMessage().status(), 200);
  EXPECT_EQ(endpoint_.targets(), (Targets{"/first", "/second"}));
}

TEST_F(StreamQueueTest, EndpointsAtTheirLimitAreWaitedFor) {
  policy.max_in_flight = 100;
  policy.max_in_flight_per_endpoint = 1;
  GatedEndpoint other;
  Publish({endpoint_.port(), other.port()});
  std::vector<Peer> taken(2);
  for (Peer& client : taken) {
    client = Client();
    client.Write(Get("/taken"));
  }
  ASSERT_TRUE(WaitFor([&] { return endpoint_.asked() == 1 && other.asked() == 1; }));
  Peer third = Queued("/third");
  EXPECT_EQ(Totals(0).in_flight, 2u);
  other.Open();
  EXPECT_EQ(third.ReadMessage().status(), 200);
  EXPECT_EQ(other.targets(), (Targets{"/taken", "/third"}));
  EXPECT_EQ(engine().Stats().retries, 0u);
}

TEST_F(StreamQueueTest, MoreRoomIsForAllThatWait) {
  Publish({endpoint_.port()});
  Peer first = InFlight();
  std::vector<Peer> waiting;
  for (int i = 0; i < 50; ++i) {
    waiting.push_back(Client());
    waiting.back().Write(Get("/"));
  }
  ExpectQueued(50);
  policy.max_in_flight = 100;
  Publish({endpoint_.port()});
  // Nobody's end makes room: they follow one another.
  ASSERT_TRUE(WaitFor([&] { return endpoint_.asked() == 51; }));
  ExpectQueued(0);
  endpoint_.Open();
  for (Peer& client : waiting) EXPECT_EQ(client.ReadMessage().status(), 200);
}

TEST_F(StreamQueueTest, WhoMustWaitForItsBodyNowLetsOthersPass) {
  Publish({endpoint_.port()});
  Peer first = InFlight();
  Peer half = Client();
  half.Write("POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
  ExpectQueued(1);
  Peer whole = Queued("/whole");
  auto chain = std::make_shared<FilterChain>();
  chain->filters.push_back(std::make_unique<RequestBuffer>());
  routes[0].filters = chain;
  Publish({endpoint_.port()});
  endpoint_.Open();
  EXPECT_EQ(whole.ReadMessage().status(), 200);
  half.Write("world");
  EXPECT_EQ(half.ReadMessage().status(), 200);
  EXPECT_EQ(endpoint_.targets(), (Targets{"/first", "/whole", "/half"}));
}

TEST_F(StreamQueueTest, WorkersHearOfOneAnother) {
  workers = 2;
  policy.max_in_flight = 2;
  Publish({endpoint_.port()});
  endpoint_.Open();
  std::vector<Peer> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(Client());
  for (int round = 0; round < 5; ++round) {
    for (Peer& client : clients) client.Write(Get("/"));
    for (Peer& client : clients) ASSERT_EQ(client.ReadMessage().status(), 200);
  }
  EXPECT_EQ(endpoint_.asked(), 200u);
  ExpectQueued(0);
  EXPECT_EQ(Totals(0).in_flight, 0u);
}

TEST_F(StreamQueueTest, ABodyWaitsWithItsRequest) {
  Publish({endpoint_.port()});
  Peer first = InFlight();
  Peer second = Client();
  second.Write("POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
  ExpectQueued(1);
  second.Write("world");
  endpoint_.Open();
  EXPECT_EQ(second.ReadMessage().status(), 200);
  EXPECT_EQ(endpoint_.last().body, "helloworld");
}

TEST_F(StreamQueueTest, WhatItsRouteChangesIsChangedOnce) {
  policy.max_in_flight = 100;
  policy.max_in_flight_per_endpoint = 1;
  auto rewrite = std::make_shared<Rewrite>();
  rewrite->path = {.kind = PathChange::Kind::kPrefix, .text = "/v2", .pattern_text = ""};
  rewrite->request_headers.add = {{"x-added", "yes"}};
  routes[0].path_kind = RouteEntry::PathKind::kPrefix;
  routes[0].path = "/api";
  routes[0].rewrite = rewrite;
  Publish({endpoint_.port()});
  Peer first = Client();
  first.Write(Get("/api/first"));
  ASSERT_TRUE(WaitFor([&] { return endpoint_.asked() == 1; }));
  Peer second = Queued("/api/second");
  endpoint_.Open();
  EXPECT_EQ(second.ReadMessage().status(), 200);
  EXPECT_EQ(endpoint_.targets(), (Targets{"/v2/first", "/v2/second"}));
  int added = 0;
  for (const auto& [name, value] : endpoint_.last().fields) added += name == "x-added" ? 1 : 0;
  EXPECT_EQ(added, 1);
}

TEST_F(StreamQueueTest, ItGoesWhereItsRouteLeadsThen) {
  KeepingEndpoint other(Ok("other"));
  PublishServices({{"app", {endpoint_.port()}}, {"new", {other.port()}}});
  Peer first = InFlight();
  Peer second = Queued("/second");
  routes[0].service = 1;
  PublishServices({{"app", {endpoint_.port()}}, {"new", {other.port()}}});
  endpoint_.Open();
  EXPECT_EQ(second.ReadMessage().body, "other");
  ExpectQueued(0);
}

TEST_F(StreamQueueTest, OfASplitItStaysWithItsService) {
  KeepingEndpoint other(Ok("other"));
  other_policy = ServicePolicy();
  routes[0].service = RouteEntry::kNoService;
  routes[0].split = {{0, 1}, {1, 0}};
  PublishServices({{"app", {endpoint_.port()}}, {"new", {other.port()}}});
  Peer first = InFlight();
  Peer second = Queued("/second");
  routes[0].split = {{0, 1}, {1, 1'000'000}};
  PublishServices({{"app", {endpoint_.port()}}, {"new", {other.port()}}});
  endpoint_.Open();
  EXPECT_EQ(second.ReadMessage().body, "gated");
}

TEST_F(StreamQueueTest, AServiceThatIsGoneIsNotWaitedFor) {
  Publish({endpoint_.port()});
  Peer first = InFlight();
  Peer second = Queued("/second");
  routes[0].service = RouteEntry::kNoService;
  routes[0].direct_status = 404;
  Publish({});
  EXPECT_EQ(second.ReadMessage().status(), 404)
      << "its route is asked again every few milliseconds";
  ExpectQueued(0);
}

TEST_F(StreamQueueTest, StreamsOfOneConnectionWaitEachForItself) {
  Publish({endpoint_.port()});
  Peer first = InFlight();
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const int32_t one = client.Request(Http2Peer::Get(), "");
  const int32_t two = client.Request(Http2Peer::Get(), "");
  client.Flush();
  ExpectQueued(2);
  endpoint_.Open();
  EXPECT_EQ(client.Await(one).Field(":status"), "200");
  EXPECT_EQ(client.Await(two).Field(":status"), "200");
}

TEST_F(StreamQueueTest, CopiesDoNotWait) {
  GatedEndpoint copied;
  other_policy = policy;
  policy.max_in_flight = 100;
  routes[0].mirror = {.service = 1, .share = 1};
  PublishServices({{"app", {endpoint_.port()}}, {"copies", {copied.port()}}});
  endpoint_.Open();
  Peer client = Client();
  for (int i = 0; i < 3; ++i) {
    client.Write(Get("/"));
    ASSERT_EQ(client.ReadMessage().status(), 200);
  }
  EXPECT_EQ(engine().Stats().mirrors, 1u);
  EXPECT_EQ(engine().Stats().mirrors_refused, 2u);
  EXPECT_EQ(engine().Stats().requests_queued_total, 0u);
}

// ---- A limit that is learned.

TEST_F(StreamQueueTest, WhatIsLearnedIsALimitToo) {
  policy.max_in_flight = 100;
  policy.adaptive_min_in_flight = 1;
  policy.waiting_max = 0;
  Publish({endpoint_.port()});
  Peer first = InFlight();
  Peer second = Client();
  second.Write(Get("/second"));
  EXPECT_EQ(ReasonOf(second.ReadMessage()), "too_many_requests");
  endpoint_.Let(1);
  EXPECT_EQ(first.ReadMessage().status(), 200);
}

TEST_F(StreamQueueTest, QuickAnswersRaiseIt) {
  policy.max_in_flight = 100;
  policy.adaptive_min_in_flight = 1;
  Publish({endpoint_.port()});
  endpoint_.Open();
  std::vector<Peer> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(Client());
  ASSERT_TRUE(WaitFor([&] {
    for (Peer& client : clients) client.Write(Get("/"));
    for (Peer& client : clients) PM_CHECK(client.ReadMessage().status() == 200);
    return Totals(0).learned_limit >= 4;
  }));
  ExpectQueued(0);
}

}  // namespace
}  // namespace pointsman::gateway
