#include "gateway/core/recent_percentile.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

constexpr absl::Duration kMicro = absl::Microseconds(1);
constexpr absl::Duration kWindow = RecentPercentile::kWindow;

class RecentPercentileTest : public ::testing::Test {
 protected:
  void Add(int count, absl::Duration time) {
    for (int i = 0; i < count; ++i) recent_.Add(time, now_);
  }
  absl::Duration At(double percentile) { return recent_.At(percentile, now_); }
  void Pass(absl::Duration time) { now_ = now_ + time; }
  // The answer for one time alone.
  static absl::Duration Alone(absl::Duration time) {
    RecentPercentile recent;
    for (int i = 0; i < 100; ++i) recent.Add(time, common::MonotonicTime::FromMicros(1));
    return recent.At(50, common::MonotonicTime::FromMicros(1));
  }

  RecentPercentile recent_;
  // A window begins.
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000'000);
};

TEST_F(RecentPercentileTest, KnowsNothingWithFewerThanAHundredSamples) {
  EXPECT_EQ(At(50), absl::InfiniteDuration());
  Add(99, absl::Milliseconds(1));
  EXPECT_EQ(At(50), absl::InfiniteDuration());
  Add(1, absl::Milliseconds(1));
  EXPECT_LT(At(50), absl::Milliseconds(1.07));
}

TEST_F(RecentPercentileTest, RankIsThatOfTheShareRoundedUp) {
  for (int i = 1; i <= 100; ++i) Add(1, i <= 31 ? i * kMicro : i * absl::Seconds(0.1));
  EXPECT_EQ(At(1), kMicro);
  EXPECT_EQ(At(30), 30 * kMicro);
  EXPECT_EQ(At(30.01), 31 * kMicro);
  EXPECT_EQ(At(31), 31 * kMicro);
  EXPECT_GT(At(31.01), absl::Seconds(3.2));
  EXPECT_GE(At(99), absl::Seconds(9.9));
  EXPECT_GE(At(100), absl::Seconds(10));
}

TEST_F(RecentPercentileTest, PercentilesOutOfRangeAreTheNearest) {
  Add(99, kMicro);
  Add(1, 20 * kMicro);
  EXPECT_EQ(At(0), kMicro);
  EXPECT_EQ(At(-5), kMicro);
  EXPECT_EQ(At(-std::numeric_limits<double>::infinity()), kMicro);
  EXPECT_EQ(At(101), 20 * kMicro);
  EXPECT_EQ(At(std::numeric_limits<double>::infinity()), 20 * kMicro);
  EXPECT_EQ(At(std::nan("")), 20 * kMicro);
}

TEST_F(RecentPercentileTest, AnswersAreNeverTooShortAndTooLongByASixteenthAtMost) {
  for (absl::Duration time = kMicro; time < RecentPercentile::kLongest;
       time = std::max(time + kMicro, absl::Floor(time * 1.01, kMicro))) {
    ASSERT_GE(Alone(time), time);
    ASSERT_LE(Alone(time), time + time / 16);
  }
}

TEST_F(RecentPercentileTest, BucketsMeetAtPowersOfTwo) {
  for (int bits = 5; bits < 26; ++bits) {
    const absl::Duration power = absl::Microseconds(int64_t{1} << bits);
    EXPECT_EQ(Alone(power - kMicro), power - kMicro);
    EXPECT_EQ(Alone(power), power + power / 16 - kMicro);
  }
}

TEST_F(RecentPercentileTest, TimesOutOfRangeAreTheNearest) {
  EXPECT_EQ(Alone(absl::ZeroDuration()), absl::ZeroDuration());
  EXPECT_EQ(Alone(absl::Seconds(-1)), absl::ZeroDuration());
  EXPECT_EQ(Alone(-absl::InfiniteDuration()), absl::ZeroDuration());
  EXPECT_EQ(Alone(absl::Nanoseconds(999)), absl::ZeroDuration());
  EXPECT_GT(RecentPercentile::kLongest, absl::Minutes(1));
  EXPECT_EQ(Alone(RecentPercentile::kLongest), RecentPercentile::kLongest);
  EXPECT_EQ(Alone(absl::Hours(1)), RecentPercentile::kLongest);
  EXPECT_EQ(Alone(absl::InfiniteDuration()), RecentPercentile::kLongest);
}

