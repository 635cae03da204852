#include "sim/policies/catalogue.h"

#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

TEST(CatalogueTest, MakesEachPolicyItNames) {
  std::mt19937_64 random(1);
  PolicySettings settings;
  settings.endpoints = 5;
  settings.weights = {1, 2, 3, 4, 5};
  const std::vector<uint32_t> in_flight(5);
  EXPECT_EQ(PolicyNames().size(), 12u);
  for (const absl::string_view name : PolicyNames()) {
    const auto policy = MakePolicy(name, settings, random);
    ASSERT_TRUE(policy.ok()) << name;
    for (int i = 0; i < 50; ++i) {
      EXPECT_LT((*policy)->Pick({{}, in_flight}, random), 5u) << name;
    }
  }
}

TEST(CatalogueTest, RefusesWhatItCannotMake) {
  std::mt19937_64 random(1);
  const auto refused = [&](absl::string_view name, const PolicySettings& settings) {
    const auto policy = MakePolicy(name, settings, random);
    EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument) << name;
    return std::string(policy.status().message());
  };
  PolicySettings settings;
  EXPECT_THAT(refused("best", settings), testing::HasSubstr("\"best\""));
  EXPECT_THAT(refused("weighted", settings), testing::HasSubstr("0 weights for 1"));
  settings.weights = {0};
  EXPECT_THAT(refused("weighted_p2c", settings), testing::HasSubstr("above 0"));
  settings.endpoints = 0;
  EXPECT_THAT(refused("random", settings), testing::HasSubstr("no endpoints"));
}

}  // namespace
}  // namespace pointsman::sim
