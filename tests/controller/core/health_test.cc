#include "controller/core/health.h"

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

const MonotonicTime kStart = MonotonicTime::FromMicros(1'000'000'000);

HealthEvidence Checked(CheckSummary checks) {
  HealthEvidence evidence;
  evidence.has_agent = evidence.reported = evidence.fresh = true;
  evidence.checks = checks;
  evidence.checks_passing_for = absl::Milliseconds(1);
  return evidence;
}

TEST(JudgeTest, TheOperatorOutweighsEverything) {
  HealthEvidence evidence = Checked(CheckSummary::kFailing);
  evidence.process_gone = true;
  evidence.override_kind = OverrideKind::kDrain;
  EXPECT_EQ(Judge(evidence, {}, kStart).verdict, v1::VERDICT_DRAINING);
  evidence.override_kind = OverrideKind::kEject;
  EXPECT_EQ(Judge(evidence, {}, kStart).reason, v1::REASON_OPERATOR);
}

TEST(JudgeTest, UnknownChecksKeepWhatWas) {
  HealthMemory memory;
  memory.verdict = v1::VERDICT_HEALTHY;
  memory.proven = true;
  const HealthDecision decision = Judge(Checked(CheckSummary::kUnknown), memory, kStart);
  EXPECT_EQ(decision.verdict, v1::VERDICT_HEALTHY);
  EXPECT_FALSE(decision.evidence);
  EXPECT_EQ(Judge(Checked(CheckSummary::kUnknown), {}, kStart).verdict, v1::VERDICT_STARTING);
}

TEST(JudgeTest, DegradedChecksDegrade) {
  EXPECT_EQ(Judge(Checked(CheckSummary::kDegraded), {}, kStart).verdict, v1::VERDICT_DEGRADED);
}

TEST(JudgeTest, ARefusedCheckAndAGatewayConfirmEachOther) {
  HealthEvidence evidence = Checked(CheckSummary::kFailing);
  evidence.check_refused = true;
  EXPECT_FALSE(Judge(evidence, {}, kStart).confirmed);
  evidence.traffic.gateways_unreachable = 1;
  EXPECT_TRUE(Judge(evidence, {}, kStart).confirmed);
}

TEST(JudgeTest, FlappingKeepsAnEndpointAwayLonger) {
  HealthMemory memory;
  MonotonicTime now = kStart;
  for (int i = 0; i < 5; ++i) {
    HealthEvidence failing = Checked(CheckSummary::kFailing);
    ApplyDecision(Judge(failing, memory, now), failing, now, memory);
    now = now + absl::Seconds(1);
    HealthEvidence passing = Checked(CheckSummary::kPassing);
    const HealthDecision back = Judge(passing, memory, now);
    if (i < 2) {
      EXPECT_EQ(back.verdict, v1::VERDICT_HEALTHY) << i;
      ApplyDecision(back, passing, now, memory);
    } else {
      memory.verdict = v1::VERDICT_HEALTHY;  // Whatever let it back.
    }
    now = now + absl::Seconds(1);
  }
  EXPECT_GE(FlapHold(memory, now), absl::Seconds(5));
  EXPECT_EQ(FlapHold(memory, now + absl::Minutes(5)), absl::ZeroDuration());
}

TEST(RemovalBudgetTest, AllowsAtLeastOneAndRefillsWithTheWindow) {
  RemovalBudget budget;
  HealthRules rules;
  EXPECT_EQ(RemovalBudget::Allowed(rules, 3), 1u);
  EXPECT_EQ(RemovalBudget::Allowed(rules, 5), 1u);
  EXPECT_EQ(RemovalBudget::Allowed(rules, 10), 2u);
  EXPECT_TRUE(budget.Take(rules, 3, kStart));
  EXPECT_FALSE(budget.Take(rules, 3, kStart + absl::Seconds(29)));
  EXPECT_TRUE(budget.Take(rules, 3, kStart + absl::Seconds(30)));
}

std::vector<RoutableRow> Rows(int healthy, int unhealthy, int confirmed) {
  std::vector<RoutableRow> rows;
  for (int i = 0; i < healthy; ++i) rows.push_back({v1::VERDICT_HEALTHY, true});
  for (int i = 0; i < unhealthy; ++i) rows.push_back({v1::VERDICT_UNHEALTHY, true});
  for (int i = 0; i < confirmed; ++i) rows.push_back({v1::VERDICT_UNHEALTHY, true, true});
  return rows;
}

int Routable(const std::vector<RoutableRow>& rows) {
  int count = 0;
  for (const RoutableRow& row : rows) count += row.routable ? 1 : 0;
  return count;
}

TEST(ChooseRoutableTest, FailsOpenBelowHalfWithTheConfirmedLast) {
  auto rows = Rows(2, 2, 0);
  EXPECT_FALSE(ChooseRoutable({}, rows)) << "half is enough";
  EXPECT_EQ(Routable(rows), 2);
  rows = Rows(1, 2, 1);
  EXPECT_TRUE(ChooseRoutable({}, rows));
  EXPECT_EQ(Routable(rows), 3);
  rows = Rows(0, 0, 3);
  EXPECT_TRUE(ChooseRoutable({}, rows));
  EXPECT_EQ(Routable(rows), 3);
}

TEST(ChooseRoutableTest, WhatAPersonTookAwayStaysAway) {
  auto rows = Rows(0, 2, 0);
  rows[0].by_operator = true;
  EXPECT_TRUE(ChooseRoutable({}, rows));
  EXPECT_FALSE(rows[0].routable);
  rows[1].verdict = v1::VERDICT_DRAINING;
  ChooseRoutable({}, rows);
  EXPECT_EQ(Routable(rows), 0);
}

}  // namespace
}  // namespace pointsman::controller
