#include "sim/world/convergence.h"

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

// Four endpoints, the last with half the capacity; the first loses half of its own after 20 s.
WorldOptions Options() {
  WorldOptions options;
  options.endpoints.resize(4);
  options.endpoints[3].speed = 0.5;
  FaultSpec fault;
  fault.endpoints = {0};
  fault.begins = absl::Seconds(20);
  fault.server.slow_factor = 2;
  options.faults = {fault};
  return options;
}

constexpr uint64_t kMany = 100'000'000;  // Chance is nothing.

std::vector<uint64_t> Alike() { return {kMany, 2 * kMany, 2 * kMany, kMany}; }

TEST(ConvergenceTest, CountsFromTheDisturbanceByWhatEndpointsCanDoThen) {
  const std::vector<uint64_t> before = {2 * kMany, 2 * kMany, 2 * kMany, kMany};
  const Convergence out =
      ConvergenceOf(Options(), {before, before, before, Alike(), Alike(), Alike()});
  ASSERT_EQ(out.points.size(), 6u);
  EXPECT_NEAR(out.points[0].max_over_mean, 1, 1e-3);
  EXPECT_NEAR(out.points[2].max_over_mean, 2.0 * 6 / 7, 1e-3) << "it gets what it got";
  EXPECT_EQ(out.settled, absl::Seconds(10));
  EXPECT_NEAR(out.overshoot, 1, 1e-3);
}

TEST(ConvergenceTest, WhatTheOthersGetTooMuchIsOvershoot) {
  const std::vector<uint64_t> most = {kMany / 2, 2 * kMany, kMany * 5 / 2, kMany};
  const Convergence out = ConvergenceOf(Options(), {Alike(), Alike(), most, Alike(), Alike()});
  EXPECT_NEAR(out.overshoot, 1.25, 1e-3);
  EXPECT_EQ(out.settled, std::nullopt) << "two windows are too few";
}

TEST(ConvergenceTest, WhatDriftsAgainHasNotSettled) {
  const std::vector<uint64_t> off = {kMany, 2 * kMany, 2 * kMany, kMany * 11 / 10};
  EXPECT_EQ(
      ConvergenceOf(Options(), {Alike(), Alike(), Alike(), Alike(), Alike(), Alike(), off}).settled,
      std::nullopt);
}

TEST(ConvergenceTest, ADisturbedFleetIsUsedAlikeAgain) {
  Scenario scenario = *FindScenario("disturbed");
  const auto last = [&scenario] {
    const Convergence out = Converge(scenario, 3, [](absl::string_view) {});
    return out.points.at(23).max_over_mean / out.points.at(23).by_chance;
  };
  EXPECT_LT(last(), 1.08);
  scenario.options.policy = "random";
  EXPECT_GT(last(), 1.5) << "who knows nothing of load does not";
}

}  // namespace
}  // namespace pointsman::sim
