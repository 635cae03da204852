#include "controller/core/health.h"

#include <algorithm>
#include <cmath>

#include "common/core/ewma.h"
#include "common/core/guard.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

constexpr absl::Duration kFlapHold = absl::Seconds(15);
constexpr absl::Duration kFlapHoldMax = absl::Minutes(5);
constexpr int kFlapHoldFactor = 4;
// Without its agent's word an endpoint is tried again no sooner.
constexpr absl::Duration kSilentTrial = absl::Minutes(1);
// A second removal within 6 minutes of a first one is more.
constexpr double kFlapsFree = 1.45;

HealthDecision Keep(const HealthEvidence& e, const HealthMemory& memory) {
  HealthDecision kept{memory.verdict, memory.reason, memory.confirmed, false};
  if (memory.reason == v1::REASON_TRAFFIC_SLOW && !e.traffic.slow) {
    // Traffic alone said so, and says so no more.
    return {v1::VERDICT_HEALTHY, v1::REASON_CHECKS_PASSED, false, true};
  }
  if (memory.verdict == v1::VERDICT_DRAINING ||
      (memory.verdict == v1::VERDICT_UNHEALTHY && memory.reason == v1::REASON_OPERATOR)) {
    // The one who took it away gave it back: what it was before holds until evidence comes.
    kept.verdict = memory.proven ? v1::VERDICT_HEALTHY : v1::VERDICT_STARTING;
    kept.reason = memory.proven ? v1::REASON_CHECKS_PASSED : v1::REASON_AWAITING_CHECKS;
    kept.confirmed = false;
  }
  return kept;
}

// Traffic took the endpoint away and nothing that happened since speaks for an early return.
bool HeldByTraffic(const HealthEvidence& e, const HealthMemory& memory, MonotonicTime now) {
  if (memory.verdict != v1::VERDICT_UNHEALTHY || now >= memory.traffic_hold) return false;
  if (!e.fresh) return true;
  if (e.restarts > memory.restarts_at_removal) return false;
  const bool checks_pass =
      e.checks == CheckSummary::kPassing || e.checks == CheckSummary::kDegraded;
  return !(checks_pass && e.checks_passing_for < now - memory.removed_at);
}

HealthDecision JudgeChecks(const HealthEvidence& e, const HealthMemory& memory, MonotonicTime now) {
  switch (e.checks) {
    case CheckSummary::kUnknown:
      return Keep(e, memory);
    case CheckSummary::kFailing:
      return {
          v1::VERDICT_UNHEALTHY, v1::REASON_CHECKS_FAILED,
          e.check_refused && e.traffic.gateways_refused > 0 && e.traffic.in_a_row.unreachable >= 2,
          true};
    case CheckSummary::kNone:
    case CheckSummary::kPassing:
    case CheckSummary::kDegraded:
      break;
  }
  if (memory.verdict == v1::VERDICT_UNHEALTHY && memory.reason != v1::REASON_OPERATOR) {
    // A check that still passes because it has not run since (a process that died and came back
    // faster than `fall` runs) proves nothing.
    const bool proven_since = e.checks == CheckSummary::kNone ||
                              (e.last_runs_passed && e.last_run_age < now - memory.removed_at);
    // Runs that fail now and then keep it away no longer than twice the longest hold.
    const MonotonicTime clean_from = std::max(memory.removed_at, memory.unclean);
    const bool held =
        now < clean_from + memory.flap_hold && now < memory.removed_at + 2 * kFlapHoldMax;
    if (!proven_since) return {memory.verdict, memory.reason, memory.confirmed, true};
    // It answers its checks: a service that has too few others may use it.
    if (held) return {memory.verdict, memory.reason, false, true};
  }
  if (e.checks == CheckSummary::kDegraded) {
    return {v1::VERDICT_DEGRADED, v1::REASON_CHECK_SLOW, false, true};
  }
  return {v1::VERDICT_HEALTHY, v1::REASON_CHECKS_PASSED, false, true};
}

// What is in use and answers, but slower than it used to, gets less.
HealthDecision UnlessSlow(const HealthDecision& decision, const HealthEvidence& e,
                          const HealthMemory& memory) {
  const bool slow = e.traffic.slow && Serves(memory.verdict);
  if (!slow || decision.verdict != v1::VERDICT_HEALTHY) return decision;
  return {v1::VERDICT_DEGRADED, v1::REASON_TRAFFIC_SLOW, false, true};
}

