// ServiceState: when a weight step is due, what it is fed with, and what is sent.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "controller/core/service_state.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

// A sample with fewer requests is noise, unless requests pile up without an end.
constexpr double kSampleRequests = 10;
constexpr double kSampleInFlight = 1;
// A window without a step begins anew.
constexpr absl::Duration kWindowMax = absl::Seconds(10);
// Without a sample for this long, an endpoint drifts to the median of the others.
constexpr absl::Duration kMeasuredFresh = absl::Seconds(10);
// A change counts as running everywhere after this, whatever gateways say.
constexpr absl::Duration kEffectTimeout = absl::Seconds(2);
constexpr double kEffectShare = 0.9;
constexpr double kReadyShare = 0.9;

}  // namespace

bool ServiceState::Measured(const LoadWindow::Result& load) {
  if (load.has_requests) {
    return load.requests >= kSampleRequests ||
           (load.has_in_flight && load.in_flight >= kSampleInFlight);
  }
  return load.has_cpu || load.has_in_flight || load.has_queue || load.has_utilisation;
}

uint32_t ServiceState::Ready(uint32_t weighed) {
  return std::max(2u, static_cast<uint32_t>(std::ceil(kReadyShare * weighed)));
}

bool ServiceState::Weighable(const EndpointState& endpoint, MonotonicTime now) const {
  return Serves(endpoint.health.verdict) &&
         ServingTime(endpoint, now) >= policy_.weights.slow_start;
}

double ServiceState::MedianFactor() const {
  if (median_factor_) return *median_factor_;
  std::vector<double> factors;
  for (const auto& [id, endpoint] : endpoints_) {
    if (endpoint.weighed && Serves(endpoint.health.verdict)) {
      factors.push_back(endpoint.weight / endpoint.info->capacity);
    }
  }
  if (factors.empty()) return mean_factor_;
  std::sort(factors.begin(), factors.end());
  median_factor_ = factors[factors.size() / 2];
  return *median_factor_;
}

void ServiceState::BeginServing(EndpointState& endpoint, StepContext& context) {
  endpoint.back_in_freeze = context.frozen;
  endpoint.traffic.ForgetEvidence(context.now);
  if (!endpoint.weighed) {
    endpoint.weight = MedianFactor() * endpoint.info->capacity;
    endpoint.weighed = true;
  }
  next_due_ = std::min(next_due_, context.now + policy_.weights.control_period);
}

absl::Duration ServiceState::ServingTime(const EndpointState& endpoint, MonotonicTime now) const {
  if (endpoint.inherited_ramp == 0) return now - endpoint.health.serving_since;
  return policy_.weights.slow_start * static_cast<double>(endpoint.inherited_ramp);
}

void ServiceState::RefreshWeight(EndpointState& endpoint, StepContext& context) {
  const bool starts =
      endpoint.back_in_freeze && (endpoint.sent_parts.ramp < 1 ||
                                  ServingTime(endpoint, context.now) < policy_.weights.slow_start);
  const bool held = context.frozen && endpoint.override == nullptr && !starts;
  if (held && endpoint.sent != 0) return;
  const bool serves = Serves(endpoint.health.verdict);
  SentInput input;
  input.weight = endpoint.weight;
  input.capacity = endpoint.info->capacity;
  input.mean_factor = policy_.weights.shadow ? 1 : mean_factor_;
  // What serves only because the service fails open is not new: it gets its whole weight.
  input.serving =
      serves ? ServingTime(endpoint, context.now)
             : (endpoint.health.proven ? policy_.weights.slow_start : absl::ZeroDuration());
  input.degraded = endpoint.health.verdict == v1::VERDICT_DEGRADED && !policy_.health.shadow;
  input.slow_from = endpoint.slow_from;
  input.override = endpoint.override.get();
  const bool was_ramping = endpoint.sent_parts.ramp < 1;
  endpoint.sent_parts = SentWeight(policy_.weights, input);
  endpoint.sent_move = MoveSent(endpoint.sent, endpoint.sent_parts.weight, endpoint.limit_moves);
  const SentHold hold = endpoint.sent_move.hold;
  endpoint.limit_moves =
      endpoint.limit_moves && (hold == SentHold::kStepUp || hold == SentHold::kStepDown);
  dirty_ = dirty_ || was_ramping != (endpoint.sent_parts.ramp < 1) ||
           endpoint.sent != endpoint.sent_move.weight;
  endpoint.sent = endpoint.sent_move.weight;
}

void ServiceState::RestartWindows(MonotonicTime now) {
  window_start_ = now;
  awaiting_ = false;
  for (auto& [id, endpoint] : endpoints_) endpoint.window.Restart();
}

void ServiceState::Acked(uint32_t gateway, SliceVersion version, StepContext& context) {
  GatewayUse& use = gateways_[gateway];
  use.acked = std::max(use.acked, version);
  if (awaiting_ && ChangeTookEffect(context.now)) RestartWindows(context.now);
}

bool ServiceState::ChangeTookEffect(MonotonicTime now) const {
  if (now - awaiting_since_ >= kEffectTimeout) return true;
  const SliceVersion wanted{table_.epoch(), awaited_revision_};
  double all = 0;
  double done = 0;
  for (const auto& [gateway, use] : gateways_) {
    // A gateway without traffic counts a little, so that they count by number when all are idle.
    const double share = use.requests_per_second + 1e-3;
    all += share;
    if (use.acked >= wanted) done += share;
  }
  return done >= kEffectShare * all;
}

