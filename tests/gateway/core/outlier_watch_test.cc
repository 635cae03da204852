#include "gateway/core/outlier_watch.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/gateway/core/table_fixture.h"

namespace pointsman::gateway {
namespace {

constexpr absl::Duration kMs = absl::Milliseconds(1);

class OutlierWatchTest : public ::testing::Test {
 protected:
  OutlierWatchTest() {
    Use(std::make_shared<ServiceTable>(MakeService(cells_, {{"a"}, {"b"}, {"c"}})));
  }

  void Use(std::shared_ptr<ServiceTable> service) {
    service_ = std::move(service);
    table_ = RoutingTable();
    BlockListEditor<std::shared_ptr<const ServiceTable>> services(&table_.services);
    services.Set(0, service_);
    services.Finish();
  }
  CellRef CellOf(size_t position) const { return service_->endpoints[position].cell; }
  // Requests that go to the endpoint and end so.
  void Count(size_t position, int requests, TryOutcome outcome = TryOutcome::kResponse,
             absl::Duration latency = kMs) {
    for (int i = 0; i < requests; ++i) {
      own_.CountOutcome(CellOf(position), outcome, latency);
      own_.CountRequest(service_->cell, TryOutcome::kResponse, latency);
    }
  }
  OutlierWatch::Found Look() {
    now_ = now_ + absl::Seconds(1);
    return watch_.Look(table_, now_);
  }
  // A second in which the last endpoint fails or is slow.
  OutlierWatch::Found LookAtBad(TryOutcome outcome, absl::Duration latency = kMs) {
    Count(0, 50);
    Count(1, 50);
    Count(2, 50, outcome, latency);
    return Look();
  }
  bool Avoided(size_t position) const {
    return avoidance_.Judge(CellOf(position), now_) == LocalAvoidance::Verdict::kAvoid;
  }

  EndpointCells cells_{2};
  WorkerCells& own_ = cells_.worker(0);
  LocalAvoidance avoidance_{own_};
  OutlierWatch watch_{own_, avoidance_};
  std::shared_ptr<ServiceTable> service_;
  RoutingTable table_;
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
};

TEST_F(OutlierWatchTest, OneThatFailsIsAvoidedAfterASecond) {
  Count(0, 1);
  Look();
  EXPECT_EQ(LookAtBad(TryOutcome::kServerError).failing, 1u);
  EXPECT_TRUE(Avoided(2));
  EXPECT_FALSE(Avoided(0));
  EXPECT_EQ(LookAtBad(TryOutcome::kServerError).failing, 0u) << "it is avoided already";
}

TEST_F(OutlierWatchTest, ASlowOneIsAvoidedAfterTwoWindowsAndSoonerTheNextTime) {
  Count(0, 1);
  Look();
  EXPECT_EQ(LookAtBad(TryOutcome::kResponse, 50 * kMs).slow, 0u);
  EXPECT_EQ(LookAtBad(TryOutcome::kResponse, 50 * kMs).slow, 1u);
  EXPECT_TRUE(Avoided(2));
  EXPECT_EQ(LookAtBad(TryOutcome::kResponse, 50 * kMs).slow, 0u) << "answers to what it had before";
  avoidance_.OnProbeStarted(CellOf(2), now_);
  avoidance_.OnOutcome(CellOf(2), TryOutcome::kResponse, now_);
  EXPECT_EQ(LookAtBad(TryOutcome::kResponse, 50 * kMs).slow, 1u);
}

TEST_F(OutlierWatchTest, AWindowBetweenTwoSlowOnesBeginsAnew) {
  Count(0, 1);
  Look();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(LookAtBad(TryOutcome::kResponse, 50 * kMs).slow, 0u);
    EXPECT_EQ(LookAtBad(TryOutcome::kResponse).slow, 0u);
  }
}

TEST_F(OutlierWatchTest, ItJudgesWhatHappenedSinceTheWindowBegan) {
  Count(2, 500, TryOutcome::kServerError);
  Look();
  EXPECT_EQ(LookAtBad(TryOutcome::kResponse).failing, 0u);
}

TEST_F(OutlierWatchTest, LittleTrafficMakesLongerWindows) {
  Count(0, 1);
  Look();
  for (int i = 1; i < OutlierWatch::kLooksMax; ++i) {
    Count(0, 5);
    Count(1, 5);
    Count(2, 5, TryOutcome::kServerError);
    EXPECT_EQ(Look().failing, 0u) << i;
  }
  Count(2, 1, TryOutcome::kServerError);
  Count(0, 1);
  Count(1, 1);
  EXPECT_EQ(Look().failing, 1u) << "21 tries each";
}

TEST_F(OutlierWatchTest, ServicesWithoutRequestsAreForgotten) {
  Look();
  EXPECT_EQ(watch_.windows(), 0u);
  Count(0, 1);
  Look();
  EXPECT_EQ(watch_.windows(), 1u);
  Look();
  EXPECT_EQ(watch_.windows(), 0u);
}

TEST_F(OutlierWatchTest, WhatOtherWorkersSawIsTheirs) {
  Count(0, 1);
  Look();
  for (int i = 0; i < 200; ++i) {
    cells_.worker(1).CountOutcome(CellOf(2), TryOutcome::kServerError, kMs);
  }
  EXPECT_EQ(LookAtBad(TryOutcome::kResponse).failing, 0u);
}

TEST_F(OutlierWatchTest, WhoGoesByAHashFollowsItsKey) {
  PickerPolicy hashed;
  hashed.kind = PickerPolicy::Kind::kMaglev;
  service_->picker = std::make_shared<const PickerPolicy>(hashed);
  Count(0, 1);
  Look();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(LookAtBad(TryOutcome::kServerError, 50 * kMs).failing, 0u);
    EXPECT_FALSE(Avoided(2));
  }
  EXPECT_EQ(LookAtBad(TryOutcome::kReset).failing, 1u) << "no answer is the endpoint's fault";
}

