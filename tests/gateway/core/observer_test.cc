#include "gateway/core/observer.h"

#include <set>

#include "gateway/core/table_state.h"
#include "gtest/gtest.h"
#include "tests/gateway/core/bundle_fixture.h"

namespace pointsman::gateway {
namespace {

class ObserverTest : public ::testing::Test {
 protected:
  void Apply(const v1::SliceFrame& frame) {
    v1::Bundle bundle;
    if (!state_.has_config()) *bundle.mutable_config() = MakeConfig(1, {"web"});
    *bundle.add_frames() = frame;
    ASSERT_TRUE(state_.Apply(bundle, now_).refused.empty());
    table_ = state_.Build().table;
  }
  CellRef Cell(size_t position) { return table_->services[0]->endpoints[position].cell; }
  void Request(CellRef cell, TryOutcome outcome, absl::Duration latency) {
    cells_.worker(0).StartTry(cell);
    cells_.worker(0).CountOutcome(cell, outcome, latency);
    cells_.worker(0).EndTry(cell);
  }
  v1::Observations Collect() {
    now_ = now_ + absl::Seconds(1);
    return observer_.Collect(*table_, now_);
  }

  EndpointCells cells_{1};
  TableState state_{cells_, {}};
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
  Observer observer_{cells_};
  std::shared_ptr<const RoutingTable> table_;
};

TEST_F(ObserverTest, SendsOnlyWhatWasUsed) {
  observer_.Start(now_);
  Apply(MakeSlice("web", 3, 3));
  Request(Cell(1), TryOutcome::kResponse, absl::Microseconds(100));
  Request(Cell(1), TryOutcome::kServerError, absl::Milliseconds(1));
  const v1::Observations first = Collect();
  EXPECT_EQ(first.sequence(), 1u);
  EXPECT_EQ(first.window().seconds(), 1);
  ASSERT_EQ(first.services_size(), 1);
  EXPECT_EQ(first.services(0).service(), "web");
  EXPECT_EQ(first.services(0).version().revision(), 3u);
  ASSERT_EQ(first.services(0).endpoints_size(), 1);
  const v1::EndpointObservation& endpoint = first.services(0).endpoints(0);
  EXPECT_EQ(endpoint.handle(), 2u);
  EXPECT_EQ(endpoint.requests(), 2u);
  EXPECT_EQ(endpoint.server_errors(), 1u);
  EXPECT_EQ(endpoint.latency_sum().nanos(), 1'100'000);
  ASSERT_EQ(endpoint.latency_buckets_size(), 5);
  EXPECT_EQ(endpoint.latency_buckets(1), 1u);
  EXPECT_EQ(endpoint.latency_buckets(4), 1u);
  EXPECT_EQ(Collect().services_size(), 0) << "nothing happened since";
}

TEST_F(ObserverTest, CountersAreCumulativeAndBucketsOfTheWindow) {
  Apply(MakeSlice("web", 1, 1));
  Request(Cell(0), TryOutcome::kResponse, absl::Microseconds(10));
  Collect();
  Request(Cell(0), TryOutcome::kConnectFailure, absl::Microseconds(-1));
  const v1::EndpointObservation endpoint = Collect().services(0).endpoints(0);
  EXPECT_EQ(endpoint.requests(), 2u);
  EXPECT_EQ(endpoint.connect_failures(), 1u);
  EXPECT_EQ(endpoint.latency_buckets_size(), 0);
}

TEST_F(ObserverTest, CountersGoOnWhenTheAddressChanges) {
  Apply(MakeSlice("web", 1, 1));
  Request(Cell(0), TryOutcome::kResponse, absl::Microseconds(10));
  Collect();
  v1::SliceFrame moved = MakeFrame("web", 1, 2);
  AddEndpoint(&moved, 1, 65'536, "10.9.9.9:9");
  const CellRef before = Cell(0);
  Apply(moved);
  ASSERT_NE(Cell(0), before);
  Request(Cell(0), TryOutcome::kResponse, absl::Microseconds(10));
  EXPECT_EQ(Collect().services(0).endpoints(0).requests(), 2u);
}

TEST_F(ObserverTest, InFlightIsTheAverageOfTheWindow) {
  observer_.Start(now_);
  Apply(MakeSlice("web", 1, 1));
  for (int i = 0; i < 4; ++i) cells_.worker(0).StartTry(Cell(0));
  cells_.PublishSums(absl::Milliseconds(500));
  for (int i = 0; i < 4; ++i) cells_.worker(0).EndTry(Cell(0));
  cells_.PublishSums(absl::Milliseconds(500));
  EXPECT_NEAR(Collect().services(0).endpoints(0).in_flight(), 2.0, 0.01);
}

TEST_F(ObserverTest, FullMessageStarvesNobody) {
  Apply(MakeSlice("web", 1, 6000));
  std::set<uint32_t> seen;
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < 6000; ++i) Request(Cell(i), TryOutcome::kResponse, absl::Seconds(0));
    const v1::Observations observations = Collect();
    ASSERT_EQ(observations.services(0).endpoints_size(), int(Observer::kEndpointsMax));
    for (const auto& endpoint : observations.services(0).endpoints())
      seen.insert(endpoint.handle());
  }
  EXPECT_EQ(seen.size(), 6000u);
}

}  // namespace
}  // namespace pointsman::gateway
