#include "common/core/micros.h"

#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

TEST(MicrosTest, CountsWholeMicroseconds) {
  EXPECT_EQ(Micros(absl::Milliseconds(3)).count(), 3'000);
  EXPECT_EQ(Micros(absl::Nanoseconds(1'999)).count(), 1);
  EXPECT_EQ(absl::Duration(Micros(absl::Seconds(2))), absl::Seconds(2));
  EXPECT_TRUE(Micros(absl::Seconds(2)) == absl::Seconds(2));
  EXPECT_FALSE(Micros(absl::Seconds(2)) == Micros(absl::Seconds(3)));
}

TEST(MicrosTest, WhatIsInfiniteStaysSo) {
  EXPECT_EQ(Micros(absl::InfiniteDuration()), Micros::Infinite());
  EXPECT_EQ(absl::Duration(Micros::Infinite()), absl::InfiniteDuration());
  EXPECT_LT(Micros(absl::Hours(1'000'000)), Micros::Infinite());
}

TEST(MicrosTest, AddsToTimesAsDurationsDo) {
  const MonotonicTime t = MonotonicTime::FromMicros(500);
  for (const absl::Duration d : {absl::ZeroDuration(), absl::Microseconds(7), -absl::Seconds(1),
                                 absl::Hours(24), absl::InfiniteDuration()}) {
    EXPECT_EQ(t + Micros(d), t + d) << d;
  }
  EXPECT_EQ(MonotonicTime::Infinite() + Micros(absl::Microseconds(1)), MonotonicTime::Infinite());
}

}  // namespace
}  // namespace pointsman::common