HealthDecision JudgeSilent(const HealthEvidence& e, const HealthMemory& memory, MonotonicTime now) {
  if (e.traffic.alive && memory.verdict == v1::VERDICT_UNHEALTHY &&
      memory.reason == v1::REASON_AGENT_SILENT) {
    return {v1::VERDICT_HEALTHY, v1::REASON_CHECKS_PASSED, false, true};
  }
  // Traffic took it away, and a trial is all that can bring it back.
  const bool on_trial = memory.verdict == v1::VERDICT_UNHEALTHY &&
                        memory.reason != v1::REASON_OPERATOR &&
                        memory.traffic_hold > memory.removed_at &&
                        now >= std::max(memory.traffic_hold, memory.removed_at + kSilentTrial);
  if (on_trial) return {v1::VERDICT_HEALTHY, v1::REASON_CHECKS_PASSED, false, true};
  // What came back a moment ago is known only once requests of since then have ended.
  const bool untold = Serves(memory.verdict) && now - memory.serving_since < kTrafficFresh;
  if (e.in_grace || e.traffic.alive || !memory.proven || untold) return Keep(e, memory);
  if (memory.verdict == v1::VERDICT_UNHEALTHY && memory.reason != v1::REASON_OPERATOR) {
    return Keep(e, memory);
  }
  return {v1::VERDICT_UNHEALTHY, v1::REASON_AGENT_SILENT, false, true};
}

// Only what served and fails flaps: who was announced to leave and comes back a moment before its
// checks pass does not.
void CountFlap(v1::Verdict before, MonotonicTime now, HealthMemory& memory) {
  memory.flap_hold = absl::ZeroDuration();
  if (!Serves(before)) return;
  memory.flaps = static_cast<float>(
      memory.flaps * common::HalfLifeDecay(now - memory.flaps_at, kFlapHalfLife) + 1);
  memory.flaps_at = now;
  memory.flap_hold = FlapHold(memory.flaps, now - memory.serving_since);
}

}  // namespace

HealthDecision Judge(const HealthEvidence& e, const HealthMemory& memory, MonotonicTime now) {
  if (e.override_kind == OverrideKind::kEject) {
    return {v1::VERDICT_UNHEALTHY, v1::REASON_OPERATOR, false, true};
  }
  if (e.override_kind == OverrideKind::kDrain) {
    return {v1::VERDICT_DRAINING, v1::REASON_OPERATOR, false, true};
  }
  if (e.agent_draining) return {v1::VERDICT_DRAINING, v1::REASON_DEREGISTERING, false, true};
  if (e.fresh && e.reported && e.process_gone) {
    return {v1::VERDICT_UNHEALTHY, v1::REASON_UNREACHABLE, true, true};
  }
  if (HeldByTraffic(e, memory, now)) {
    return {memory.verdict, memory.reason, memory.confirmed, true};
  }
  // An endpoint that is out gets no traffic: what gateways saw before is no evidence any more.
  const bool in_use = Serves(memory.verdict) || memory.verdict == v1::VERDICT_STARTING;
  if (in_use && e.traffic.unreachable) {
    return {v1::VERDICT_UNHEALTHY, v1::REASON_UNREACHABLE, true, true};
  }
  if (e.has_agent && e.fresh && e.reported && e.checks == CheckSummary::kFailing) {
    return JudgeChecks(e, memory, now);
  }
  if (in_use && e.traffic.failing) {
    return {v1::VERDICT_UNHEALTHY, v1::REASON_TRAFFIC_FAILURES, false, true};
  }
  if (e.is_static) {
    return UnlessSlow({v1::VERDICT_HEALTHY, v1::REASON_STATIC, false, true}, e, memory);
  }
  if (!e.has_agent || !e.fresh) return JudgeSilent(e, memory, now);
  if (!e.reported) return Keep(e, memory);
  return UnlessSlow(JudgeChecks(e, memory, now), e, memory);
}

