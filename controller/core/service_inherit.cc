// ServiceState: slices of earlier owners, and holding publication back until they are here.

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "controller/core/service_state.h"

namespace pointsman::controller {

using common::MonotonicTime;

namespace {

// The median weight per capacity hint of what serves past its slow start; nominal where all are in
// it.
double WholeFactor(const Frame& frame) {
  std::vector<double> factors;
  for (const FrameEntry& entry : frame.entries) {
    const EntryState& state = entry.state;
    if (!Serves(state.verdict) || state.reason == v1::REASON_SLOW_START) continue;
    if (state.reason == v1::REASON_TRAFFIC_SLOW) continue;
    const double degraded = state.verdict == v1::VERDICT_DEGRADED ? kDegradedFactor : 1;
    factors.push_back(state.weight / (degraded * kNominalWeight * entry.info->capacity));
  }
  if (factors.empty()) return 1;
  std::sort(factors.begin(), factors.end());
  return factors[factors.size() / 2];
}

}  // namespace

void ServiceState::GatewayHolds(const std::string& gateway, SliceVersion version,
                                StepContext& context) {
  if (version.revision == 0 || table_.Knows(version)) return;
  if (version.epoch >= table_.epoch()) {
    context.effects.epoch_seen = std::max(context.effects.epoch_seen, version.epoch);
    return;
  }
  if (context.now - context.started > context.options.inherit_window) return;
  if (version <= best_inherited_ || version <= best_asked_) return;
  best_asked_ = version;
  asked_.insert(gateway);
  held_ = true;
  hold_until_ = context.now + context.options.inherit_wait;
  next_due_ = std::min(next_due_, hold_until_);
  context.effects.uploads.push_back({gateway, id_});
}

void ServiceState::GatewayLeft(const std::string& gateway, uint32_t ordinal) {
  asked_.erase(gateway);
  gateways_.erase(ordinal);
}

void ServiceState::ForgetGateway(uint32_t ordinal) {
  for (auto& [id, endpoint] : endpoints_) endpoint.traffic.ForgetGateway(ordinal);
}

void ServiceState::ReleaseHold(StepContext& context) {
  if (!held_) return;
  held_ = false;
  dirty_ = urgent_ = true;
  if (configured_) context.effects.released_services.push_back(id_);
}

void ServiceState::AdoptWeight(const EntryState& state, double whole, StepContext& context,
                               EndpointState& endpoint) {
  const uint32_t sent = std::max(1u, state.weight);
  const bool slow = state.reason == v1::REASON_TRAFFIC_SLOW;
  const bool halved = state.verdict == v1::VERDICT_DEGRADED && !slow;
  endpoint.weight = sent / ((halved ? kDegradedFactor : 1) * kNominalWeight);
  // Its ceiling is what it was sent: what it would have without one is not known.
  endpoint.slow_from = slow ? endpoint.weight / (kDegradedFactor * endpoint.info->capacity) : 0;
  endpoint.sent = sent;
  endpoint.sent_move = {sent, sent, SentHold::kInherited};
  endpoint.weighed = true;
  endpoint.limit_moves = true;
  endpoint.earlier_weight = true;
  endpoint.inherited_ramp = 0;
  endpoint.health.serving_since = context.now - policy_.weights.slow_start;
  if (state.reason != v1::REASON_SLOW_START) return;
  // What was sent is a part only: of what a whole weight is, the others tell.
  const double full = whole * endpoint.info->capacity;
  if (endpoint.weight >= full) return;
  endpoint.inherited_ramp = static_cast<float>(
      std::clamp(endpoint.weight / full, policy_.weights.slow_start_initial, 1.0));
  endpoint.weight = full;
}

// Fresh evidence of an endpoint that was taken over.
void ServiceState::Confirm(EndpointState& endpoint, StepContext& context) {
  endpoint.inherited = false;
  if (endpoint.inherited_ramp == 0) return;
  endpoint.health.serving_since =
      context.now - policy_.weights.slow_start * static_cast<double>(endpoint.inherited_ramp);
  endpoint.inherited_ramp = 0;
}

void ServiceState::AdoptEntry(const FrameEntry& entry, double whole, bool rebase,
                              StepContext& context) {
  const auto it = endpoints_.find(entry.info->id);
  const bool added = it == endpoints_.end();
  EndpointState& endpoint = added ? AddEndpoint(entry.info, context) : it->second;
  if (rebase) endpoint.handle = entry.handle;
  endpoint.late_counters = true;
  endpoint.grace_until = context.now + context.options.inherit_grace;
  const HealthMemory& memory = endpoint.health;
  // What this owner has seen with its own eyes stands: taken away, or proven by checks long since.
  // A weight that is an earlier owner's is no judgement of this one: the newer of the two counts.
  const bool judged = memory.proven && !endpoint.inherited && !endpoint.is_static &&
                      !endpoint.earlier_weight &&
                      context.now - memory.serving_since > policy_.weights.slow_start;
  const bool removed = endpoint.reported && memory.verdict == v1::VERDICT_UNHEALTHY;
  if (judged || removed || endpoint.draining) return;
  AdoptWeight(entry.state, whole, context, endpoint);
  counted_.reset();
  median_factor_.reset();
  HealthMemory& health = endpoint.health;
  if (!Serves(health.verdict)) {
    endpoint.inherited = true;
    health.verdict = entry.state.verdict;
    health.reason = v1::REASON_INHERITED;
    health.since = context.now;
    health.removed_at = context.now;
    health.proven = entry.state.verdict != v1::VERDICT_STARTING;
    // An endpoint without checks comes back by time alone.
    health.traffic_hold = context.now + kTrafficHold;
  }
  // This owner's own evidence is there already.
  if (!endpoint.inherited) Confirm(endpoint, context);
}

void ServiceState::Inherit(const InheritedSliceInput& input, StepContext& context) {
  const Frame& frame = input.frame;
  const SliceVersion version{frame.epoch, frame.to};
  constexpr absl::string_view kGatewayPrefix = "gateway:";
  const absl::string_view source(input.source);
  if (source.substr(0, kGatewayPrefix.size()) == kGatewayPrefix) {
    asked_.erase(std::string(source.substr(kGatewayPrefix.size())));
  }
  const bool too_late = context.now - context.started > context.options.inherit_window;
  const bool usable = !too_late && version.epoch < table_.epoch() && version > best_inherited_ &&
                      !frame.entries.empty() && frame.base == 0;
  if (usable) {
    best_inherited_ = version;
    const bool rebase = version.revision > table_.revision();
    if (rebase) {
      table_.Inherit(version, frame.entries, frame.head ? frame.head->state : HeadState());
      for (auto& [id, endpoint] : endpoints_) endpoint.handle = 0;
    }
    const double whole = WholeFactor(frame);
    for (const FrameEntry& entry : frame.entries) AdoptEntry(entry, whole, rebase, context);
    for (auto& [id, endpoint] : endpoints_) {
      // The registered address is newer than the inherited one.
      if (endpoint.handle != 0) table_.SetInfo(endpoint.handle, endpoint.info);
    }
    RestartWindows(context.now);
    dirty_ = urgent_ = true;
    context.effects.events.push_back(
        {kEventServiceInherited,
         absl::StrCat("services/", id_),
         "controller",
         absl::StrCat(frame.entries.size(), " endpoints of ", id_, " taken over from ",
                      input.source),
         {{"epoch", absl::StrCat(frame.epoch)}, {"revision", absl::StrCat(frame.to)}}});
    EvaluateAll(context);
  }
  if (version >= best_asked_ || asked_.empty()) ReleaseHold(context);
}

void ServiceState::RaiseEpoch(uint64_t epoch, StepContext& context) {
  if (epoch <= table_.epoch()) return;
  table_.RaiseEpoch(epoch);
  dirty_ = urgent_ = true;
}

}  // namespace pointsman::controller
