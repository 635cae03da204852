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

TEST(JudgeTest, SlowAnswersDegradeWhatIsInUseAndFine) {
  HealthMemory memory;
  memory.verdict = v1::VERDICT_HEALTHY;
  HealthEvidence evidence = Checked(CheckSummary::kPassing);
  evidence.traffic.slow = true;
  EXPECT_EQ(Judge(evidence, memory, kStart).verdict, v1::VERDICT_DEGRADED);
  EXPECT_EQ(Judge(evidence, memory, kStart).reason, v1::REASON_TRAFFIC_SLOW);
  memory.verdict = v1::VERDICT_STARTING;
  EXPECT_EQ(Judge(evidence, memory, kStart).verdict, v1::VERDICT_HEALTHY);
  memory.verdict = v1::VERDICT_DEGRADED;
  memory.reason = v1::REASON_TRAFFIC_SLOW;
  EXPECT_EQ(Judge(evidence, memory, kStart).reason, v1::REASON_TRAFFIC_SLOW) << "as long as it is";
  evidence.traffic.failing = true;
  EXPECT_EQ(Judge(evidence, memory, kStart).verdict, v1::VERDICT_UNHEALTHY);
  HealthEvidence configured;
  configured.is_static = configured.traffic.slow = true;
  EXPECT_EQ(Judge(configured, memory, kStart).reason, v1::REASON_TRAFFIC_SLOW);
  configured.traffic.slow = false;
  EXPECT_EQ(Judge(configured, memory, kStart).reason, v1::REASON_STATIC);
}

TEST(JudgeTest, ARefusedCheckAndAGatewayConfirmEachOther) {
  HealthEvidence evidence = Checked(CheckSummary::kFailing);
  evidence.check_refused = true;
  EXPECT_FALSE(Judge(evidence, {}, kStart).confirmed);
  evidence.traffic.gateways_unreachable = evidence.traffic.gateways_refused = 1;
  EXPECT_FALSE(Judge(evidence, {}, kStart).confirmed);
  evidence.traffic.in_a_row.unreachable = 2;
  EXPECT_TRUE(Judge(evidence, {}, kStart).confirmed);
}

// Fails for `down`, then passes for `up`, with a look each second; how often the verdict changed.
int ChangesWhileFlapping(absl::Duration down, absl::Duration up, absl::Duration lasts) {
  HealthMemory memory;
  int changes = 0;
  MonotonicTime passing_since = kStart;
  for (absl::Duration at; at < lasts; at += absl::Seconds(1)) {
    const MonotonicTime now = kStart + at;
    const absl::Duration in_period = at % (down + up);
    const bool fails = in_period >= up;
    if (in_period == absl::ZeroDuration()) passing_since = now;
    HealthEvidence evidence = Checked(fails ? CheckSummary::kFailing : CheckSummary::kPassing);
    evidence.last_runs_passed = !fails;
    evidence.checks_passing_for = now - passing_since;
    const bool before = Serves(memory.verdict);
    ApplyDecision(Judge(evidence, memory, now), evidence, now, memory);
    if (at > absl::ZeroDuration() && Serves(memory.verdict) != before) ++changes;
  }
  return changes;
}

TEST(JudgeTest, AFlappingEndpointMustProveItselfForLongerThanItLasted) {
  for (const int up : {5, 10, 30, 60}) {
    EXPECT_EQ(ChangesWhileFlapping(absl::Seconds(5), absl::Seconds(up), absl::Minutes(10)), 3)
        << "up for " << up << " s: out, in, out";
    EXPECT_LE(ChangesWhileFlapping(absl::Seconds(5), absl::Seconds(up), absl::Minutes(60)), 20)
        << "up for " << up << " s: tried again each ten minutes";
  }
  // What fails once in ten minutes is no flapping.
  EXPECT_EQ(ChangesWhileFlapping(absl::Seconds(5), absl::Minutes(10), absl::Minutes(40)), 6);
}

