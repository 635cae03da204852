#include "sim/world/report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Scenario Crash() {
  Scenario scenario = *FindScenario("crash");
  scenario.options.seed = 42;
  return scenario;
}

WorldResult Result() {
  WorldResult result;
  result.requests = 1000;
  result.ok = 1000;
  result.tries = 1250;
  result.latency.Add(20'000);
  result.digest = 0xabc;
  result.faults.resize(1);
  result.faults[0].first = absl::Milliseconds(700);
  result.faults[0].all = absl::Milliseconds(800);
  result.first_ejections.push_back({absl::Seconds(10.8), 7, v1::REASON_UNREACHABLE, true});
  return result;
}

TEST(ReportTest, ShowsFiguresWithUnitsAndAims) {
  const std::string text = ResultText(Crash(), Result());
  EXPECT_THAT(text, HasSubstr("crash, seed 42: "));
  EXPECT_THAT(text, testing::ContainsRegex("tries_per_request +1.25"));
  EXPECT_THAT(text, testing::ContainsRegex("off_all_gateways +0.8 s"));
  EXPECT_THAT(text, testing::ContainsRegex("half_weight_all_gateways +never"));
  EXPECT_THAT(text, HasSubstr("10.800 s: e7 became UNHEALTHY, REASON_UNREACHABLE\n"));
  EXPECT_THAT(text, Not(HasSubstr("MISSED")));
  EXPECT_THAT(text, Not(HasSubstr("repeat with")));
}

TEST(ReportTest, AMissedAimOrABrokenRuleNamesTheCommandThatRepeatsIt) {
  WorldResult late = Result();
  late.faults[0].all = absl::Seconds(3);
  std::string text = ResultText(Crash(), late);
  EXPECT_THAT(text, HasSubstr("MISSED off all gateways"));
  EXPECT_THAT(text, HasSubstr("repeat with: pointsman-sim run crash --seed 42\n"));
  WorldResult broken = Result();
  broken.violations.emplace_back("at 1 s: gateway-0 went back");
  text = ResultText(Crash(), broken);
  EXPECT_THAT(text, HasSubstr("broken at 1 s: gateway-0 went back\n"));
  EXPECT_THAT(text, HasSubstr("repeat with: "));
}

TEST(ReportTest, WritesJson) {
  WorldResult result = Result();
  result.violations.emplace_back("a \"quoted\"\n thing");
  const std::string json = ResultJson(Crash(), result);
  EXPECT_THAT(json, HasSubstr("{\"scenario\":\"crash\",\"seed\":42,\"digest\":\"abc\","));
  EXPECT_THAT(json, HasSubstr("\"off_all_gateways_s\":0.8,\"half_weight_all_gateways_s\":null"));
  EXPECT_THAT(json, HasSubstr("{\"what\":\"broken invariants\",\"value\":1,\"most\":0,"
                              "\"met\":false}"));
  EXPECT_THAT(json, HasSubstr("\"violations\":[\"a ?quoted?? thing\"]}\n"));
}

TEST(ReportTest, ListsEveryScenario) {
  for (const Scenario& scenario : Scenarios()) {
    EXPECT_THAT(ListText(), HasSubstr(scenario.name + " "));
  }
}

}  // namespace
}  // namespace pointsman::sim
