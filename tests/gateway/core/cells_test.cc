#include "gateway/core/cells.h"

#include <set>
#include <thread>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(CellsTest, CountsWhatOneWorkerDoes) {
  EndpointCells cells(1);
  const CellRef ref = *cells.Allocate();
  WorkerCells& worker = cells.worker(0);
  worker.StartTry(ref);
  worker.StartTry(ref);
  EXPECT_EQ(worker.InFlight(ref), 2u);
  worker.CountOutcome(ref, TryOutcome::kResponse, absl::Microseconds(100));
  worker.CountOutcome(ref, TryOutcome::kServerError, absl::Milliseconds(1));
  worker.CountOutcome(ref, TryOutcome::kReset, absl::Microseconds(-1));
  worker.CountOutcome(ref, TryOutcome::kTimeout, absl::Microseconds(-1));
  worker.CountOutcome(ref, TryOutcome::kAbandoned, absl::Milliseconds(5));
  worker.EndTry(ref);
  const CellTotals totals = cells.Totals(ref);
  EXPECT_EQ(totals.requests, 4u);
  EXPECT_EQ(totals.server_errors, 1u);
  EXPECT_EQ(totals.resets, 1u);
  EXPECT_EQ(totals.timeouts, 1u);
  EXPECT_EQ(totals.latency_sum_micros, 1100);
  EXPECT_EQ(totals.latency_count, 2u);
  EXPECT_EQ(totals.latency_buckets[1], 1u) << "64 us to under 128 us";
  EXPECT_EQ(totals.in_flight, 1u);
}

TEST(CellsTest, TriesInARowWithoutAnAnswerEndWithOneToAnyWorker) {
  EndpointCells cells(2);
  const CellRef ref = *cells.Allocate();
  const auto ends = [&](size_t worker, TryOutcome outcome) {
    cells.worker(worker).CountOutcome(ref, outcome, absl::Microseconds(-1));
  };
  ends(0, TryOutcome::kConnectFailure);
  ends(1, TryOutcome::kReset);
  ends(1, TryOutcome::kTimeout);
  ends(0, TryOutcome::kAbandoned);
  EXPECT_EQ(cells.Totals(ref).unreachable_in_a_row, 2u);
  EXPECT_EQ(cells.Totals(ref).timeouts_in_a_row, 1u);
  ends(1, TryOutcome::kServerError);
  EXPECT_EQ(cells.Totals(ref).unreachable_in_a_row, 0u);
  EXPECT_EQ(cells.Totals(ref).timeouts_in_a_row, 0u);
  ends(0, TryOutcome::kReset);
  EXPECT_EQ(cells.Totals(ref).unreachable_in_a_row, 1u);
  cells.Retire(ref);
  cells.Recycle();
  const CellRef next = *cells.Allocate();
  ASSERT_EQ(next.index, ref.index);
  EXPECT_EQ(cells.Totals(next).unreachable_in_a_row, 0u) << "of another endpoint";
}

TEST(CellsTest, TriesWithoutAnAnswerAreSeenAtOnce) {
  EndpointCells cells(2);
  const CellRef ref = *cells.Allocate();
  EXPECT_EQ(cells.HardFailures(), 0u);
  cells.worker(1).CountOutcome(ref, TryOutcome::kConnectFailure, absl::Microseconds(-1));
  EXPECT_EQ(cells.HardFailures(), 1u);
  cells.worker(0).CountOutcome(ref, TryOutcome::kTimeout, absl::Microseconds(-1));
  cells.worker(0).CountOutcome(ref, TryOutcome::kServerError, absl::Microseconds(-1));
  EXPECT_EQ(cells.HardFailures(), 2u);
  EXPECT_EQ(cells.Totals(ref).connect_failures, 1u);
}

