#include "gateway/core/cells.h"

#include <atomic>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <thread>
#include <vector>

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

TEST(CellsTest, AWorkersOwnCountsAreItsAlone) {
  EndpointCells cells(2);
  const CellRef ref = *cells.Allocate();
  WorkerCells& worker = cells.worker(0);
  for (const TryOutcome outcome :
       {TryOutcome::kConnectFailure, TryOutcome::kConnectTimeout, TryOutcome::kReset,
        TryOutcome::kTimeout, TryOutcome::kDeadline, TryOutcome::kAbandoned}) {
    worker.CountOutcome(ref, outcome, absl::Microseconds(-1));
  }
  worker.CountOutcome(ref, TryOutcome::kServerError, absl::Microseconds(100));
  worker.CountOutcome(ref, TryOutcome::kResponse, absl::Microseconds(50));
  cells.worker(1).CountOutcome(ref, TryOutcome::kServerError, absl::Microseconds(100));
  const OwnCounts own = worker.Own(ref);
  EXPECT_EQ(own.tries, 7u);
  EXPECT_EQ(worker.OwnTries(ref), 7u);
  EXPECT_EQ(own.unanswered, 5u);
  EXPECT_EQ(own.server_errors, 1u);
  EXPECT_EQ(own.latency_sum_micros, 150);
  EXPECT_EQ(own.latency_buckets[0], 1u);
  EXPECT_EQ(own.latency_buckets[1], 1u);
}