TEST(FlapHoldTest, IsForEarlyRepetitionsOnly) {
  EXPECT_EQ(FlapHold(1, absl::Seconds(10)), absl::ZeroDuration());
  EXPECT_EQ(FlapHold(1.4, absl::Seconds(10)), absl::ZeroDuration());
  EXPECT_EQ(FlapHold(1.9, absl::Seconds(1)), absl::Seconds(15));
  EXPECT_EQ(FlapHold(1.9, absl::Seconds(10)), absl::Seconds(40));
  EXPECT_EQ(FlapHold(3, absl::Minutes(4)), absl::Minutes(5));
  EXPECT_EQ(FlapHold(3, absl::Minutes(5)), absl::ZeroDuration()) << "that is no flapping";
}

TEST(FlapHoldTest, WhoDidNotServeDoesNotFlap) {
  const HealthEvidence failing = Checked(CheckSummary::kFailing);
  const HealthDecision down{v1::VERDICT_UNHEALTHY, v1::REASON_CHECKS_FAILED, false, true};
  HealthMemory memory;
  for (int deploy = 0; deploy < 3; ++deploy) {
    memory.verdict = v1::VERDICT_DRAINING;
    ApplyDecision(down, failing, kStart + absl::Seconds(deploy), memory);
    EXPECT_EQ(memory.flaps, 0);
    EXPECT_EQ(memory.flap_hold, absl::ZeroDuration());
  }
  memory.verdict = v1::VERDICT_HEALTHY;
  ApplyDecision(down, failing, kStart + absl::Seconds(3), memory);
  EXPECT_EQ(memory.flaps, 1);
}

TEST(JudgeTest, AnEndpointThatProvedItselfComesBack) {
  HealthMemory memory;
  memory.verdict = v1::VERDICT_UNHEALTHY;
  memory.removed_at = memory.unclean = kStart;
  memory.flap_hold = absl::Seconds(40);
  HealthEvidence passing = Checked(CheckSummary::kPassing);
  EXPECT_EQ(Judge(passing, memory, kStart + absl::Seconds(39)).verdict, v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(Judge(passing, memory, kStart + absl::Seconds(40)).verdict, v1::VERDICT_HEALTHY);
  memory.unclean = kStart + absl::Seconds(10);
  memory.confirmed = true;
  const HealthDecision held = Judge(passing, memory, kStart + absl::Seconds(49));
  EXPECT_EQ(held.verdict, v1::VERDICT_UNHEALTHY);
  EXPECT_FALSE(held.confirmed) << "where too few others serve, it may be used";
  memory.unclean = kStart + absl::Minutes(10) - absl::Seconds(1);
  EXPECT_EQ(Judge(passing, memory, kStart + absl::Minutes(10)).verdict, v1::VERDICT_HEALTHY)
      << "a check that fails now and then keeps nobody away for ever";
}

TEST(JudgeTest, WhatTrafficRemovedComesBackOnTrialWithoutItsAgent) {
  HealthMemory memory;
  memory.verdict = v1::VERDICT_UNHEALTHY;
  memory.reason = v1::REASON_UNREACHABLE;
  memory.proven = true;
  memory.removed_at = kStart;
  memory.traffic_hold = kStart + absl::Seconds(10);
  HealthEvidence silent = Checked(CheckSummary::kPassing);
  silent.fresh = false;
  EXPECT_EQ(Judge(silent, memory, kStart + absl::Seconds(59)).verdict, v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(Judge(silent, memory, kStart + absl::Seconds(60)).verdict, v1::VERDICT_HEALTHY);
  HealthMemory tried = memory;
  tried.verdict = v1::VERDICT_HEALTHY;
  tried.serving_since = kStart + absl::Seconds(60);
  EXPECT_EQ(Judge(silent, tried, kStart + absl::Seconds(61)).verdict, v1::VERDICT_HEALTHY)
      << "no request of since then can have been told of";
  EXPECT_EQ(Judge(silent, tried, kStart + absl::Seconds(71)).reason, v1::REASON_AGENT_SILENT);
  memory.reason = v1::REASON_CHECKS_FAILED;
  memory.traffic_hold = MonotonicTime();
  EXPECT_EQ(Judge(silent, memory, kStart + absl::Hours(1)).verdict, v1::VERDICT_UNHEALTHY);
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
  rows.reserve(static_cast<size_t>(healthy) + static_cast<size_t>(unhealthy) +
               static_cast<size_t>(confirmed));
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
