#include "sim/policies/weighted.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

TEST(WeightedPolicyTest, FollowsTheWeightsItIsGiven) {
  std::mt19937_64 random(SeedOr(1));
  WeightedPolicy policy(ScheduleKind::kSmooth, std::vector<double>{1, 3}, random);
  const std::vector<uint32_t> in_flight = {0, 100};
  int second = 0;
  for (int i = 0; i < 400; ++i) second += policy.Pick({{}, in_flight}, random) == 1;
  EXPECT_EQ(second, 300);
  policy.SetWeights(std::vector<double>{1, 0}, random);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(policy.Pick({{}, in_flight}, random), 0u);
}

TEST(WeightedP2cPolicyTest, ComparesInFlightPlusOneByWeight) {
  std::mt19937_64 random(SeedOr(2));
  WeightedP2cPolicy policy(std::vector<double>{1, 4});
  // (0 + 1) / 1 against (4 + 1) / 4, then (2 + 1) / 4.
  std::vector<uint32_t> in_flight = {0, 4};
  int first = 0;
  constexpr int kPicks = 10'000;
  for (int i = 0; i < kPicks; ++i) first += policy.Pick({{}, in_flight}, random) == 0;
  // All but those in which the heavy one was drawn nine times running (0.8^9 = 0.13).
  EXPECT_NEAR(first, kPicks * (1 - 0.134), 200);
  in_flight = {0, 2};
  for (int i = 0; i < 100; ++i) {
    const size_t picked = policy.Pick({{}, in_flight}, random);
    EXPECT_EQ(picked, 1u);
  }
}

TEST(WeightedP2cPolicyTest, TheFirstDrawnOfEqualsKeepsTheShares) {
  std::mt19937_64 random(SeedOr(3));
  WeightedP2cPolicy policy(std::vector<double>{1, 2, 1});
  const std::vector<uint32_t> in_flight = {0, 1, 0};
  int counts[3] = {};
  for (int i = 0; i < 40'000; ++i) ++counts[policy.Pick({{}, in_flight}, random)];
  EXPECT_NEAR(counts[0], 10'000, 450);
  EXPECT_NEAR(counts[1], 20'000, 500);
}

TEST(WeightedP2cPolicyTest, OneEndpointIsEnough) {
  std::mt19937_64 random(1);
  WeightedP2cPolicy policy(std::vector<double>{2});
  EXPECT_EQ(policy.Pick({{}, std::vector<uint32_t>{7}}, random), 0u);
}

}  // namespace
}  // namespace pointsman::sim
