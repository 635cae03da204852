#include "gateway/core/concurrency_limit.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Bounds = ConcurrencyLimit::Bounds;

constexpr absl::Duration kUsual = absl::Milliseconds(10);

class ConcurrencyLimitTest : public ::testing::Test {
 protected:
  // A sample `after` the one before, with the whole limit used.
  void Sample(absl::Duration rtt, absl::Duration after) { SampleOf(rtt, after, limit()); }
  void SampleOf(absl::Duration rtt, absl::Duration after, uint32_t in_flight) {
    now_ = now_ + after;
    limit_.OnSample(rtt, in_flight, bounds_, now_);
  }
  // `count` shortest windows: 11 samples in 100 ms, so that the next begins anew.
  void Windows(int count, absl::Duration rtt) {
    for (int i = 0; i < count; ++i) WindowOf(rtt, limit());
  }
  void WindowOf(absl::Duration rtt, uint32_t in_flight) {
    for (int i = 0; i < 11; ++i) SampleOf(rtt, absl::Milliseconds(10), in_flight);
  }
  uint32_t limit() const { return limit_.limit(bounds_); }

  Bounds bounds_{.least = 20, .most = 1000};
  ConcurrencyLimit limit_;
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
};

TEST_F(ConcurrencyLimitTest, BeginsAtTheLeast) {
  EXPECT_EQ(limit(), 20u);
  EXPECT_EQ(limit_.limit({.least = 7, .most = 9}), 7u);
}

TEST_F(ConcurrencyLimitTest, GrowsByAFifthOfFourInAWindow) {
  Windows(5, kUsual);
  EXPECT_EQ(limit(), 24u);
  Windows(4, kUsual);
  EXPECT_EQ(limit(), 27u) << "27.2";
  Windows(1, kUsual);
  EXPECT_EQ(limit(), 28u);
}

TEST_F(ConcurrencyLimitTest, AWindowHasTenSamples) {
  bounds_.least = 1;
  for (int i = 0; i < 9; ++i) SampleOf(kUsual, absl::Milliseconds(200), 1);
  EXPECT_EQ(limit_.limit({.least = 1, .most = 2}), 1u);
  for (int i = 0; i < 11; ++i) SampleOf(kUsual, absl::Milliseconds(200), 1);
  EXPECT_EQ(limit(), 2u) << "1 + 0.8 + 0.8";
}