TEST(CellsTest, WorkersSeeEachOtherAfterPublishSums) {
  EndpointCells cells(3);
  const CellRef ref = *cells.Allocate();
  cells.worker(0).StartTry(ref);
  cells.worker(1).StartTry(ref);
  cells.worker(1).StartTry(ref);
  EXPECT_EQ(cells.worker(2).InFlight(ref), 0u);
  cells.PublishSums(absl::Milliseconds(5));
  EXPECT_EQ(cells.worker(0).InFlight(ref), 3u);
  EXPECT_EQ(cells.worker(1).InFlight(ref), 3u);
  EXPECT_EQ(cells.worker(2).InFlight(ref), 3u);
  cells.worker(1).EndTry(ref);
  EXPECT_EQ(cells.worker(1).InFlight(ref), 2u) << "its own share is exact at once";
  EXPECT_EQ(cells.worker(0).InFlight(ref), 3u);
}

TEST(CellsTest, IntegratesInFlightOverTime) {
  EndpointCells cells(2);
  const CellRef ref = *cells.Allocate();
  cells.worker(0).StartTry(ref);
  cells.worker(1).StartTry(ref);
  EXPECT_TRUE(cells.PublishSums(absl::Milliseconds(10)));
  cells.worker(0).EndTry(ref);
  EXPECT_TRUE(cells.PublishSums(absl::Milliseconds(10)));
  cells.worker(1).EndTry(ref);
  EXPECT_FALSE(cells.PublishSums(absl::Milliseconds(10))) << "nothing is in flight";
  EXPECT_EQ(cells.Totals(ref).in_flight_micros, 30'000u);
}

TEST(CellsTest, AvoidedTimeIsTheAverageOfTheWorkers) {
  EndpointCells cells(2);
  const CellRef ref = *cells.Allocate();
  cells.worker(0).AddAvoided(ref, absl::Seconds(2));
  cells.worker(1).AddAvoided(ref, absl::Seconds(1));
  EXPECT_EQ(cells.Totals(ref).avoided_micros, 1'500'000);
}

TEST(CellsTest, SlotIsFreeOnlyWhenNothingIsInFlight) {
  EndpointCells cells(2);
  const CellRef ref = *cells.Allocate();
  cells.worker(0).StartTry(ref);
  cells.worker(0).CountOutcome(ref, TryOutcome::kResponse, absl::Microseconds(1));
  cells.Retire(ref);
  EXPECT_EQ(cells.Recycle(), 0u);
  EXPECT_EQ(cells.in_use(), 1u);
  cells.worker(0).EndTry(ref);
  EXPECT_EQ(cells.Recycle(), 1u);
  EXPECT_EQ(cells.in_use(), 0u);
  const CellRef next = *cells.Allocate();
  EXPECT_EQ(next.index, ref.index);
  EXPECT_GT(next.generation, ref.generation);
  EXPECT_EQ(cells.Totals(next).requests, 0u) << "a new owner starts at zero";
}

TEST(CellsTest, GrowsByBlocksAndEndsAtItsLimit) {
  EndpointCells cells(1);
  std::set<uint32_t> indexes;
  for (size_t i = 0; i < kCellsMax; ++i) indexes.insert(cells.Allocate()->index);
  EXPECT_EQ(indexes.size(), kCellsMax);
  EXPECT_EQ(cells.Allocate().status().code(), absl::StatusCode::kResourceExhausted);
}

// Run under the thread sanitizer: counting, summing and growing at the same time.
TEST(CellsTest, WorkersCountWhileOthersSumAndGrow) {
  EndpointCells cells(2);
  const CellRef ref = *cells.Allocate();
  const auto work = [&](size_t worker) {
    for (int i = 0; i < 20'000; ++i) {
      cells.worker(worker).StartTry(ref);
      cells.worker(worker).CountOutcome(ref, TryOutcome::kResponse, absl::Microseconds(5));
      cells.worker(worker).EndTry(ref);
    }
  };
  std::thread a(work, 0);
  std::thread b(work, 1);
  for (int i = 0; i < 1000; ++i) {
    cells.PublishSums(absl::Milliseconds(1));
    (void)cells.Totals(ref);
    ASSERT_TRUE(cells.Allocate().ok());
  }
  a.join();
  b.join();
  EXPECT_EQ(cells.Totals(ref).requests, 40'000u);
  EXPECT_EQ(cells.Totals(ref).in_flight, 0u);
}

}  // namespace
}  // namespace pointsman::gateway
