#include "common/core/ewma.h"

#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

TEST(EwmaTest, HalvesTheOldShareEveryHalfLife) {
  Ewma average;
  EXPECT_TRUE(average.empty());
  MonotonicTime now = MonotonicTime::FromMicros(1);
  average.Add(8, now, absl::Seconds(1));
  EXPECT_EQ(average.value(), 8);
  now = now + absl::Seconds(1);
  average.Add(0, now, absl::Seconds(1));
  EXPECT_DOUBLE_EQ(average.value(), 4);
  EXPECT_EQ(average.last(), now);
}

TEST(EwmaTest, DecayIsOneAtZeroAndNeverNegative) {
  EXPECT_EQ(HalfLifeDecay(absl::ZeroDuration(), absl::Seconds(1)), 1);
  EXPECT_EQ(HalfLifeDecay(absl::Seconds(-3), absl::Seconds(1)), 1);
  EXPECT_EQ(HalfLifeDecay(absl::Seconds(2), absl::Seconds(1)), 0.25);
  EXPECT_GE(HalfLifeDecay(absl::Hours(100), absl::Seconds(1)), 0);
}

}  // namespace
}  // namespace pointsman::common
