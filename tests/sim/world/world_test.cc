// Whole worlds, small ones: what is asserted are rules that hold for every seed, and that a run is
// a function of its seed. How well the cores do is told by pointsman-sim
// (docs/design/simulator.md).

#include "sim/world/world.h"

#include <chrono>
#include <cstdio>

#include "gtest/gtest.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

WorldOptions Small() {
  WorldOptions options;
  options.endpoints.resize(10);
  options.gateways = 2;
  options.requests_per_second = 100;
  options.work_mean_ms = 50;
  options.warmup = absl::Seconds(20);
  options.duration = absl::Seconds(20);
  return options;
}

FaultSpec FaultOf(std::vector<uint32_t> endpoints) {
  FaultSpec fault;
  fault.endpoints = std::move(endpoints);
  fault.begins = absl::Seconds(2);
  return fault;
}

void ExpectSound(const WorldResult& result) {
  EXPECT_TRUE(result.violations.empty()) << result.violations[0];
  EXPECT_EQ(result.false_ejections, 0u);
  EXPECT_FALSE(result.fail_open);
}

TEST(WorldTest, ServesWhenNothingFails) {
  WorldOptions options = Small();
  options.seed = SeedOr(1);
  const WorldResult result = RunWorld(options);
  ExpectSound(result);
  EXPECT_NEAR(static_cast<double>(result.requests), 2000, 200);
  EXPECT_EQ(result.ok, result.requests);
  EXPECT_EQ(result.tries, result.requests);
  EXPECT_NEAR(result.utilisation_mean, 0.125, 0.02);
  EXPECT_NEAR(result.load_max_over_mean, result.load_floor, 0.2);
  // Exponential work of mean 50 ms, hardly a queue.
  EXPECT_NEAR(result.latency.Quantile(0.5), 35'000, 5'000);
}

TEST(WorldTest, ARunIsAFunctionOfItsSeed) {
  WorldOptions options = Small();
  options.control.loss = 0.05;
  options.report_loss = 0.1;
  FaultSpec fault = FaultOf({3});
  fault.server.crashed = true;
  fault.lasts = absl::Seconds(5);
  options.faults = {fault};
  options.controller_outage = ControllerOutage{.begins = absl::Seconds(10)};
  options.seed = SeedOr(1);
  const WorldResult first = RunWorld(options);
  const WorldResult again = RunWorld(options);
  ExpectSound(first);
  EXPECT_EQ(first.digest, again.digest);
  EXPECT_EQ(first.events, again.events);
  ++options.seed;
  EXPECT_NE(RunWorld(options).digest, first.digest);
}

TEST(WorldTest, RoutesAroundACrash) {
  WorldOptions options = Small();
  FaultSpec fault = FaultOf({3});
  fault.server.crashed = true;
  options.faults = {fault};
  options.seed = SeedOr(1);
  const WorldResult result = RunWorld(options);
  ExpectSound(result);
  EXPECT_EQ(result.ok, result.requests);
  ASSERT_TRUE(result.faults[0].all.has_value());
  EXPECT_LE(*result.faults[0].all, absl::Seconds(2));
}

TEST(WorldTest, HearsOfAWatchedProcessAtOnce) {
  WorldOptions options = Small();
  options.endpoints[3].process_watched = true;
  FaultSpec fault = FaultOf({3});
  fault.server.crashed = true;
  options.faults = {fault};
  options.seed = SeedOr(1);
  const WorldResult result = RunWorld(options);
  ExpectSound(result);
  ASSERT_TRUE(result.faults[0].all.has_value());
  EXPECT_LE(*result.faults[0].all, absl::Milliseconds(10));
}

TEST(WorldTest, RoutesAroundABlackHole) {
  WorldOptions options = Small();
  FaultSpec fault = FaultOf({3});
  fault.server.black_hole = true;
  options.faults = {fault};
  options.seed = SeedOr(1);
  const WorldResult result = RunWorld(options);
  ExpectSound(result);
  EXPECT_EQ(result.ok, result.requests);
  ASSERT_TRUE(result.faults[0].all.has_value());
  EXPECT_LE(*result.faults[0].all, absl::Seconds(4));
}