TEST(CellsTest, TheShareThatFailsIsOfOneWorkerAndOfOneEndpoint) {
  EndpointCells cells(2);
  const auto now = common::MonotonicTime::FromMicros(1'000'000);
  const CellRef ref = *cells.Allocate();
  const CellRef other = *cells.Allocate();
  cells.worker(0).CountFailing(ref, true, now);
  const uint32_t one = cells.worker(0).Failing(ref, now);
  EXPECT_EQ(one, FailingShare().After(true, now).At(now));
  EXPECT_EQ(cells.worker(0).Failing(other, now), 0u);
  EXPECT_EQ(cells.worker(1).Failing(ref, now), 0u);
  cells.worker(0).CountFailing(ref, false, now);
  EXPECT_LT(cells.worker(0).Failing(ref, now), one);
  EXPECT_EQ(cells.worker(0).Failing(ref, now + FailingShare::kForgotten), 0u);
  cells.Retire(ref);
  cells.Recycle();
  const CellRef next = *cells.Allocate();
  ASSERT_EQ(next.index, ref.index);
  EXPECT_EQ(cells.worker(0).Failing(next, now), 0u) << "another endpoint has its own";
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

// Tries of several workers, one limit.
class LeaseTest : public ::testing::Test {
 protected:
  void Use(size_t workers) {
    cells_ = std::make_unique<EndpointCells>(workers);
    ref_ = *cells_->Allocate();
    running_.assign(workers, 0);
  }
  bool Start(size_t worker, uint32_t limit) {
    const bool at_limit = cells_->worker(worker).AtLimit(ref_, limit);
    const bool started = cells_->worker(worker).StartTry(ref_, limit);
    EXPECT_EQ(started, !at_limit) << "AtLimit() tells what StartTry() will say";
    running_[worker] += started ? 1 : 0;
    return started;
  }
  void End(size_t worker) {
    cells_->worker(worker).EndTry(ref_);
    --running_[worker];
  }
  uint32_t running() const { return std::accumulate(running_.begin(), running_.end(), 0u); }
  // Starts and ends by chance; the most and the fewest that ran when a worker was refused.
  struct Refused {
    uint32_t fewest = UINT32_MAX;
    uint32_t most_running = 0;
  };
  Refused Churn(uint32_t limit, int steps) {
    Refused seen;
    std::mt19937_64 random(7);
    for (int i = 0; i < steps; ++i) {
      const size_t worker = random() % running_.size();
      // More starts than ends, until a limit stops them.
      if (random() % 5 < 3) {
        if (!Start(worker, limit)) seen.fewest = std::min(seen.fewest, running());
      } else if (running_[worker] > 0) {
        End(worker);
      }
      seen.most_running = std::max(seen.most_running, running());
    }
    return seen;
  }

  std::unique_ptr<EndpointCells> cells_;
  CellRef ref_;
  std::vector<uint32_t> running_;
};

TEST_F(LeaseTest, SmallLimitsAreExact) {
  Use(4);
  const Refused seen = Churn(10, 20'000);
  EXPECT_EQ(seen.most_running, 10u);
  EXPECT_EQ(seen.fewest, 10u) << "nothing of the limit lies with a worker that does not use it";
}

TEST_F(LeaseTest, OneWorkersLimitIsExact) {
  Use(1);
  const Refused seen = Churn(1000, 20'000);
  EXPECT_EQ(seen.most_running, 1000u);
  EXPECT_EQ(seen.fewest, 1000u);
}

TEST_F(LeaseTest, LargeLimitsAreNeverExceededAndNearlyUsed) {
  Use(4);
  const Refused seen = Churn(1024, 200'000);
  EXPECT_LE(seen.most_running, 1024u);
  EXPECT_GE(seen.fewest, 1024u * 7 / 8);
}

TEST_F(LeaseTest, OneWorkerGetsWhatTheOthersGaveBack) {
  Use(2);
  for (int i = 0; i < 1024; ++i) ASSERT_TRUE(Start(0, 1024));
  EXPECT_FALSE(Start(1, 1024));
  for (int i = 0; i < 1024; ++i) End(0);
  uint32_t started = 0;
  while (Start(1, 1024)) ++started;
  EXPECT_GE(started, 1024u * 7 / 8);
}

TEST_F(LeaseTest, LowerLimitHoldsOnceWhatIsBeyondHasEnded) {
  Use(2);
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(Start(i % 2, 1024));
  EXPECT_FALSE(Start(0, 10));
  EXPECT_FALSE(Start(1, 10));
  for (int i = 0; i < 391; ++i) End(i % 2);
  ASSERT_EQ(running(), 9u);
  EXPECT_TRUE(Start(0, 10));
  EXPECT_FALSE(Start(1, 10));
  EXPECT_TRUE(Start(1, 1024)) << "and a higher one at once";
}

TEST_F(LeaseTest, WhatLiesIdleOfAHigherLimitBlocksNoLowerOne) {
  Use(1);
  ASSERT_TRUE(Start(0, 1024));
  End(0);
  EXPECT_FALSE(cells_->worker(0).AtLimit(ref_, 50)) << "its own goes back when it starts";
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(Start(0, 50));
  EXPECT_FALSE(Start(0, 50));

  Use(4);
  for (size_t worker = 0; worker < 4; ++worker) {
    ASSERT_TRUE(Start(worker, 16'384));
    End(worker);
  }
  // As a worker does that takes a table with another limit.
  for (size_t worker = 0; worker < 4; ++worker) cells_->worker(worker).SetLimit(ref_, 100);
  for (int i = 0; i < 98; ++i) ASSERT_TRUE(Start(2, 100)) << i;
}

TEST_F(LeaseTest, NothingOfTheLastOwnersLeaseIsLeft) {
  Use(2);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Start(0, 1024));
  for (int i = 0; i < 100; ++i) End(0);
  cells_->Retire(ref_);
  ASSERT_EQ(cells_->Recycle(), 1u);
  ref_ = *cells_->Allocate();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Start(1, 3));
  EXPECT_FALSE(Start(0, 3));
}

// Run under the thread sanitizer too.
TEST_F(LeaseTest, ThreadsTogetherStayWithinTheLimit) {
  for (const uint32_t limit : {3u, 100u}) {
    Use(2);
    std::atomic<uint32_t> running{0};
    std::atomic<bool> exceeded{false};
    const auto work = [&](size_t worker) {
      WorkerCells& cells = cells_->worker(worker);
      for (int round = 0; round < 2'000; ++round) {
        uint32_t own = 0;
        while (own < limit && cells.StartTry(ref_, limit)) {
          ++own;
          if (running.fetch_add(1) >= limit) exceeded = true;
        }
        for (; own > 0; --own) {
          running.fetch_sub(1);
          cells.EndTry(ref_);
        }
      }
    };
    std::thread a(work, 0);
    std::thread b(work, 1);
    a.join();
    b.join();
    EXPECT_FALSE(exceeded) << limit;
    EXPECT_EQ(cells_->Totals(ref_).in_flight, 0u);
  }
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