TEST_F(OutlierWatchTest, EachPriorityIsComparedWithItself) {
  Use(std::make_shared<ServiceTable>(MakeService(
      cells_, {{"a"}, {"b"}, {"c"}, {"d", 65'536, 1}, {"e", 65'536, 1}}, {32'768, 32'768})));
  Count(0, 1);
  Look();
  for (size_t i = 0; i < 3; ++i) Count(i, 50);
  for (size_t i = 3; i < 5; ++i) Count(i, 50, TryOutcome::kServerError, 500 * kMs);
  EXPECT_EQ(Look().failing, 0u);
  for (size_t i = 3; i < 5; ++i) Count(i, 50, TryOutcome::kServerError, 500 * kMs);
  EXPECT_EQ(LookAtBad(TryOutcome::kServerError).failing, 1u);
  EXPECT_TRUE(Avoided(2));
}

TEST_F(OutlierWatchTest, AnotherEndpointAtThePlaceBeginsWithoutAPast) {
  Count(0, 1);
  Look();
  LookAtBad(TryOutcome::kResponse, 50 * kMs);
  Count(2, 50, TryOutcome::kServerError);
  // The same service, whose third endpoint is another one.
  auto next = std::make_shared<ServiceTable>(*service_);
  Endpoint moved = service_->endpoints[2];
  moved.cell = *cells_.Allocate();
  BlockListEditor<Endpoint> editor(&next->endpoints);
  editor.Set(2, moved);
  editor.Finish();
  next->cells = CellsOf(next->endpoints);
  Use(next);
  const OutlierWatch::Found found = LookAtBad(TryOutcome::kServerError, 50 * kMs);
  EXPECT_EQ(found.failing + found.slow, 0u) << "its window has only begun";
  EXPECT_EQ(LookAtBad(TryOutcome::kServerError).failing, 1u);
}

TEST_F(OutlierWatchTest, NobodySeesEnoughOfSoMany) {
  std::vector<TestEndpoint> endpoints(OutlierWatch::kEndpointsMax + 1, {"e"});
  Use(std::make_shared<ServiceTable>(MakeService(cells_, endpoints)));
  Count(0, 1);
  Look();
  for (int i = 0; i < OutlierWatch::kLooksMax; ++i) {
    EXPECT_EQ(LookAtBad(TryOutcome::kServerError).failing, 0u);
  }
}

}  // namespace
}  // namespace pointsman::gateway