TEST(WorldTest, GoesOnWithoutAControllerAndUnderTheNextOne) {
  WorldOptions options = Small();
  options.controller_outage =
      ControllerOutage{.begins = absl::Seconds(2), .lasts = absl::Seconds(8)};
  // What fails meanwhile is met by the gateways alone.
  FaultSpec fault = FaultOf({3});
  fault.begins = absl::Seconds(4);
  fault.server.crashed = true;
  options.faults = {fault};
  options.seed = SeedOr(1);
  const WorldResult result = RunWorld(options);
  ExpectSound(result);
  EXPECT_EQ(result.ok, result.requests);
  ASSERT_TRUE(result.faults[0].all.has_value());
  EXPECT_GE(*result.faults[0].all, absl::Seconds(6));
  EXPECT_LE(*result.faults[0].all, absl::Seconds(14));
}

TEST(WorldTest, AnUnreachableHostComesBackWhenItIsReachedAgain) {
  WorldOptions options = Small();
  FaultSpec fault = FaultOf({3, 4});
  fault.unreachable = true;
  fault.lasts = absl::Seconds(10);
  options.faults = {fault};
  options.duration = absl::Seconds(60);
  options.seed = SeedOr(1);
  const WorldResult result = RunWorld(options);
  ExpectSound(result);
  EXPECT_GE(result.ejections, 2u);
  EXPECT_LT(static_cast<double>(result.errors()), 0.01 * static_cast<double>(result.requests));
}

TEST(WorldTest, APathThatIsCutIsNoFaultOfItsEndpoint) {
  WorldOptions options = Small();
  FaultSpec fault = FaultOf({3});
  fault.unreachable = true;
  fault.gateways = {1};
  options.faults = {fault};
  options.seed = SeedOr(1);
  const WorldResult result = RunWorld(options);
  ExpectSound(result);
  EXPECT_EQ(result.ok, result.requests);
  EXPECT_GT(result.tries, result.requests) << "some met the cut";
  EXPECT_EQ(result.ejections, 0u);
}

// What peers tell in a bad hour is what they always tell: no failure multiplies messages.
TEST(WorldTest, FailuresDoNotMakeTrafficGrow) {
  WorldOptions options = Small();
  options.duration = absl::Seconds(60);
  options.seed = SeedOr(1);
  const WorldResult calm = RunWorld(options);
  FaultSpec fault = FaultOf({1, 3, 5, 7});
  fault.server.crashed = true;
  options.faults = {fault};
  const WorldResult bad = RunWorld(options);
  const auto expect_alike = [](const Traffic& in_calm, const Traffic& in_bad) {
    EXPECT_GT(in_calm.bytes, 0u);
    EXPECT_LE(static_cast<double>(in_bad.bytes), 1.5 * static_cast<double>(in_calm.bytes));
    EXPECT_LE(static_cast<double>(in_bad.messages), 1.5 * static_cast<double>(in_calm.messages));
  };
  expect_alike(calm.from_agents, bad.from_agents);
  expect_alike(calm.from_gateways, bad.from_gateways);
  expect_alike(calm.to_gateways, bad.to_gateways);
}

TEST(WorldTest, LostReportsAndObservationsHarmNobody) {
  WorldOptions options = Small();
  options.report_loss = options.observation_loss = 0.2;
  options.control.loss = 0.2;
  options.seed = SeedOr(1);
  const WorldResult result = RunWorld(options);
  ExpectSound(result);
  EXPECT_EQ(result.ok, result.requests);
}

// Told, not asserted: a machine may be busy.
TEST(WorldTest, TellsHowFastAHundredEndpointsRun) {
  WorldOptions options = Small();
  options.endpoints.resize(100);
  options.gateways = 4;
  options.requests_per_second = 1000;
  options.seed = SeedOr(1);
  const auto began = std::chrono::steady_clock::now();
  const WorldResult result = RunWorld(options);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const double simulated = absl::ToDoubleSeconds(options.warmup + options.duration);
  ExpectSound(result);
  std::printf("100 endpoints, 1000 requests a second: %.0f times real time, %.1f M events/s\n",
              simulated / took.count(), static_cast<double>(result.events) / took.count() / 1e6);
}

}  // namespace
}  // namespace pointsman::sim
