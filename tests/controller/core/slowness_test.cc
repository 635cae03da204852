#include "controller/core/slowness.h"

#include <cmath>
#include <deque>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

using common::LatencyHistogram;
using common::MonotonicTime;

// An endpoint whose answers take an exponential time, looked at each second.
class SlownessTest : public ::testing::Test {
 protected:
  // Seconds until it is slow by a mean of `millis`; 0: it was not within `seconds`.
  int SecondsToSlow(double millis, int seconds, int answers = 10, double others_share = 0) {
    for (int second = 1; second <= seconds; ++second) {
      Second(millis, answers, others_share);
      if (slowness_.slow()) return second;
    }
    return 0;
  }
  void Second(double millis, int answers = 10, double others_share = 0) {
    now_ = now_ + absl::Seconds(1);
    const LatencyHistogram histogram = Answers(millis, answers);
    const SlowCounts counts = slowness_.Observe(histogram.counts());
    recent_.push_back(histogram);
    if (recent_.size() > 7) {
      slowness_.Learn(recent_.front().counts(), slowness_.slow(), now_);
      recent_.pop_front();
    }
    if (counts.slow > 0 || slowness_.suspected()) slowness_.Suspect(counts, others_share, now_);
  }
  LatencyHistogram Answers(double millis, int answers) {
    LatencyHistogram histogram;
    std::exponential_distribution<double> exponential(1 / millis);
    for (int i = 0; i < answers; ++i) histogram.Add(absl::Milliseconds(exponential(random_)));
    return histogram;
  }
  void LearnUsual(double millis) { EXPECT_EQ(SecondsToSlow(millis, 300), 0); }

  Slowness slowness_;
  std::deque<LatencyHistogram> recent_;  // Not learned yet.
  std::mt19937_64 random_{7};
  MonotonicTime now_ = MonotonicTime::FromMicros(1'000'000);
};

TEST_F(SlownessTest, KnowsNothingBeforeItHasSeenWhatIsUsual) {
  EXPECT_EQ(slowness_.limit(), absl::InfiniteDuration());
  EXPECT_EQ(SecondsToSlow(10, 16), 0);
  EXPECT_EQ(slowness_.limit(), absl::InfiniteDuration());
  EXPECT_EQ(SecondsToSlow(10, 3), 0);
  EXPECT_LT(slowness_.limit(), absl::Seconds(1));
}

TEST_F(SlownessTest, LimitIsAboveNearlyAllThatIsUsualAndFarAboveTheMedian) {
  LearnUsual(10);
  EXPECT_GE(slowness_.limit(), absl::Milliseconds(20)) << "median 6.9 ms";
  EXPECT_LE(slowness_.limit(), absl::Milliseconds(66)) << "one of 20 takes 30 ms and more";
}

TEST_F(SlownessTest, FiveTimesSlowerIsSeenInSeconds) {
  for (int seed = 1; seed <= 50; ++seed) {
    slowness_ = Slowness();
    recent_.clear();
    random_.seed(seed);
    LearnUsual(10);
    const int seconds = SecondsToSlow(50, 60);
    EXPECT_GE(seconds, 3) << "one bad second is no fault that lasts";
    EXPECT_LE(seconds, 7) << seed;
  }
}

TEST_F(SlownessTest, AMoreLoadedHalfAgainSlowerEndpointIsNot) {
  LearnUsual(10);
  EXPECT_EQ(SecondsToSlow(15, 120), 0);
}

TEST_F(SlownessTest, WhatAllWaitForIsNobodysFault) {
  LearnUsual(10);
  EXPECT_EQ(SecondsToSlow(50, 60, 10, /*others_share=*/0.4), 0);
}

TEST_F(SlownessTest, EndsWhenAnswersAreUsualAgain) {
  LearnUsual(10);
  ASSERT_GT(SecondsToSlow(50, 20), 0);
  for (int i = 0; i < 60; ++i) Second(50);
  ASSERT_TRUE(slowness_.slow());
  int seconds = 0;
  while (slowness_.slow() && seconds < 60) {
    Second(10);
    ++seconds;
  }
  EXPECT_GE(seconds, 2);
  EXPECT_LE(seconds, 10) << "however long it was slow";
}

TEST_F(SlownessTest, WhatLastsBecomesUsual) {
  LearnUsual(10);
  ASSERT_GT(SecondsToSlow(50, 20), 0);
  for (int i = 0; i < 60; ++i) Second(50);
  EXPECT_TRUE(slowness_.slow()) << "a minute";
  for (int i = 0; i < 1800; ++i) Second(50);
  EXPECT_FALSE(slowness_.slow()) << "half an hour";
}

TEST_F(SlownessTest, WhatIsSlowAgainAndAgainIsSoForLonger) {
  LearnUsual(10);
  std::vector<int> held;
  for (int time = 0; time < 4; ++time) {
    ASSERT_GT(SecondsToSlow(50, 20), 0);
    int seconds = 0;
    for (; slowness_.slow() && seconds < 100; ++seconds) Second(10);
    held.push_back(seconds);
  }
  EXPECT_LE(held[0], 10);
  EXPECT_GE(held[3], 3 * held[0]);
}

// What others see of it: an endpoint whose answers got slower by less than makes them slow.
TEST_F(SlownessTest, OthersSeeWhatIsNearlySlow) {
  const auto share = [this](double millis) {
    const SlowCounts counts = slowness_.Observe(Answers(millis, 1000).counts());
    return counts.nearly / counts.all;
  };
  EXPECT_EQ(slowness_.Observe(Answers(10, 1000).counts()).all, 0) << "nothing is usual yet";
  LearnUsual(10);
  EXPECT_NEAR(share(10), 0, 0.05);
  EXPECT_GT(share(25), 0.3);
  EXPECT_LT(share(2), 0) << "faster than usual";
}

TEST_F(SlownessTest, WhatWasUsualLongAgoEndsIt) {
  LearnUsual(10);
  ASSERT_GT(SecondsToSlow(50, 20), 0);
  now_ = now_ + absl::Hours(3);
  recent_.clear();
  for (int i = 0; i < 10; ++i) Second(50);
  EXPECT_FALSE(slowness_.slow());
}

TEST_F(SlownessTest, ForgettingKeepsWhatIsUsual) {
  LearnUsual(10);
  const absl::Duration limit = slowness_.limit();
  ASSERT_GT(SecondsToSlow(50, 20), 0);
  slowness_.Forget();
  EXPECT_FALSE(slowness_.slow());
  EXPECT_LE(slowness_.limit(), 2 * limit);
  EXPECT_GT(SecondsToSlow(50, 20), 0);
}

TEST_F(SlownessTest, HostileCountsDoNotBreakIt) {
  const std::vector<uint32_t> most(LatencyHistogram::kBuckets + 5, UINT32_MAX);
  for (int i = 0; i < 1000; ++i) {
    now_ = now_ + absl::Seconds(1);
    slowness_.Suspect(slowness_.Observe(most), 0, now_);
    slowness_.Learn(most, false, now_);
  }
  EXPECT_TRUE(std::isfinite(slowness_.Nats(now_)));
}

}  // namespace
}  // namespace pointsman::controller
