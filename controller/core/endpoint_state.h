#pragma once

// Everything the controller holds of one endpoint, and the records its last decisions left for
// Explain: numbers, no text. Thread-compatible values.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/core/time.h"
#include "controller/core/health.h"
#include "controller/core/liveness.h"
#include "controller/core/load_window.h"
#include "controller/core/policy.h"
#include "controller/core/slice_frame.h"
#include "controller/core/traffic.h"
#include "controller/core/weights.h"

namespace pointsman::controller {

// How a verdict came about: all that Judge() looked at, so that it can be asked again.
struct HealthRecord {
  common::MonotonicTime at;
  HealthMemory before;
  HealthEvidence evidence;
  HealthDecision decision;                     // What the evidence asked for.
  v1::Verdict verdict = v1::VERDICT_STARTING;  // What was held after the guards.
  v1::Reason reason = v1::REASON_AWAITING_CHECKS;
  std::vector<CheckEvidence> checks;
  absl::Duration silence;  // Of the agent.
  absl::Duration silence_limit;
  ReportGaps gaps;
  absl::Duration flap_hold;
  uint32_t removals_used = 0;  // Within the window; when a removal was asked for.
  uint32_t removals_allowed = 0;
};

// How a weight came about.
struct WeightRecord {
  common::MonotonicTime at;  // Of the last step that looked at it; zero: none yet.
  absl::Duration window;
  WeightRow row;
  double before = 1;
  double mean_utilisation = 0;
  double mean_factor = 1;
  double divisor = 1;  // Of the re-centring.
};

struct EndpointState {
  EndpointInfoPtr info;
  uint32_t handle = 0;  // 0: not in the table (yet).
  bool is_static = false;
  bool inherited = false;      // Taken over, nothing fresh yet.
  bool late_counters = false;  // Gateways may have counted it before this owner knew it.
  bool draining = false;       // The agent's word.
  bool restartable = false;
  bool leaving = false;         // Deregistered during a freeze.
  bool limit_moves = false;     // After inheritance the sent weight moves by bounded steps only.
  bool earlier_weight = false;  // The weight is an earlier owner's: no step of this one made it.
  std::string agent;            // Empty: none.

  // Reports.
  bool reported = false;
  bool checks_current = false;
  v1::ProcessState process{};
  uint64_t boot = 0;
  uint64_t sequence = 0;
  uint64_t restarts = 0;
  bool restart_budget_spent = false;
  common::MonotonicTime heard;  // Last hello, report, or inheritance.
  common::MonotonicTime last_report;
  common::MonotonicTime grace_until;
  absl::Duration report_interval = absl::Seconds(1);
  ReportGaps gaps;
  std::vector<CheckEvidence> checks;
  std::string check_detail;  // Of the first check that does not pass.
  LoadSample load;           // Newest.

  HealthMemory health;
  HealthRecord health_record;
  EndpointTraffic traffic;
  std::shared_ptr<const EndpointOverride> override;  // Null: none.

  LoadWindow window;
  double weight = 1;  // Computed; 1 is nominal for capacity 1.
  double gain = kGainMax;
  int8_t run = 0;
  float usual_error = 0;
  float trim = 0;
  uint32_t trim_samples = 0;
  bool clamped = false;
  // While it is DEGRADED for slow answers: its weight by nominal when that began; else 0.
  double slow_from = 0;
  // The last one, and when it ended: slow again soon, it is still that by which it is too much.
  double slow_from_before = 0;
  common::MonotonicTime slow_ended;
  bool weighed = false;  // `weight` was set by inheritance, measurement or the others' median.
  common::MonotonicTime measured_at;
  // An operator brought it back during a freeze, which then does not hold its slow start.
  bool back_in_freeze = false;
  // Slow start's factor as taken over: kept until fresh evidence comes, then it grows on. 0: none.
  float inherited_ramp = 0;
  SentParts sent_parts;
  SentMove sent_move;
  uint32_t sent = 0;
  WeightRecord weight_record;

  OverrideKind override_kind() const {
    return override == nullptr ? OverrideKind::kNone : override->kind;
  }
  // Drained or ejected.
  bool taken_by_operator() const {
    return override_kind() == OverrideKind::kDrain || override_kind() == OverrideKind::kEject;
  }
};

}  // namespace pointsman::controller