void ServiceState::ControlWeights(StepContext& context) {
  if (context.frozen || context.silence_freeze || policy_.weights.signal == Signal::kNone) return;
  if (awaiting_) {
    if (!ChangeTookEffect(context.now)) return;
    RestartWindows(context.now);
  }
  const absl::Duration elapsed = context.now - window_start_;
  if (elapsed < policy_.weights.control_period) return;
  uint32_t serving = 0;
  uint32_t measured = 0;
  for (const auto& [id, endpoint] : endpoints_) {
    if (!Weighable(endpoint, context.now)) continue;
    ++serving;
    if (Measured(endpoint.window.Average(elapsed))) ++measured;
  }
  const bool ready = measured >= Ready(serving) || (measured >= 2 && elapsed >= kWindowPatience);
  if (ready) {
    StepNow(elapsed, context);
  } else if (elapsed >= kWindowMax) {
    RestartWindows(context.now);
  }
}

void ServiceState::StepNow(absl::Duration elapsed, StepContext& context) {
  std::vector<WeightRow> rows;
  std::vector<EndpointState*> owners;
  for (auto& [id, endpoint] : endpoints_) {
    if (!Serves(endpoint.health.verdict)) continue;
    WeightRow row;
    row.capacity = endpoint.info->capacity;
    row.load = endpoint.window.Average(elapsed);
    const bool ramping = ServingTime(endpoint, context.now) < policy_.weights.slow_start;
    row.measured = !ramping && Measured(row.load);
    if (row.measured) endpoint.measured_at = context.now;
    const bool stale = context.now - endpoint.measured_at > kMeasuredFresh;
    row.hold = ramping || (!row.measured && !stale);
    row.weight = endpoint.weight;
    row.gain = endpoint.gain;
    row.run = endpoint.run;
    row.usual_error = endpoint.usual_error;
    row.trim = endpoint.trim;
    row.trim_samples = endpoint.trim_samples;
    row.sent = endpoint.sent;
    rows.push_back(row);
    owners.push_back(&endpoint);
  }
  const WeightStep step = StepWeights(policy_.weights, rows);
  ++context.counters.weight_steps;
  mean_factor_ = step.mean_factor;
  for (auto& [id, endpoint] : endpoints_) {
    if (!Serves(endpoint.health.verdict)) endpoint.weight /= step.divisor;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    EndpointState& endpoint = *owners[i];
    endpoint.weight_record = {context.now,           elapsed,          rows[i],     endpoint.weight,
                              step.mean_utilisation, step.mean_factor, step.divisor};
    endpoint.weight = rows[i].weight;
    endpoint.earlier_weight = false;
    endpoint.gain = rows[i].gain;
    endpoint.run = rows[i].run;
    endpoint.usual_error = rows[i].usual_error;
    endpoint.trim = rows[i].trim;
    endpoint.trim_samples = rows[i].trim_samples;
    MarkClamp(endpoint, rows[i].clamped, context);
  }
  step_moved_ = step.moved;
  median_factor_.reset();
  RestartWindows(context.now);
  last_step_ = context.now;
}

void ServiceState::MarkClamp(EndpointState& endpoint, bool clamped, StepContext& context) {
  if (endpoint.clamped == clamped) return;
  endpoint.clamped = clamped;
  context.effects.events.push_back(
      {clamped ? kEventWeightClamped : kEventWeightUnclamped,
       NameOf(endpoint),
       "controller",
       absl::StrCat(endpoint.info->id, clamped ? " reached the end of its weight's range"
                                               : " left the end of its weight's range"),
       {{"factor", absl::StrCat(endpoint.weight / endpoint.info->capacity / mean_factor_)},
        {"min_factor", absl::StrCat(policy_.weights.min_factor)},
        {"max_factor", absl::StrCat(policy_.weights.max_factor)}}});
}

void ServiceState::Tick(StepContext& context) {
  if (context.now < next_due_) return;
  next_due_ = context.now + policy_.weights.control_period;
  median_factor_.reset();
  if (held_ && context.now >= hold_until_ && (asked_.empty() || !endpoints_.empty())) {
    asked_.clear();
    ReleaseHold(context);
  }
  if (held_) next_due_ = std::min(next_due_, std::max(hold_until_, context.now));
  for (auto& [key, lease] : grants_.Expire(context.now)) {
    context.effects.events.push_back({kEventRestartExpired,
                                      absl::StrCat("services/", id_, "/endpoints/", lease.endpoint),
                                      "controller",
                                      absl::StrCat("the restart lease of ", key.first, " ran out"),
                                      {}});
  }
  next_due_ = std::min(next_due_, grants_.NextExpiry());
  DeregisterSilent(context);
  ForgetLimits(context);
  if (!configured_) return;
  EvaluateAll(context);
  ControlWeights(context);
  for (auto& [id, endpoint] : endpoints_) RefreshWeight(endpoint, context);
  if (held_ && next_due_ <= context.now) next_due_ = context.now + policy_.weights.control_period;
}

}  // namespace pointsman::controller
