#pragma once

// Verdicts. Judge() fuses one endpoint's evidence (checks, agent, traffic, operator) into what its
// verdict should be; RemovalBudget says whether a removal may happen now; ChooseRoutable() says
// who receives requests, so that health alone never empties a set. All pure. Thread-compatible.

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "common/core/time.h"
#include "controller/core/inputs.h"
#include "controller/core/policy.h"
#include "controller/core/traffic.h"

namespace pointsman::controller {

// One check as the agent last told it. Compact.
struct CheckEvidence {
  v1::CheckStatus status{};
  v1::CheckFailure failure{};
  uint16_t consecutive = 0;
  uint16_t last_status = 0;
  uint32_t since_ms = 0;
  uint32_t latency_us = 0;
  uint32_t slow_after_us = 0;  // A passed run that took longer was slow; 0: not known.
  uint32_t age_ms = 0;
};

enum class CheckSummary : uint8_t {
  kNone,     // The service has no checks.
  kUnknown,  // Not run yet, or not of the newest assignment.
  kPassing,
  kDegraded,
  kFailing,
};

// What endpoints remember between verdicts.
struct HealthMemory {
  v1::Verdict verdict = v1::VERDICT_STARTING;
  v1::Reason reason = v1::REASON_AWAITING_CHECKS;
  bool proven = false;               // Was HEALTHY or DEGRADED once: counts for the service's size.
  bool confirmed = false;            // UNHEALTHY by confirmed unreachability.
  bool capped = false;               // Would be removed.
  common::MonotonicTime since;       // Of the verdict.
  common::MonotonicTime removed_at;  // Last change to UNHEALTHY.
  common::MonotonicTime serving_since;  // Last change to HEALTHY or DEGRADED from anything else.
  common::MonotonicTime traffic_hold;   // Not back before, by traffic's word.
  uint16_t traffic_removals = 0;        // In a row; each doubles the hold.
  float flaps = 0;                      // Removals, halving every kFlapHalfLife.
  absl::Duration flap_hold;             // See FlapHold(); of the last removal.
  common::MonotonicTime unclean;        // When a check's last run was seen to have failed.
  common::MonotonicTime flaps_at;
  uint64_t restarts_at_removal = 0;
};

struct HealthEvidence {
  OverrideKind override_kind = OverrideKind::kNone;
  bool agent_draining = false;
  bool has_agent = false;  // Otherwise static, or inherited and not registered by anyone.
  bool is_static = false;
  bool inherited = false;  // Nothing fresh yet since it was taken over.
  bool reported = false;   // A report of this registration came.
  bool fresh = false;      // The agent was heard within the silence limit.
  bool in_grace = false;   // Inherited or just registered: silence is not held against it.
  CheckSummary checks = CheckSummary::kNone;
  bool check_refused = false;         // A failing check was refused, reset or unreachable.
  absl::Duration checks_passing_for;  // kPassing, kDegraded: shortest time the status has held.
  absl::Duration last_run_age;        // Of the check whose last run is longest ago.
  bool last_runs_passed = true;       // Every check's.
  bool process_gone = false;
  uint64_t restarts = 0;
  TrafficOpinion traffic;
};

struct HealthDecision {
  v1::Verdict verdict = v1::VERDICT_STARTING;
  v1::Reason reason = v1::REASON_AWAITING_CHECKS;
  bool confirmed = false;  // Unreachability that several observers agree on, or a gone process.
  bool evidence = true;    // False: nothing fresh was known, the verdict is the earlier one.
};

inline constexpr absl::Duration kFlapHalfLife = absl::Minutes(5);
inline constexpr absl::Duration kTrafficHold = absl::Seconds(10);
inline constexpr absl::Duration kTrafficHoldMax = absl::Minutes(5);

HealthDecision Judge(const HealthEvidence& evidence, const HealthMemory& memory,
                     common::MonotonicTime now);

// How long every run of every check must have passed before an endpoint that is removed now comes
// back, with `flaps` removals this one included: 0 for a first one; for one soon after another,
// four times as long as it had `served` in between, 15 s to 5 minutes; 0 where that was 5 minutes
// or more. So what fails again and again must prove itself for longer than it ever lasted.
absl::Duration FlapHold(double flaps, absl::Duration served);

// Takes a decision over: verdict, since, flaps, holds. Returns true when the verdict changed.
bool ApplyDecision(const HealthDecision& decision, const HealthEvidence& evidence,
                   common::MonotonicTime now, HealthMemory& memory);

inline bool Serves(v1::Verdict verdict) {
  return verdict == v1::VERDICT_HEALTHY || verdict == v1::VERDICT_DEGRADED;
}

// Removals by statistical evidence and failed checks within a sliding window.
class RemovalBudget {
 public:
  // Allowed within a window: the share of `endpoints`, at least one.
  static uint32_t Allowed(const HealthRules& rules, uint32_t endpoints);
  // True: the removal may happen, and is counted. Amortised O(1).
  bool Take(const HealthRules& rules, uint32_t endpoints, common::MonotonicTime now);
  // Removals in the window.
  uint32_t Used(const HealthRules& rules, common::MonotonicTime now) const;
  // When the oldest leaves the window; Infinite: none.
  common::MonotonicTime NextFree(const HealthRules& rules) const;

 private:
  std::deque<common::MonotonicTime> removals_;
};

struct RoutableRow {
  v1::Verdict verdict = v1::VERDICT_STARTING;
  bool proven = false;
  bool confirmed = false;    // Confirmed unreachable.
  bool by_operator = false;  // Ejected or drained by a person.
  bool routable = false;     // Result.
};

// Fills `routable`; true: fail-open. Rules: HEALTHY and DEGRADED always; when they are less than
// `fail_open_below` of the proven endpoints that no person took away, the other proven ones too,
// and the confirmed unreachable only when there would be none otherwise. Never DRAINING, never
// what an operator ejected, never what was not proven. O(rows).
bool ChooseRoutable(const HealthRules& rules, std::vector<RoutableRow>& rows);

}  // namespace pointsman::controller
