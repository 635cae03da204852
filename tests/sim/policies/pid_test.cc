#include "sim/policies/pid.h"

#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

using Utilisation = std::vector<std::optional<double>>;

TEST(PidControlTest, MovesWeightsByTheRelativeError) {
  PidControl control(2, {.kp = 0.5, .kd = 0});
  control.Step(Utilisation{0.4, 0.8});  // Mean 0.6: signals +1/6 and -1/6.
  const double up = 1 + 1.0 / 6, down = 1 / (1 + 1.0 / 6);
  EXPECT_NEAR(control.weights()[0], 2 * up / (up + down), 1e-12);
  EXPECT_NEAR(control.weights()[1], 2 * down / (up + down), 1e-12);
}

TEST(PidControlTest, TheSlopeCountsFromTheSecondStep) {
  PidControl control(2, {.kp = 0, .kd = 1});
  control.Step(Utilisation{0.4, 0.8});
  EXPECT_DOUBLE_EQ(control.weights()[0], 1);
  control.Step(Utilisation{0.5, 0.7});  // Errors fell from 0.2 to 0.1: signals -1/6 and +1/6.
  EXPECT_LT(control.weights()[0], 1);
  EXPECT_GT(control.weights()[1], 1);
}

TEST(PidControlTest, KeepsTheMeanAndTheLimits) {
  PidControl control(4, {.kp = 1, .kd = 0, .weight_min = 0.5, .weight_max = 2});
  for (int i = 0; i < 50; ++i) control.Step(Utilisation{0.1, 0.9, 0.9, std::nullopt});
  EXPECT_DOUBLE_EQ(control.weights()[0], 2);
  EXPECT_DOUBLE_EQ(control.weights()[1], 0.5);
  PidControl idle(2, {});
  idle.Step(Utilisation{0.0, 0.0});
  idle.Step(Utilisation{std::nullopt, std::nullopt});
  EXPECT_EQ(idle.weights(), std::vector<double>(2, 1.0));
}

// Without the scaling weights would drift together: here both are above their own target.
TEST(PidControlTest, DoesNotDrift) {
  PidControl control(3, {.kp = 0.3, .kd = 0});
  for (int i = 0; i < 1000; ++i) {
    const double load = 0.3 + 0.2 * (i % 7);
    Utilisation utilisation;
    for (const double weight : control.weights()) utilisation.push_back(load * weight);
    control.Step(utilisation);
  }
  for (const double weight : control.weights()) EXPECT_NEAR(weight, 1, 1e-9);
}

TEST(PidPolicyTest, TakesTheLargerUtilisationAndManyErrors) {
  std::mt19937_64 random(1);
  PidPolicy policy(3, {.kp = 0.5, .kd = 0});
  policy.OnReport(0, {.qps = 10, .cpu = 0.1, .application = 0.9}, {});
  policy.OnReport(1, {.qps = 10, .eps = 4, .cpu = 0.5}, {});
  policy.OnReport(2, {.qps = 10, .eps = 6, .cpu = 0.5}, {});
  policy.OnTick({}, random);
  // 0.9, 0.5 and 1.1.
  EXPECT_GT(policy.weights()[1], policy.weights()[0]);
  EXPECT_GT(policy.weights()[0], policy.weights()[2]);
  int counts[3] = {};
  const std::vector<uint32_t> in_flight(3);
  for (int i = 0; i < 3000; ++i) ++counts[policy.Pick({{}, in_flight}, random)];
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(counts[i], 1000 * policy.weights()[i], 4);
}

TEST(PidGainBoundTest, IsThePublishedOne) {
  EXPECT_NEAR(PidGainBound(0), 2.0, 5e-4);
  EXPECT_NEAR(PidGainBound(1), 1.0, 5e-4);
  EXPECT_NEAR(PidGainBound(2), 0.618, 5e-4);
  EXPECT_NEAR(PidGainBound(3), 0.445, 5e-4);
  EXPECT_NEAR(PidGainBound(5), 0.285, 5e-4);
  // The reference rounds 0.1495 up to 0.150.
  EXPECT_NEAR(PidGainBound(10), 0.150, 1e-3);
}

}  // namespace
}  // namespace pointsman::sim
