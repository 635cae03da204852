// ShardState: what gateways say, and slices of earlier owners.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "controller/core/shard_core.h"
#include "controller/core/shard_state.h"

namespace pointsman::controller {

uint32_t ShardState::OrdinalOf(const std::string& gateway, uint64_t session) const {
  const auto it = gateways_.find(gateway);
  if (it == gateways_.end() || it->second.session != session) return 0;
  return it->second.ordinal;
}

void ShardState::On(const GatewayHelloInput& input, StepContext& context) {
  auto it = gateways_.find(input.gateway);
  if (it == gateways_.end()) {
    if (gateways_.size() >= options_.limits.gateways) {
      LimitReached(kLimitGateways, options_.limits.gateways,
                   absl::StrCat("gateways/", input.gateway), context);
      return;
    }
    it = gateways_.emplace(input.gateway, GatewayRecord{}).first;
    it->second.ordinal = next_gateway_++;
  } else if (input.session <= it->second.session) {
    return;
  }
  GatewayRecord& gateway = it->second;
  gateway.session = input.session;
  gateway.connected = true;
  gateway.held.clear();
  for (const HeldSlice& held : input.held) {
    if (ShardOf(held.service, options_.shards) != options_.shard) continue;
    gateway.held.push_back(held);
    if (held.version.epoch < epoch_ && held.version.revision > 0 && !had_earlier_owner_) {
      QuietAll();
    }
    if (held.version.epoch > epoch_) {
      context.effects.epoch_seen = std::max(context.effects.epoch_seen, held.version.epoch);
    }
    const auto service = services_.find(held.service);
    if (service == services_.end() || !service->second.configured()) continue;
    touched_.push_back(&service->second);
    service->second.GatewayHolds(input.gateway, held.version, context);
    service->second.Acked(gateway.ordinal, held.version, context);
  }
}

void ShardState::On(const GatewayGoneInput& input, StepContext& context) {
  const auto it = gateways_.find(input.gateway);
  if (it == gateways_.end() || it->second.session != input.session) return;
  it->second.connected = false;
  it->second.left = context.now;
  it->second.held.clear();
  for (auto& [id, service] : services_) {
    service.GatewayLeft(input.gateway, it->second.ordinal);
  }
}

void ShardState::On(const AckInput& input, StepContext& context) {
  const uint32_t ordinal = OrdinalOf(input.gateway, input.session);
  if (ordinal == 0) return;
  for (const HeldSlice& slice : input.slices) {
    const auto it = services_.find(slice.service);
    if (it == services_.end()) continue;
    touched_.push_back(&it->second);
    it->second.Acked(ordinal, slice.version, context);
  }
}

void ShardState::On(const ObservationsInput& input, StepContext& context) {
  const uint32_t ordinal = OrdinalOf(input.gateway, input.session);
  const auto it = services_.find(input.service);
  if (ordinal == 0 || it == services_.end()) {
    ++counters_.observations_stale;
    return;
  }
  ++counters_.observations;
  touched_.push_back(&it->second);
  it->second.Observe(input, ordinal, context);
}

void ShardState::On(const InheritedSliceInput& input, StepContext& context) {
  const std::string& id = input.frame.service;
  if (ShardOf(id, options_.shards) != options_.shard) return;
  const auto it = services_.find(id);
  if (it == services_.end() || !it->second.configured()) return;
  if (!had_earlier_owner_) QuietAll();
  touched_.push_back(&it->second);
  it->second.Inherit(input, context);
}

}  // namespace pointsman::controller
