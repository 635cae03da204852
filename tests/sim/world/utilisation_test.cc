#include "sim/world/utilisation.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

TEST(UtilisationTest, LargestByMean) {
  EXPECT_EQ(MaxOverMean({}), 0);
  EXPECT_EQ(MaxOverMean(std::vector<double>{0, 0}), 0);
  EXPECT_DOUBLE_EQ(MaxOverMean(std::vector<double>{0.5, 0.5, 0.5}), 1);
  EXPECT_DOUBLE_EQ(MaxOverMean(std::vector<double>{1, 2, 3}), 1.5);
}

TEST(UtilisationTest, ChanceAloneIsLessTheMoreRequestsThereAre) {
  std::mt19937_64 random(1);
  EXPECT_EQ(SamplingFloor({}, random), 0);
  EXPECT_DOUBLE_EQ(SamplingFloor(std::vector<uint64_t>{1000}, random), 1);
  const double few = SamplingFloor(std::vector<uint64_t>(100, 200), random);
  const double many = SamplingFloor(std::vector<uint64_t>(100, 20'000), random);
  // The largest of 100 normal values is 2.51 on average; the spreads are 0.1 and 0.01.
  EXPECT_NEAR(few, 1.251, 0.02);
  EXPECT_NEAR(many, 1.0251, 0.002);
}

TEST(UtilisationTest, EndpointsWithFewRequestsSetTheFloor) {
  std::mt19937_64 random(1);
  std::vector<uint64_t> requests(50, 1'000'000);
  const double even = SamplingFloor(requests, random);
  requests[7] = 100;
  EXPECT_GT(SamplingFloor(requests, random), even + 0.03);
}

}  // namespace
}  // namespace pointsman::sim
