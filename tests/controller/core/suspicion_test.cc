#include "controller/core/suspicion.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

const MonotonicTime kStart = MonotonicTime::FromMicros(1'000'000'000);

// Seconds until an alarm when so many tries a second fail with this probability while the others
// fail with theirs; 0: none within `most`.
int SecondsToAlarm(int rps, double share, double others, int most, uint64_t seed) {
  Suspicion suspicion;
  const SuspicionOdds odds = OddsOf(others);
  std::mt19937_64 random(seed);
  std::bernoulli_distribution fails(share);
  for (int second = 1; second <= most; ++second) {
    uint32_t failures = 0;
    for (int i = 0; i < rps; ++i) failures += fails(random) ? 1 : 0;
    const MonotonicTime now = kStart + absl::Seconds(second);
    suspicion.Add(static_cast<uint32_t>(rps), failures, odds, now);
    if (suspicion.Nats(now) >= kSuspicionAlarm) return second;
  }
  return 0;
}

TEST(SuspicionTest, OddsWeighTwoShares) {
  const SuspicionOdds odds = OddsOf(0.01);
  EXPECT_DOUBLE_EQ(odds.expected, 0.017);
  EXPECT_NEAR(odds.suspected, 0.017 + 0.2 * 0.983, 1e-12);
  EXPECT_NEAR(odds.per_failure, std::log(odds.suspected / odds.expected), 1e-12);
  EXPECT_LT(odds.per_success, 0);
  for (const double share : {0.0, 0.3, 0.7, 1.0}) {
    EXPECT_GT(OddsOf(share).suspected, OddsOf(share).expected) << share;
    EXPECT_LT(OddsOf(share).suspected, 1) << share;
  }
}

TEST(SuspicionTest, AThirdOfFailuresIsFoundInSeconds) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const int fast = SecondsToAlarm(20, 0.3, 0.01, 30, seed);
    EXPECT_GE(fast, 3) << "one bad second is no alarm";
    EXPECT_LE(fast, 7) << "seed " << seed;
    const int slow = SecondsToAlarm(2, 0.3, 0.01, 200, seed);
    EXPECT_GT(slow, 0) << "little evidence adds up too, seed " << seed;
  }
}

TEST(SuspicionTest, FailingAsTheOthersDoIsNeverAnAlarm) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(SecondsToAlarm(20, 0.01, 0.01, 3600, seed), 0) << "seed " << seed;
    EXPECT_EQ(SecondsToAlarm(20, 0.3, 0.3, 3600, seed), 0) << "seed " << seed;
    EXPECT_EQ(SecondsToAlarm(20, 1, 1, 3600, seed), 0) << "seed " << seed;
  }
}

TEST(SuspicionTest, WhatOneSecondSaysIsLimited) {
  Suspicion suspicion;
  const SuspicionOdds odds = OddsOf(0.001);
  suspicion.Add(1000, 1000, odds, kStart);
  suspicion.Add(1000, 1000, odds, kStart + absl::Seconds(0.9));
  EXPECT_DOUBLE_EQ(suspicion.Nats(kStart + absl::Seconds(0.9)), kSuspicionPerSecond);
  suspicion.Add(1000, 1000, odds, kStart + absl::Seconds(1));
  EXPECT_NEAR(suspicion.Nats(kStart + absl::Seconds(1)), 2 * kSuspicionPerSecond, 0.2);
  EXPECT_EQ(suspicion.failures(), 3000u);
}

TEST(SuspicionTest, SuccessEndsItAndTimeFadesIt) {
  Suspicion suspicion;
  const SuspicionOdds odds = OddsOf(0.01);
  suspicion.Add(10, 5, odds, kStart);
  EXPECT_GT(suspicion.Nats(kStart), 0);
  suspicion.Add(1000, 0, odds, kStart + absl::Seconds(2));
  EXPECT_TRUE(suspicion.none());
  EXPECT_EQ(suspicion.Nats(kStart + absl::Seconds(2)), 0);
  // A minute halves what was added before the newest second.
  suspicion.Add(2, 2, odds, kStart + absl::Seconds(10));
  const double fresh = suspicion.Nats(kStart + absl::Seconds(10));
  suspicion.Add(0, 0, odds, kStart + absl::Seconds(70));
  suspicion.Add(0, 0, odds, kStart + absl::Seconds(130));
  EXPECT_NEAR(suspicion.Nats(kStart + absl::Seconds(130)), fresh / 2, 0.01);
}

}  // namespace
}  // namespace pointsman::controller
