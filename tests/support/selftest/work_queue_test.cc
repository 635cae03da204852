#include "tests/support/work_queue.h"

#include <gtest/gtest.h>

#include <random>

namespace pointsman::testing {
namespace {

using common::MonotonicTime;

const MonotonicTime kStart = MonotonicTime::FromMicros(1'000'000);

class WorkQueueTest : public ::testing::Test {
 protected:
  MonotonicTime At(double ms) const { return kStart + absl::Microseconds(ms * 1e3); }

  std::mt19937_64 random_{1};
  Behaviour behaviour_{.delay_ms = 10, .concurrency = 2};
  WorkQueue queue_{kStart};
};

TEST_F(WorkQueueTest, MakesRequestsBeyondItsSlotsWait) {
  const auto first = queue_.Enter(behaviour_, At(0), random_);
  const auto second = queue_.Enter(behaviour_, At(2), random_);
  const auto third = queue_.Enter(behaviour_, At(3), random_);
  EXPECT_EQ(queue_.in_flight(), 3u);
  EXPECT_EQ(queue_.NextEnd(), At(10));
  EXPECT_EQ(queue_.Finished(behaviour_, At(10), random_), std::vector{first});
  EXPECT_EQ(queue_.Finished(behaviour_, At(12), random_), std::vector{second});
  EXPECT_EQ(queue_.NextEnd(), At(20));
  EXPECT_EQ(queue_.Finished(behaviour_, At(20), random_), std::vector{third});
  EXPECT_EQ(queue_.NextEnd(), MonotonicTime::Infinite());
}

TEST_F(WorkQueueTest, GivesNoMoreThanAsked) {
  const auto first = queue_.Enter(behaviour_, At(0), random_);
  const auto second = queue_.Enter(behaviour_, At(0), random_);
  EXPECT_EQ(queue_.Finished(behaviour_, At(10), random_, 1), std::vector{first});
  EXPECT_EQ(queue_.NextEnd(), At(10));
  EXPECT_EQ(queue_.Finished(behaviour_, At(11), random_, 1), std::vector{second});
}

TEST_F(WorkQueueTest, GivesTheSlotOfAnAbandonedRequestToTheNext) {
  const auto first = queue_.Enter(behaviour_, At(0), random_);
  queue_.Enter(behaviour_, At(0), random_);
  queue_.Enter(behaviour_, At(0), random_);
  queue_.Abandon(first, behaviour_, At(5), random_);
  EXPECT_EQ(queue_.in_flight(), 2u);
  EXPECT_EQ(queue_.Finished(behaviour_, At(15), random_).size(), 2u);
}

TEST_F(WorkQueueTest, ReportsAveragesOverTheLastSecond) {
  // One request of 10 ms each 20 ms: half a slot of two, never a wait.
  for (int i = 0; i < 100; ++i) {
    queue_.Enter(behaviour_, At(20 * i), random_);
    queue_.Finished(behaviour_, At(20 * i + 10), random_);
  }
  const ServiceLoad load = queue_.Load(behaviour_, At(2000));
  EXPECT_NEAR(load.in_flight, 0.5, 0.02);
  EXPECT_NEAR(load.utilisation, 0.25, 0.01);
  EXPECT_EQ(load.queue_delay_seconds, 0);
}

TEST_F(WorkQueueTest, ReportsHowLongRequestsWaited) {
  behaviour_.concurrency = 1;
  queue_.Enter(behaviour_, At(0), random_);
  queue_.Enter(behaviour_, At(0), random_);
  queue_.Finished(behaviour_, At(10), random_);
  EXPECT_NEAR(queue_.Load(behaviour_, At(10)).queue_delay_seconds, 0.005, 1e-9);
}

}  // namespace
}  // namespace pointsman::testing
