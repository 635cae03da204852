#include "sim/random.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "gtest/gtest.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

constexpr int kDraws = 400'000;

struct Moments {
  double mean, variance;
};

Moments MomentsOf(const std::function<double()>& draw) {
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = draw();
    sum += value;
    squares += value * value;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

// Six standard errors of the mean of kDraws draws of variance 1.
const double kSlack = 6 / std::sqrt(double{kDraws});

TEST(RandomTest, TheLogarithmIsThatOfTheLibrary) {
  for (double x = 1e-300; x < 1e300; x *= 1.37) {
    EXPECT_NEAR(NaturalLog(x), std::log(x), 1e-15 * std::max(1.0, std::fabs(std::log(x)))) << x;
  }
  EXPECT_EQ(NaturalLog(1), 0);
  EXPECT_NEAR(NaturalLog(1 - 0x1.0p-53), -0x1.0p-53, 1e-31);
}

// Held to the last bit: what makes a seed mean the same run on every machine.
TEST(RandomTest, ASeedGivesTheSameSequenceEverywhere) {
  std::mt19937_64 random(42);
  EXPECT_EQ(Uniform(random), 0.75515553295453897);
  EXPECT_EQ(UniformIndex(1000, random), 639u);
  EXPECT_EQ(Exponential(1, random), 1.3949121911687363);
  EXPECT_EQ(StandardNormal(random), -0.86154825632146992);
  EXPECT_EQ(TruncatedNormal(1, 1, 0, random), 0.20609969569143138);
}

TEST(RandomTest, UniformHasItsMomentsAndRange) {
  std::mt19937_64 random(SeedOr(1));
  const Moments m = MomentsOf([&] {
    const double value = Uniform(2, 5, random);
    EXPECT_TRUE(value >= 2 && value < 5) << value;
    return value;
  });
  EXPECT_NEAR(m.mean, 3.5, kSlack);
  EXPECT_NEAR(m.variance, 0.75, kSlack);
}

TEST(RandomTest, ExponentialHasItsMomentsAndTail) {
  std::mt19937_64 random(SeedOr(2));
  int beyond = 0;
  const Moments m = MomentsOf([&] {
    const double value = Exponential(1, random);
    beyond += value > 5;
    return value;
  });
  EXPECT_NEAR(m.mean, 1, kSlack);
  EXPECT_NEAR(m.variance, 1, 3 * kSlack);  // The fourth moment is 24.
  EXPECT_NEAR(double(beyond) / kDraws, std::exp(-5), 6 * std::sqrt(std::exp(-5) / kDraws));
}

TEST(RandomTest, NormalHasItsMomentsAndTail) {
  std::mt19937_64 random(SeedOr(3));
  int beyond = 0;
  const Moments m = MomentsOf([&] {
    const double value = StandardNormal(random);
    beyond += value > 3;
    return value;
  });
  EXPECT_NEAR(m.mean, 0, kSlack);
  EXPECT_NEAR(m.variance, 1, 2 * kSlack);
  EXPECT_NEAR(double(beyond) / kDraws, 0.00135, 6 * std::sqrt(0.00135 / kDraws));
}

// With sigma = mean, cut at 0: mean + sigma phi(1) / Phi(1) = 1.2876 of the mean.
TEST(RandomTest, TruncatedNormalStaysAboveItsBound) {
  std::mt19937_64 random(SeedOr(4));
  const Moments m = MomentsOf([&] {
    const double value = TruncatedNormal(1, 1, 0, random);
    EXPECT_GE(value, 0);
    return value;
  });
  EXPECT_NEAR(m.mean, 1.2876, kSlack);
}

TEST(RandomTest, IndicesAreEvenAndChancesKeepTheirShare) {
  std::mt19937_64 random(SeedOr(5));
  int counts[7] = {}, hits = 0;
  uint64_t rounded = 0;
  for (int i = 0; i < kDraws; ++i) {
    ++counts[UniformIndex(7, random)];
    hits += Chance(0.3, random);
    rounded += RoundAtRandom(2.25, random);
    EXPECT_FALSE(Chance(0, random));
    EXPECT_TRUE(Chance(1, random));
  }
  for (const int count : counts) EXPECT_NEAR(7.0 * count / kDraws, 1, 3 * kSlack);
  EXPECT_NEAR(double(hits) / kDraws, 0.3, kSlack);
  EXPECT_NEAR(static_cast<double>(rounded) / kDraws, 2.25, kSlack);
  EXPECT_EQ(RoundAtRandom(3, random), 3u);
}

TEST(PoissonArrivalsTest, KeepsItsRateWhenGapsAreShorterThanTheClock) {
  std::mt19937_64 random(SeedOr(6));
  PoissonArrivals arrivals(4e6, common::MonotonicTime::FromMicros(100));
  common::MonotonicTime last;
  for (int i = 0; i < kDraws; ++i) {
    const common::MonotonicTime next = arrivals.Next(random);
    EXPECT_GE(next, last);
    last = next;
  }
  EXPECT_NEAR((last.micros() - 100) / (kDraws / 4.0), 1, kSlack);
}

}  // namespace
}  // namespace pointsman::sim
