#include "sim/policies/unweighted.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

constexpr int kPicks = 60'000;

std::vector<int> Counts(Policy& policy, std::vector<uint32_t> in_flight, uint64_t seed) {
  std::mt19937_64 random(SeedOr(seed));
  std::vector<int> counts(in_flight.size());
  for (int i = 0; i < kPicks; ++i) ++counts[policy.Pick({{}, in_flight}, random)];
  return counts;
}

// `share` of kPicks within five standard deviations.
void ExpectShare(int count, double share) {
  EXPECT_NEAR(count, share * kPicks, 5 * std::sqrt(share * (1 - share) * kPicks)) << share;
}

TEST(RandomPolicyTest, IsEven) {
  RandomPolicy policy;
  for (const int count : Counts(policy, {9, 0, 5}, 1)) ExpectShare(count, 1.0 / 3);
}

TEST(RoundRobinPolicyTest, GoesRoundFromARandomStart) {
  std::vector<int> first(4);
  for (uint64_t seed = 0; seed < 400; ++seed) {
    std::mt19937_64 random(seed);
    RoundRobinPolicy policy;
    const std::vector<uint32_t> in_flight(4);
    size_t last = policy.Pick({{}, in_flight}, random);
    ++first[last];
    for (int i = 0; i < 9; ++i) {
      const size_t next = policy.Pick({{}, in_flight}, random);
      EXPECT_EQ(next, (last + 1) % 4);
      last = next;
    }
  }
  for (const int count : first) EXPECT_NEAR(count, 100, 45);
}

TEST(LeastRequestPolicyTest, TakesOneOfTheLeastAtRandom) {
  LeastRequestPolicy policy;
  const auto counts = Counts(policy, {4, 1, 2, 1, 1, 7}, 2);
  for (const size_t i : {1, 3, 4}) ExpectShare(counts[i], 1.0 / 3);
  EXPECT_EQ(counts[0] + counts[2] + counts[5], 0);
}

// Of n endpoints in order of what they have, the k-th best wins unless a better one is drawn too.
TEST(PowerOfChoicesPolicyTest, DrawsDifferentEndpointsEvenly) {
  PowerOfChoicesPolicy two(2);
  auto counts = Counts(two, {3, 0, 2, 1}, 3);
  ExpectShare(counts[1], 3.0 / 6);
  ExpectShare(counts[3], 2.0 / 6);
  ExpectShare(counts[2], 1.0 / 6);
  EXPECT_EQ(counts[0], 0) << "drawn twice";
  PowerOfChoicesPolicy three(3);
  counts = Counts(three, {0, 1, 2, 3, 4}, 4);
  ExpectShare(counts[0], 6.0 / 10);
  ExpectShare(counts[1], 3.0 / 10);
  ExpectShare(counts[2], 1.0 / 10);
  EXPECT_EQ(counts[3] + counts[4], 0);
}

TEST(PowerOfChoicesPolicyTest, EqualsAreEvenAndFewAreAllLookedAt) {
  PowerOfChoicesPolicy policy(3);
  for (const int count : Counts(policy, {1, 1, 1, 1, 1}, 5)) ExpectShare(count, 0.2);
  EXPECT_EQ(Counts(policy, {2, 1}, 6)[1], kPicks);
  PowerOfChoicesPolicy one(1);
  for (const int count : Counts(one, {9, 0, 0}, 7)) ExpectShare(count, 1.0 / 3);
}

}  // namespace
}  // namespace pointsman::sim