TEST_F(RecentPercentileTest, AgreesWithSortedSamples) {
  std::mt19937 random(1);
  std::lognormal_distribution<double> times(std::log(20'000.0), 1.5);
  std::vector<absl::Duration> sorted;
  for (int i = 0; i < 5000; ++i) {
    const absl::Duration time =
        std::min(absl::Microseconds(static_cast<int64_t>(times(random))), absl::Seconds(60));
    sorted.push_back(time);
    Add(1, time);
    Pass(3 * absl::Milliseconds(1));
  }
  std::sort(sorted.begin(), sorted.end());
  for (const double percentile : {1.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0}) {
    const auto rank = static_cast<size_t>(std::ceil(percentile * 5000 / 100));
    EXPECT_GE(At(percentile), sorted[rank - 1]);
    EXPECT_LE(At(percentile), sorted[rank - 1] * (17.0 / 16));
  }
}

TEST_F(RecentPercentileTest, CountsTheWindowThatRunsAndTheOneBefore) {
  Add(100, kMicro);
  Pass(kWindow);
  Add(100, 9 * kMicro);
  EXPECT_EQ(At(50), kMicro);
  EXPECT_EQ(At(51), 9 * kMicro);
  Pass(kWindow - kMicro);
  EXPECT_EQ(At(50), kMicro);
  Pass(kMicro);
  EXPECT_EQ(At(50), 9 * kMicro) << "the first is gone";
  Pass(kWindow - kMicro);
  EXPECT_EQ(At(50), 9 * kMicro);
  Pass(kMicro);
  EXPECT_EQ(At(50), absl::InfiniteDuration());
}

TEST_F(RecentPercentileTest, NothingIsLeftAfterASilence) {
  // Of an odd and an even number of windows: neither array may come back.
  for (const int windows : {2, 3, 4, 5, 100'000, 100'001}) {
    Add(100, kMicro);
    Pass(kWindow);
    Add(100, kMicro);
    ASSERT_EQ(At(50), kMicro);
    Pass(windows * kWindow);
    EXPECT_EQ(At(50), absl::InfiniteDuration()) << windows;
    Add(99, 9 * kMicro);
    EXPECT_EQ(At(50), absl::InfiniteDuration()) << windows;
    Add(1, 9 * kMicro);
    EXPECT_EQ(At(1), 9 * kMicro) << windows;
    Pass(2 * kWindow);
  }
}

TEST_F(RecentPercentileTest, SilenceBeforeASampleIsAsGoodAsBeforeAQuestion) {
  Add(100, kMicro);
  Pass(2 * kWindow);
  Add(100, 9 * kMicro);
  EXPECT_EQ(At(1), 9 * kMicro);
}

TEST_F(RecentPercentileTest, AnAnswerIsKeptForATenthOfASecond) {
  Add(100, kMicro);
  EXPECT_EQ(At(50), kMicro);
  Add(1000, 9 * kMicro);
  EXPECT_EQ(At(50), kMicro);
  EXPECT_EQ(At(60), 9 * kMicro) << "another one is not";
  EXPECT_EQ(At(50), 9 * kMicro);
  Add(10'000, 20 * kMicro);
  Pass(RecentPercentile::kAnswerKept - kMicro);
  EXPECT_EQ(At(50), 9 * kMicro);
  Pass(kMicro);
  EXPECT_EQ(At(50), 20 * kMicro);
}

TEST_F(RecentPercentileTest, NoAnswerIsNotKept) {
  Add(99, kMicro);
  EXPECT_EQ(At(50), absl::InfiniteDuration());
  Add(1, kMicro);
  EXPECT_EQ(At(50), kMicro);
}

TEST_F(RecentPercentileTest, AnAnswerDoesNotOutliveItsSamples) {
  Add(100, kMicro);
  Pass(2 * kWindow - kMicro);
  EXPECT_EQ(At(50), kMicro);
  Pass(kMicro);
  EXPECT_EQ(At(50), absl::InfiniteDuration());
}

TEST_F(RecentPercentileTest, TimeThatGoesBackCountsInTheWindowThatRuns) {
  Add(50, kMicro);
  recent_.Add(kMicro, now_ - kWindow);
  Add(49, kMicro);
  EXPECT_EQ(At(50), kMicro);
}

}  // namespace
}  // namespace pointsman::gateway
