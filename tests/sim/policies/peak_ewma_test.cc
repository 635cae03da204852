#include "sim/policies/peak_ewma.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

common::MonotonicTime At(int64_t seconds) {
  return common::MonotonicTime::FromMicros(seconds * 1'000'000);
}

TEST(PeakEwmaPolicyTest, JumpsToAPeakAndDecaysFromIt) {
  PeakEwmaPolicy policy(2, {.tau = absl::Seconds(10)});
  policy.OnResult(0, {absl::Milliseconds(10)}, At(0));
  EXPECT_DOUBLE_EQ(policy.Load(0, 0, At(0)), 10'000);
  policy.OnResult(0, {absl::Milliseconds(200)}, At(0));
  EXPECT_DOUBLE_EQ(policy.Load(0, 2, At(0)), 3 * 200'000);
  // Reading decays: 1/e in tau.
  EXPECT_NEAR(policy.Load(0, 0, At(10)), 200'000 / std::exp(1), 1e-3);
  // A lower sample is mixed in by the time since.
  policy.OnResult(0, {absl::Milliseconds(10)}, At(20));
  const double kept = std::exp(-1);
  EXPECT_NEAR(policy.Load(0, 0, At(20)), 200'000 * kept * kept + 10'000 * (1 - kept), 1e-3);
}

TEST(PeakEwmaPolicyTest, OneRequestAtATimeTriesTheUnknown) {
  std::mt19937_64 random(1);
  PeakEwmaPolicy policy(2);
  policy.OnResult(0, {absl::Milliseconds(10)}, At(1));
  EXPECT_EQ(policy.Pick({At(1), std::vector<uint32_t>{0, 0}}, random), 1u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(policy.Pick({At(1), std::vector<uint32_t>{50, 1}}, random), 0u);
  }
}

TEST(PeakEwmaPolicyTest, PrefersTheLowerProductOfCostAndInFlight) {
  std::mt19937_64 random(1);
  PeakEwmaPolicy policy(2);
  policy.OnResult(0, {absl::Milliseconds(10)}, At(1));
  policy.OnResult(1, {absl::Milliseconds(30)}, At(1));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(policy.Pick({At(1), std::vector<uint32_t>{1, 0}}, random), 0u);
    EXPECT_EQ(policy.Pick({At(1), std::vector<uint32_t>{3, 0}}, random), 1u);
  }
}

TEST(PeakEwmaPolicyTest, AFastFailureLooksGood) {
  std::mt19937_64 random(1);
  PeakEwmaPolicy policy(2);
  policy.OnResult(0, {absl::Milliseconds(10)}, At(1));
  policy.OnResult(1, {absl::Milliseconds(1), false}, At(1));
  EXPECT_EQ(policy.Pick({At(1), std::vector<uint32_t>{0, 0}}, random), 1u);
}

}  // namespace
}  // namespace pointsman::sim
