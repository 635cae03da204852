#include "sim/policies/polled_p2c.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

int PicksOf(PolledP2cPolicy& policy, size_t endpoint, std::vector<uint32_t> in_flight) {
  std::mt19937_64 random(1);
  int count = 0;
  for (int i = 0; i < 3000; ++i) count += policy.Pick({{}, in_flight}, random) == endpoint ? 1 : 0;
  return count;
}

TEST(PolledP2cPolicyTest, TakesTheOneThatHadLessWhenItWasAsked) {
  PolledP2cPolicy policy(3);
  policy.OnReport(0, {.in_flight = 5}, {});
  policy.OnReport(1, {.in_flight = 1}, {});
  policy.OnReport(2, {.in_flight = 3}, {});
  EXPECT_EQ(PicksOf(policy, 0, {0, 0, 0}), 0) << "never the most loaded of two";
  EXPECT_NEAR(PicksOf(policy, 1, {0, 0, 0}), 2000, 100) << "whenever it is drawn: two of three";
}

TEST(PolledP2cPolicyTest, KnowsNothingOfItsOwnRequests) {
  PolledP2cPolicy policy(2);
  policy.OnReport(0, {.in_flight = 5}, {});
  EXPECT_EQ(PicksOf(policy, 1, {0, 1000}), 3000);
}

TEST(PolledP2cPolicyTest, OneEndpointIsPicked) {
  PolledP2cPolicy policy(1);
  EXPECT_EQ(PicksOf(policy, 0, {7}), 3000);
}

}  // namespace
}  // namespace pointsman::sim