TEST_F(ConcurrencyLimitTest, AWindowHasAHundredMilliseconds) {
  // Asked for with a lower least than it had when it grew: one window's 0.8 show.
  const Bounds asked{.least = 20, .most = 1000};
  bounds_.least = 21;
  for (int i = 0; i < 1000; ++i) Sample(kUsual, absl::Microseconds(99));
  Sample(kUsual, absl::Microseconds(100'000 - 999 * 99 - 1));
  EXPECT_EQ(limit_.limit(asked), 20u) << "99.999 ms";
  Sample(kUsual, absl::Microseconds(1));
  EXPECT_EQ(limit_.limit(asked), 21u) << "21.8";
}

TEST_F(ConcurrencyLimitTest, AWindowThatTookTooLongIsDropped) {
  for (int i = 0; i < 9; ++i) Sample(absl::Seconds(0.1), absl::Seconds(1.2));
  // 8 windows of the first's length would be enough to grow by more than 4.
  for (int i = 0; i < 8 * 9; ++i) Sample(absl::Seconds(0.1), absl::Seconds(1.2));
  EXPECT_EQ(limit(), 20u) << "ten samples take 10.8 s";
  for (int i = 0; i < 8 * 10; ++i) Sample(absl::Seconds(0.1), absl::Seconds(1.1));
  EXPECT_GE(limit(), 25u) << "ten samples take 9.9 s";
}

TEST_F(ConcurrencyLimitTest, ASlowServiceThatTakesOneAtATimeFillsItsWindows) {
  bounds_.least = 1;
  for (int i = 0; i < 2 * 10; ++i) SampleOf(absl::Seconds(60), absl::Seconds(60), 1);
  EXPECT_EQ(limit(), 2u);
  for (int i = 0; i < 2 * 10; ++i) SampleOf(absl::Seconds(60), absl::Seconds(140), 2);
  EXPECT_EQ(limit(), 2u) << "it was idle for more than half of the time";
}

TEST_F(ConcurrencyLimitTest, TimesUpToHalfLongerThanUsualAreBorne) {
  Windows(101, kUsual);
  ASSERT_EQ(limit(), 100u);
  Windows(5, 1.49 * kUsual);
  EXPECT_EQ(limit(), 104u);
}

TEST_F(ConcurrencyLimitTest, LongerTimesShrinkItAndNeverByMoreThanATenthInAWindow) {
  Windows(101, kUsual);
  ASSERT_EQ(limit(), 100u);
  // The long time is 1.00332, the gradient 0.75249: 100.8 - 0.2 (24.95 - 4).
  Windows(1, 2 * kUsual);
  EXPECT_EQ(limit(), 96u) << "96.61";
  // The gradient ends at a half.
  Windows(1, 1000 * kUsual);
  EXPECT_EQ(limit(), 87u) << "96.61 * 0.9 + 0.8";
}

TEST_F(ConcurrencyLimitTest, AnOutlierInTheWarmUpIsOneOfTheTen) {
  Windows(1, 10 * kUsual);
  Windows(9, kUsual);
  ASSERT_EQ(limit(), 28u);
  // The long time is 1.9 times the usual: 2.8 times it is borne, 4 times it is not.
  Windows(6, 2.8 * kUsual);
  EXPECT_EQ(limit(), 32u);
  Windows(1, 4 * kUsual);
  EXPECT_EQ(limit(), 31u);
}

TEST_F(ConcurrencyLimitTest, TheLongTimeFollowsQuicklyWhenALoadIsOver) {
  Windows(10, 10 * kUsual);
  // 0.95 for each window: from ten times to twice the usual in 32 or fewer, then as an average.
  Windows(32, kUsual);
  bounds_.least = bounds_.most = 100;
  Windows(1, kUsual);
  bounds_.least = 20;
  Windows(1, 3.5 * kUsual);
  EXPECT_LT(limit(), 100u) << "no more than twice the usual was remembered";
}

TEST_F(ConcurrencyLimitTest, ALimitThatIsNotUsedDoesNotChange) {
  Windows(101, kUsual);
  ASSERT_EQ(limit(), 100u);
  for (int i = 0; i < 100; ++i) WindowOf(kUsual, 49);
  EXPECT_EQ(limit(), 100u) << "it does not grow";
  for (int i = 0; i < 10; ++i) WindowOf(3 * kUsual, 49);
  EXPECT_EQ(limit(), 100u) << "nor shrink: what takes so long is not this load";
  WindowOf(3 * kUsual, 51);
  EXPECT_LT(limit(), 100u);
}

TEST_F(ConcurrencyLimitTest, AWindowUsedAsMuchAsItsHighest) {
  SampleOf(kUsual, absl::Milliseconds(10), 10);
  for (int i = 0; i < 10; ++i) SampleOf(kUsual, absl::Milliseconds(10), 0);
  for (int i = 0; i < 11; ++i) SampleOf(kUsual, absl::Milliseconds(10), i == 5 ? 11 : 0);
  EXPECT_EQ(limit(), 21u) << "20 + 0.8 + 0.8";
  for (int i = 0; i < 110; ++i) SampleOf(kUsual, absl::Milliseconds(10), 10);
  EXPECT_EQ(limit(), 21u) << "a window does not inherit it";
}

TEST_F(ConcurrencyLimitTest, IsWithinTheBoundsAsTheyAreNow) {
  Windows(101, kUsual);
  ASSERT_EQ(limit(), 100u);
  EXPECT_EQ(limit_.limit({.least = 1, .most = 50}), 50u);
  EXPECT_EQ(limit_.limit({.least = 200, .most = 300}), 200u);
  EXPECT_EQ(limit(), 100u) << "asking changes nothing";
  bounds_ = {.least = 1, .most = 50};
  Windows(3, kUsual);
  EXPECT_EQ(limit(), 50u);
  bounds_.most = 1000;
  EXPECT_EQ(limit(), 50u) << "it begins where it was held";
  Windows(6, kUsual);
  EXPECT_EQ(limit(), 54u);
  bounds_.least = 200;
  Windows(6, kUsual);
  EXPECT_EQ(limit(), 204u);
}

TEST_F(ConcurrencyLimitTest, BoundsWithoutSenseLetSomethingThrough) {
  EXPECT_EQ(limit_.limit({.least = 0, .most = 0}), 1u);
  EXPECT_EQ(limit_.limit({.least = 30, .most = 20}), 30u);
  bounds_ = {.least = 0, .most = 0};
  Windows(3, kUsual);
  EXPECT_EQ(limit(), 1u);
}

TEST_F(ConcurrencyLimitTest, TheLeastIsNeverUndercut) {
  Windows(50, kUsual);
  uint32_t lowest = limit();
  absl::Duration rtt = kUsual;
  for (int i = 0; i < 500; ++i) {
    rtt = std::min(rtt * 1.1, absl::Hours(2));
    Windows(1, rtt);
    lowest = std::min(lowest, limit());
  }
  EXPECT_EQ(lowest, 20u);
}

TEST_F(ConcurrencyLimitTest, TimesThatAreNoneAreTheShortest) {
  for (const absl::Duration rtt :
       {absl::ZeroDuration(), absl::Seconds(-1), -absl::InfiniteDuration(), absl::Microseconds(1),
        ConcurrencyLimit::kTimeLeast}) {
    Windows(5, rtt);
  }
  Windows(1, kUsual / 100);
  EXPECT_EQ(limit(), 40u) << "40.8";
}

TEST_F(ConcurrencyLimitTest, AnInfiniteTimeIsALongOne) {
  Windows(26, kUsual);
  ASSERT_EQ(limit(), 40u);
  Windows(1, absl::InfiniteDuration());
  EXPECT_EQ(limit(), 37u) << "40.8 * 0.9 + 0.8";
  // An hour's share of the long time is 12 s; that is decayed soon.
  Windows(300, kUsual);
  EXPECT_GT(limit(), 200u);
}

// A server that takes `base` for up to `capacity` requests at once, and as much longer as there are
// more; there are always `demand` requests, of which the limit lets some through.
class ConcurrencyLimitSimulation : public ::testing::Test {
 protected:
  void Run(absl::Duration time) {
    const common::MonotonicTime end = now_ + time;
    while (now_ < end) {
      const uint32_t in_flight = std::min(limit(), demand_);
      const absl::Duration rtt = base_ * std::max(1.0, in_flight / capacity_);
      now_ = now_ + std::max(rtt / in_flight, absl::Microseconds(1));
      limit_.OnSample(rtt, in_flight, bounds_, now_);
    }
  }
  uint32_t limit() const { return limit_.limit(bounds_); }

  double capacity_ = 100;
  absl::Duration base_ = kUsual;
  uint32_t demand_ = 1'000'000;
  Bounds bounds_{.least = 1, .most = 1000};
  ConcurrencyLimit limit_;
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
};

// The band: C to 1.5 C + 4, times what the long time has risen by meanwhile.
TEST_F(ConcurrencyLimitSimulation, SettlesNearTheCapacityFromBelow) {
  Run(absl::Seconds(12));
  EXPECT_LT(limit(), 100u);
  Run(absl::Seconds(1));
  EXPECT_GE(limit(), 100u) << "8 a second";
  Run(absl::Seconds(7));
  EXPECT_LE(limit(), 160u);
  Run(absl::Seconds(5));
  EXPECT_GE(limit(), 154u);
  EXPECT_LE(limit(), 1.2 * 154);
}

TEST_F(ConcurrencyLimitSimulation, SettlesNearTheCapacityFromAbove) {
  capacity_ = 400;
  Run(absl::Seconds(50));
  ASSERT_GE(limit(), 395u);
  capacity_ = 100;
  Run(absl::Seconds(2));
  EXPECT_GE(limit(), 154u);
  EXPECT_LE(limit(), 1.1 * 154);
  Run(absl::Seconds(5));
  EXPECT_GE(limit(), 154u);
  EXPECT_LE(limit(), 1.2 * 154);
}

TEST_F(ConcurrencyLimitSimulation, DoesNotGrowWhenTheLoadIsLow) {
  demand_ = 20;
  Run(absl::Minutes(10));
  EXPECT_GE(limit(), 40u);
  EXPECT_LE(limit(), 41u) << "twice what is used, and no more";
}

TEST_F(ConcurrencyLimitSimulation, AServiceThatBecameSlowerIsSqueezedAndThenGivenBackWhatItHad) {
  capacity_ = 1e6;
  bounds_.most = 200;
  Run(absl::Minutes(1));
  ASSERT_EQ(limit(), 200u);
  base_ = 2 * kUsual;
  Run(absl::Seconds(7));
  EXPECT_GE(limit(), 16u) << "4 / (1 - 0.75) if nothing were learned";
  EXPECT_LE(limit(), 50u);
  // The long time is two thirds of the new one after 300 ln 1.5 windows, 12 s.
  Run(absl::Seconds(6));
  const uint32_t before = limit();
  Run(absl::Seconds(5));
  EXPECT_NEAR(limit(), before + 40, 2) << "it grows as ever";
  Run(absl::Seconds(20));
  EXPECT_EQ(limit(), 200u);
}

TEST_F(ConcurrencyLimitSimulation, TimesThatBecomeUsualAgainDoNotHoldItBack) {
  capacity_ = 1e6;
  bounds_.most = 200;
  Run(absl::Minutes(1));
  base_ = 10 * kUsual;
  Run(absl::Seconds(10));
  ASSERT_LE(limit(), 9u) << "4 / (1 - 0.5)";
  base_ = kUsual;
  Run(absl::Seconds(10));
  EXPECT_GE(limit(), 80u) << "8 a second";
}

// The weakness of the method, which the bounds are for: who is told a time long enough believes it.
TEST_F(ConcurrencyLimitSimulation, AnOverloadThatLastsIsTakenForNormal) {
  Run(absl::Seconds(25));
  const double settled = limit();
  Run(absl::Minutes(1));
  EXPECT_NEAR(limit() / settled, 2.7, 0.1) << "e-fold in 600 windows";
  Run(absl::Minutes(2));
  EXPECT_EQ(limit(), 1000u) << "never above the most";
}

TEST_F(ConcurrencyLimitSimulation, ALeastAboveTheCapacityIsTakenForNormalAtOnce) {
  bounds_.least = 300;
  Run(absl::Seconds(10));
  EXPECT_GT(limit(), 300u);
}

}  // namespace
}  // namespace pointsman::gateway
