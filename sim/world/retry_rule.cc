#include "sim/world/retry_rule.h"

namespace pointsman::sim {

TryDeadline NextDeadline(const TryState& state, const gateway::ServicePolicy& policy) {
  TryDeadline deadline{state.request_started + policy.request_timeout, TryEnd::kRequestTimeout};
  const auto consider = [&deadline](common::MonotonicTime at, TryEnd why) {
    if (at < deadline.at) deadline = {at, why};
  };
  if (state.phase == TryPhase::kConnecting) {
    consider(state.phase_started + policy.connect_timeout, TryEnd::kConnectTimeout);
    return deadline;
  }
  consider(state.phase_started + policy.first_byte_timeout, TryEnd::kFirstByteTimeout);
  if (!state.per_try_waived && RetryLeft(state, policy)) {
    consider(state.sent + policy.per_try_timeout, TryEnd::kTooSlow);
  }
  return deadline;
}

gateway::TryOutcome OutcomeOf(TryEnd end) {
  if (end == TryEnd::kConnectTimeout) return gateway::TryOutcome::kConnectTimeout;
  if (end == TryEnd::kRequestTimeout) return gateway::TryOutcome::kDeadline;
  return gateway::TryOutcome::kTimeout;
}

bool RetryLeft(const TryState& state, const gateway::ServicePolicy& policy) {
  return state.retries < policy.max_retries;
}

}  // namespace pointsman::sim
