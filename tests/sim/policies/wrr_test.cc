#include "sim/policies/wrr.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

common::MonotonicTime At(int64_t seconds) {
  return common::MonotonicTime::FromMicros(seconds * 1'000'000);
}

TEST(WrrWeightTest, IsRequestsByUtilisationAndErrors) {
  EXPECT_DOUBLE_EQ(*WrrWeight({.qps = 100, .cpu = 0.5}, 1), 200);
  EXPECT_DOUBLE_EQ(*WrrWeight({.qps = 100, .cpu = 0.5, .application = 0.8}, 1), 125);
  EXPECT_DOUBLE_EQ(*WrrWeight({.qps = 100, .eps = 30, .cpu = 0.5}, 1), 125);
  EXPECT_DOUBLE_EQ(*WrrWeight({.qps = 100, .eps = 30, .cpu = 0.5}, 0), 200);
  EXPECT_DOUBLE_EQ(*WrrWeight({.qps = 100, .cpu = 2}, 1), 50) << "may exceed 1";
  EXPECT_FALSE(WrrWeight({.qps = 0, .cpu = 0.5}, 1).has_value());
  EXPECT_FALSE(WrrWeight({.qps = 100}, 1).has_value());
}

// Algorithms reference 2.3: the penalty barely protects against what fails fast.
TEST(WrrWeightTest, AFastFailureIsHardlyPunished) {
  const double failing = *WrrWeight({.qps = 100, .eps = 100, .cpu = 0.05}, 1);
  const double healthy = *WrrWeight({.qps = 100, .cpu = 0.8}, 1);
  EXPECT_NEAR(failing / healthy, 0.8 / 1.05, 1e-9);
}

TEST(WrrEndpointWeightTest, CountsAfterTheBlackoutAndUntilItExpires) {
  WrrEndpointWeight weight;
  const WrrOptions options;
  EXPECT_FALSE(weight.Weight(options, At(0)).has_value());
  weight.OnReport({.qps = 10, .cpu = 0.5}, options, At(100));
  EXPECT_FALSE(weight.Weight(options, At(109)).has_value());
  EXPECT_DOUBLE_EQ(*weight.Weight(options, At(110)), 20);
  weight.OnReport({.qps = 10}, options, At(200));  // Ignored: no utilisation.
  EXPECT_TRUE(weight.Weight(options, At(279)).has_value());
  EXPECT_FALSE(weight.Weight(options, At(280)).has_value());
  // The blackout starts anew.
  weight.OnReport({.qps = 10, .cpu = 0.5}, options, At(300));
  EXPECT_FALSE(weight.Weight(options, At(309)).has_value());
  EXPECT_TRUE(weight.Weight(options, At(310)).has_value());
}

TEST(WrrPolicyTest, TheUnknownGetTheMeanOrTheMedian) {
  std::mt19937_64 random(1);
  for (const bool median : {false, true}) {
    WrrPolicy policy(4, {.median_for_missing = median});
    policy.OnReport(0, {.qps = 10, .cpu = 1}, At(0));
    policy.OnTick(At(20), random);
    EXPECT_EQ(policy.weights(), std::vector<double>(4, 1.0)) << "one is too few";
    policy.OnReport(1, {.qps = 20, .cpu = 1}, At(5));
    policy.OnReport(2, {.qps = 90, .cpu = 1}, At(5));
    policy.OnTick(At(20), random);
    EXPECT_EQ(policy.weights(), (std::vector<double>{10, 20, 90, median ? 20.0 : 40.0}));
  }
}

TEST(WrrPolicyTest, PicksFollowTheWeights) {
  std::mt19937_64 random(1);
  WrrPolicy policy(2);
  policy.OnReport(0, {.qps = 10, .cpu = 1}, At(0));
  policy.OnReport(1, {.qps = 30, .cpu = 1}, At(0));
  policy.OnTick(At(10), random);
  int second = 0;
  for (int i = 0; i < 4000; ++i) {
    second += policy.Pick({At(10), std::vector<uint32_t>{0, 0}}, random) == 1;
  }
  EXPECT_NEAR(second, 3000, 3);
}

}  // namespace
}  // namespace pointsman::sim
