#include "gateway/core/observe_schedule.h"

#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using common::MonotonicTime;

const MonotonicTime kStart = MonotonicTime::FromMicros(1'000'000);

TEST(ObserveScheduleTest, TellsEachInterval) {
  ObserveSchedule schedule(absl::Seconds(1), kStart);
  EXPECT_FALSE(schedule.Due(0, kStart - absl::Milliseconds(1)));
  EXPECT_TRUE(schedule.Due(0, kStart));
  schedule.Done(0, true, kStart);
  EXPECT_EQ(schedule.next(), kStart + absl::Seconds(1));
  EXPECT_FALSE(schedule.Due(0, kStart + absl::Milliseconds(999)));
  EXPECT_TRUE(schedule.Due(0, kStart + absl::Seconds(1)));
}

TEST(ObserveScheduleTest, ANewFaultIsToldInDetailAndOneThatStaysSeldom) {
  ObserveSchedule schedule(absl::Seconds(1), kStart);
  schedule.Done(0, true, kStart);
  uint64_t failures = 0;
  std::vector<int> told;
  // A try fails each millisecond for 11 s.
  for (int ms = 500; ms < 11'500; ++ms) {
    const MonotonicTime now = kStart + absl::Milliseconds(ms);
    if (!schedule.Due(++failures, now)) continue;
    told.push_back(ms);
    schedule.Done(failures, true, now);
  }
  ASSERT_GE(told.size(), 10u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(told[static_cast<size_t>(i)], 500 + 100 * i);
  const auto late = [&](int from, int to) {
    int count = 0;
    for (const int ms : told) count += ms >= from && ms < to ? 1 : 0;
    return count;
  };
  EXPECT_LE(late(2000, 11'500), 20) << "two a second";
  EXPECT_GE(late(2000, 11'500), 9) << "and never less than one";
  // Quiet intervals, and there is a burst again.
  MonotonicTime now = kStart + absl::Seconds(12);
  for (int i = 0; i < 10; ++i) schedule.Done(failures, true, now = now + absl::Seconds(1));
  for (int i = 0; i < 10; ++i) {
    now = now + absl::Milliseconds(100);
    ASSERT_TRUE(schedule.Due(++failures, now)) << i;
    schedule.Done(failures, true, now);
  }
  EXPECT_FALSE(schedule.Due(++failures, now + absl::Milliseconds(99)));
}

TEST(ObserveScheduleTest, WhatCouldNotBeToldIsStillDue) {
  ObserveSchedule schedule(absl::Seconds(1), kStart);
  schedule.Done(0, true, kStart);
  const MonotonicTime now = kStart + absl::Milliseconds(100);
  EXPECT_TRUE(schedule.Due(1, now));
  schedule.Done(1, false, now);
  EXPECT_TRUE(schedule.Due(1, now + absl::Milliseconds(1)));
}

}  // namespace
}  // namespace pointsman::gateway
