#include "sim/world/scenario.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sim/world/report.h"
#include "sim/world/world.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

TEST(ScenarioTest, NamesAreUniqueAndFound) {
  std::set<std::string> names;
  for (const Scenario& scenario : Scenarios()) {
    EXPECT_TRUE(names.insert(scenario.name).second) << scenario.name;
    EXPECT_EQ(FindScenario(scenario.name), &scenario);
    EXPECT_FALSE(scenario.summary.empty());
    EXPECT_FALSE(scenario.aims.empty());
  }
  EXPECT_EQ(FindScenario("nothing"), nullptr);
}

TEST(ScenarioTest, FaultsAreOfTheirWorld) {
  for (const Scenario& scenario : Scenarios()) {
    for (const FaultSpec& fault : scenario.options.faults) {
      EXPECT_FALSE(fault.endpoints.empty());
      for (const uint32_t endpoint : fault.endpoints) {
        EXPECT_LT(endpoint, scenario.options.endpoints.size()) << scenario.name;
      }
      EXPECT_LT(fault.begins, scenario.options.duration) << scenario.name;
    }
  }
}

TEST(ScenarioTest, AimsAreJudgedByTheirMeasure) {
  const Scenario& crash = *FindScenario("crash");
  WorldResult result;
  result.requests = result.ok = 100;
  result.faults.resize(1);
  std::vector<Finding> findings = Judge(crash, result);
  EXPECT_FALSE(findings[0].met);  // Never off all gateways.
  EXPECT_TRUE(std::isinf(findings[0].value));
  result.faults[0].all = absl::Milliseconds(900);
  findings = Judge(crash, result);
  for (const Finding& finding : findings) EXPECT_TRUE(finding.met) << finding.what;
  result.violations.emplace_back("something");
  EXPECT_FALSE(Judge(crash, result).back().met);
}

// What must hold in every scenario and with every seed, whatever aims are missed; "steady" is left
// to the program, it takes seconds.
TEST(ScenarioTest, NoScenarioBreaksARuleOrEjectsTheHealthy) {
  const uint64_t seed = SeedOr(1);
  for (Scenario scenario : Scenarios()) {
    if (scenario.name == "steady") continue;
    // Nine of ten hosts may be too many to stay above half; an hour of noise becomes minutes.
    const bool all_gone = scenario.name == "scale-in";
    scenario.options.duration = std::min(scenario.options.duration, absl::Minutes(10));
    std::erase_if(scenario.options.faults, [&](const FaultSpec& fault) {
      return fault.begins >= scenario.options.duration;
    });
    scenario.options.seed = seed;
    const WorldResult result = RunWorld(scenario.options);
    EXPECT_TRUE(result.violations.empty()) << scenario.name << ": " << result.violations[0];
    EXPECT_EQ(result.false_ejections, 0u) << scenario.name;
    EXPECT_FALSE(result.fail_open && !all_gone) << scenario.name;
    EXPECT_EQ(result.turned_away, 0u) << scenario.name;
    EXPECT_FALSE(result.frozen_at_end) << scenario.name;
  }
}

// Aims are met by at least so many of the first seeds: the distributions have tails
// (docs/design/simulator.md). What missed prints the command that repeats it.
TEST(ScenarioTest, AimsAreMet) {
  struct Least {
    const char* name;
    int met;
    uint64_t seeds;
  };
  const Least cases[] = {
      {"crash", 10, 10},        {"crash-watched", 3, 3}, {"black-hole", 5, 10},
      {"slow", 2, 10},          {"grey-20rps", 9, 10},   {"grey-10rps", 8, 10},
      {"fast-failures", 9, 10}, {"half-zone", 7, 10},    {"shared-dependency", 5, 5},
      {"flapping", 1, 1},       {"scale-in", 2, 2},      {"controller-restart", 3, 3},
      {"one-path", 5, 5},       {"clocks", 3, 3},        {"lying", 3, 3},
      {"rolling-deploy", 3, 3}, {"restarted", 3, 3},     {"crash-loop", 2, 2},
      {"slow-quiet", 5, 5}};
  for (const Least& least : cases) {
    int met = 0;
    std::string repeat;
    for (uint64_t seed = 1; seed <= least.seeds; ++seed) {
      Scenario scenario = *FindScenario(least.name);
      scenario.options.seed = seed;
      const std::vector<Finding> findings = Judge(scenario, RunWorld(scenario.options));
      const bool all = std::all_of(findings.begin(), findings.end(),
                                   [](const Finding& finding) { return finding.met; });
      if (all) ++met;
      if (!all) repeat += RepeatCommand(scenario) + "\n";
    }
    EXPECT_GE(met, least.met) << repeat;
  }
}

// One step down halves its weight beside the others'; half of its share takes a little more.
TEST(ScenarioTest, ASlowEndpointIsSteppedDownInTime) {
  int in_time = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Scenario scenario = *FindScenario("slow");
    scenario.options.seed = seed;
    const WorldResult result = RunWorld(scenario.options);
    const auto others = static_cast<double>(scenario.options.endpoints.size());
    const auto weight_at = [&](int64_t second) {
      const double share = result.series.at(static_cast<size_t>(second)).fault_share;
      return share / (others - share);
    };
    const int64_t begins = absl::ToInt64Seconds(scenario.options.faults[0].begins);
    // The others move a little meanwhile.
    if (weight_at(begins + 4) <= 0.525 * weight_at(begins - 1)) ++in_time;
  }
  EXPECT_GE(in_time, 5);
}

}  // namespace
}  // namespace pointsman::sim