absl::Duration FlapHold(double flaps, absl::Duration served) {
  if (flaps <= kFlapsFree || !common::Holds(common::Guard::kFlapPenalty)) {
    return absl::ZeroDuration();
  }
  if (served >= kFlapHoldMax) return absl::ZeroDuration();  // That is no flapping.
  return std::clamp(kFlapHoldFactor * served, kFlapHold, kFlapHoldMax);
}

bool ApplyDecision(const HealthDecision& decision, const HealthEvidence& evidence,
                   MonotonicTime now, HealthMemory& memory) {
  if (evidence.checks == CheckSummary::kFailing || !evidence.last_runs_passed) memory.unclean = now;
  const bool changed = decision.verdict != memory.verdict;
  const v1::Verdict before = memory.verdict;
  memory.reason = decision.reason;
  memory.confirmed = decision.confirmed;
  memory.capped = false;
  if (!changed) return false;
  memory.verdict = decision.verdict;
  memory.since = now;
  if (Serves(decision.verdict)) {
    memory.proven = true;
    if (!Serves(before)) memory.serving_since = now;
  }
  if (decision.verdict != v1::VERDICT_UNHEALTHY) return true;
  memory.removed_at = now;
  memory.restarts_at_removal = evidence.restarts;
  if (decision.reason == v1::REASON_OPERATOR) return true;
  CountFlap(before, now, memory);
  const bool by_traffic = decision.reason == v1::REASON_TRAFFIC_FAILURES ||
                          (decision.reason == v1::REASON_UNREACHABLE && !evidence.process_gone);
  if (by_traffic) {
    // An hour without such a removal forgives all.
    if (now - memory.traffic_hold > absl::Hours(1)) memory.traffic_removals = 0;
    const int doublings = std::min<int>(memory.traffic_removals++, 5);
    memory.traffic_hold = now + std::min(kTrafficHold * (1 << doublings), kTrafficHoldMax);
  }
  return true;
}

uint32_t RemovalBudget::Allowed(const HealthRules& rules, uint32_t endpoints) {
  // The small addition keeps 0.2 * 5 at 1 whatever the rounding.
  return std::max(1u, static_cast<uint32_t>(std::floor(rules.removal_cap * endpoints + 1e-9)));
}

uint32_t RemovalBudget::Used(const HealthRules& rules, MonotonicTime now) const {
  const auto in_window = [&](MonotonicTime at) { return now - at < rules.removal_window; };
  return static_cast<uint32_t>(std::count_if(removals_.begin(), removals_.end(), in_window));
}

bool RemovalBudget::Take(const HealthRules& rules, uint32_t endpoints, MonotonicTime now) {
  while (!removals_.empty() && now - removals_.front() >= rules.removal_window) {
    removals_.pop_front();
  }
  const bool capped = removals_.size() >= Allowed(rules, endpoints);
  if (capped && common::Holds(common::Guard::kRemovalCap)) return false;
  removals_.push_back(now);
  return true;
}

MonotonicTime RemovalBudget::NextFree(const HealthRules& rules) const {
  if (removals_.empty()) return MonotonicTime::Infinite();
  return removals_.front() + rules.removal_window;
}

bool ChooseRoutable(const HealthRules& rules, std::vector<RoutableRow>& rows) {
  uint32_t counted = 0;
  uint32_t serving = 0;
  uint32_t spare = 0;
  for (RoutableRow& row : rows) {
    row.routable = Serves(row.verdict);
    if (!row.proven || row.by_operator || row.verdict == v1::VERDICT_DRAINING) continue;
    ++counted;
    if (row.routable) ++serving;
    if (!row.routable && !row.confirmed) ++spare;
  }
  if (counted == 0 || serving == counted) return false;
  const bool too_few = serving == 0 || serving < rules.fail_open_below * counted;
  if (!too_few || !common::Holds(common::Guard::kFailOpen)) return false;
  const bool use_confirmed = serving + spare == 0;
  bool used = false;
  for (RoutableRow& row : rows) {
    if (row.routable || !row.proven || row.by_operator || row.verdict == v1::VERDICT_DRAINING) {
      continue;
    }
    if (row.confirmed && !use_confirmed) continue;
    row.routable = true;
    used = true;
  }
  return used;
}

}  // namespace pointsman::controller
