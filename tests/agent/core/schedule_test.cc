#include "agent/core/schedule.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

using common::MonotonicTime;

TEST(ScheduleTest, SpreadsFirstRunsOverTheSpan) {
  std::mt19937_64 random(1);
  const MonotonicTime now = MonotonicTime::FromMicros(5'000'000);
  for (size_t i = 0; i < 10; ++i) {
    const absl::Duration after = FirstRun(now, absl::Seconds(1), i, 10, random) - now;
    EXPECT_GE(after, absl::Milliseconds(100) * static_cast<int>(i));
    EXPECT_LE(after, absl::Milliseconds(100) * static_cast<int>(i + 1));
  }
}

TEST(ScheduleTest, JitterStaysWithinATenthAndIsUsed) {
  std::mt19937_64 random(2);
  const MonotonicTime start = MonotonicTime::FromMicros(0);
  absl::Duration least = absl::InfiniteDuration();
  absl::Duration most;
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration after = NextRun(start, absl::Seconds(2), random) - start;
    least = std::min(least, after);
    most = std::max(most, after);
  }
  EXPECT_GE(least, absl::Milliseconds(1900));
  EXPECT_LT(least, absl::Milliseconds(1910));
  EXPECT_LE(most, absl::Milliseconds(2100));
  EXPECT_GT(most, absl::Milliseconds(2090));
}

}  // namespace
}  // namespace pointsman::agent
