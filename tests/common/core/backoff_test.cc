#include "common/core/backoff.h"

#include <algorithm>
#include <random>

#include "absl/random/bit_gen_ref.h"
#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

BackoffOptions Options() {
  return {.initial = absl::Milliseconds(100), .max = absl::Seconds(1), .factor = 2.0};
}

TEST(BackoffTest, CeilingDoublesUntilItsMaximum) {
  std::mt19937_64 random(1);
  Backoff backoff(Options());
  for (const int expected_ms : {100, 200, 400, 800, 1000, 1000}) {
    EXPECT_EQ(backoff.Ceiling(), absl::Milliseconds(expected_ms));
    backoff.Next(absl::BitGenRef(random));
  }
}

TEST(BackoffTest, DrawsFromTheWholeRangeBelowTheCeiling) {
  std::mt19937_64 random(2);
  absl::Duration least = absl::InfiniteDuration();
  absl::Duration most = absl::ZeroDuration();
  for (int i = 0; i < 1000; ++i) {
    Backoff backoff(Options());
    const absl::Duration delay = backoff.Next(absl::BitGenRef(random));
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_GE(least, absl::ZeroDuration());
  EXPECT_LT(least, absl::Milliseconds(2));
  EXPECT_LE(most, absl::Milliseconds(100));
  EXPECT_GT(most, absl::Milliseconds(98));
}

TEST(BackoffTest, NeverWaitsLessThanItsFloor) {
  std::mt19937_64 random(3);
  BackoffOptions options = Options();
  options.floor = absl::Milliseconds(90);
  Backoff backoff(options);
  for (int i = 0; i < 200; ++i) {
    EXPECT_GE(backoff.Next(absl::BitGenRef(random)), absl::Milliseconds(90));
  }
}

TEST(BackoffTest, BeginsAgainAfterResetAndContinuesAfterRestore) {
  std::mt19937_64 random(4);
  Backoff backoff(Options());
  backoff.Next(absl::BitGenRef(random));
  backoff.Next(absl::BitGenRef(random));
  EXPECT_EQ(backoff.tries(), 2u);
  Backoff restored(Options());
  restored.Restore(backoff.tries());
  EXPECT_EQ(restored.Ceiling(), backoff.Ceiling());
  backoff.Reset();
  EXPECT_EQ(backoff.Ceiling(), absl::Milliseconds(100));
}

TEST(BackoffTest, SameSeedGivesTheSameDelays) {
  std::mt19937_64 first_random(5);
  std::mt19937_64 second_random(5);
  Backoff first(Options());
  Backoff second(Options());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(first.Next(absl::BitGenRef(first_random)),
              second.Next(absl::BitGenRef(second_random)));
  }
}

TEST(BackoffTest, ConstantFactorStaysAtItsFirstCeilingAfterManyTries) {
  BackoffOptions options = Options();
  options.factor = 1.0;
  Backoff backoff(options);
  backoff.Restore(4'000'000'000u);
  EXPECT_EQ(backoff.Ceiling(), absl::Milliseconds(100));
}

}  // namespace
}  // namespace pointsman::common
