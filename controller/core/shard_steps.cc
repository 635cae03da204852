// ShardState: steps, and what spans services: time, configuration, epochs, freezes, limits.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/guard.h"
#include "controller/core/codes.h"
#include "controller/core/shard_core.h"
#include "controller/core/shard_state.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

// Agents and gateways that are gone this long are forgotten.
constexpr absl::Duration kForgetAgents = absl::Hours(25);
constexpr absl::Duration kForgetGateways = absl::Minutes(10);
constexpr absl::Duration kForgetPeriod = absl::Minutes(1);
// Mass silence: this share of the fleet, and at least so many agents, or a loop that lags.
constexpr double kSilenceBegins = 0.3;
constexpr double kSilenceEnds = 0.15;
constexpr uint32_t kSilenceAgents = 3;
constexpr absl::Duration kLagBegins = absl::Seconds(1);
constexpr absl::Duration kLagEnds = absl::Milliseconds(500);
constexpr absl::Duration kSilenceFreezeMax = absl::Minutes(5);
constexpr absl::Duration kTickPeriod = absl::Seconds(1);

}  // namespace

StepContext ShardState::Context(MonotonicTime now, Effects& effects) {
  return {now, start_, options_, counters_, effects, frozen_, silence_freeze_, &endpoints_};
}

Effects ShardState::Step(const Input& input, MonotonicTime now) {
  Effects effects;
  if (!started_) {
    started_ = true;
    start_ = now;
    had_earlier_owner_ = !options_.first_owner;
  }
  ++counters_.steps;
  StepContext context = Context(now, effects);
  std::visit([&](const auto& typed) { On(typed, context); }, input);
  FinishTouched(context);
  effects.wake_at = std::max(wake_at_, now);
  return effects;
}

void ShardState::FinishTouched(StepContext& context) {
  if (touch_all_) {
    touched_.clear();
    for (auto& [id, service] : services_) touched_.push_back(&service);
    touch_all_ = false;
  }
  // Effects come by service, whatever the order they were touched in.
  std::sort(touched_.begin(), touched_.end(),
            [](const ServiceState* a, const ServiceState* b) { return a->id() < b->id(); });
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  for (ServiceState* service : touched_) {
    service->Finish(context);
    wake_at_ = std::min(wake_at_, service->next_due());
  }
  for (const ServiceState* service : touched_) {
    if (service->idle()) Drop(service->id());
  }
  touched_.clear();
}

ServiceState& ShardState::Ensure(const std::string& id, StepContext& context) {
  auto it = services_.find(id);
  if (it != services_.end()) {
    touched_.push_back(&it->second);
    return it->second;
  }
  const auto retired = retired_.find(id);
  if (retired != retired_.end()) {
    it = services_.emplace(id, ServiceState(id, std::move(retired->second))).first;
    retired_.erase(retired);
    it->second.RaiseEpoch(epoch_, context);
  } else {
    it = services_.emplace(id, ServiceState(id, SliceTable(id, epoch_))).first;
  }
  if (had_earlier_owner_) it->second.QuietGrants(start_);
  touched_.push_back(&it->second);
  return it->second;
}

void ShardState::Drop(const std::string& id) {
  const auto it = services_.find(id);
  if (it->second.table().revision() > 0) retired_.emplace(id, it->second.TakeTable());
  services_.erase(it);
}

const ServiceState* ShardState::Configured(absl::string_view service) const {
  const auto it = services_.find(service);
  if (it == services_.end() || !it->second.configured()) return nullptr;
  return &it->second;
}

const ServiceState* ShardState::Served(absl::string_view service) const {
  const ServiceState* state = Configured(service);
  return state != nullptr && state->served() ? state : nullptr;
}

void ShardState::On(const TickInput&, StepContext& context) {
  wake_at_ = context.now + kTickPeriod;
  if (silence_freeze_ && context.now - silence_since_ >= kSilenceFreezeMax) {
    silence_freeze_spent_ = true;
    SetSilenceFreeze(false, "it lasted its longest", context);
  }
  for (auto& [id, service] : services_) {
    if (service.next_due() <= context.now) {
      service.Tick(context);
      touched_.push_back(&service);
    } else {
      wake_at_ = std::min(wake_at_, service.next_due());
    }
  }
  ForgetOld(context);
}

void ShardState::ForgetOld(StepContext& context) {
  if (context.now < forget_at_) return;
  forget_at_ = context.now + kForgetPeriod;
  registry_.Forget(kForgetAgents, context.now);
  for (auto it = gateways_.begin(); it != gateways_.end();) {
    if (it->second.connected || context.now - it->second.left < kForgetGateways) {
      ++it;
      continue;
    }
    for (auto& [id, service] : services_) service.ForgetGateway(it->second.ordinal);
    it = gateways_.erase(it);
  }
  if (registry_.size() < options_.limits.agents) told_agents_limit_ = false;
  if (gateways_.size() < options_.limits.gateways) told_gateways_limit_ = false;
}

void ShardState::LimitReached(const char* limit, uint32_t most, const std::string& name,
                              StepContext& context) {
  ++counters_.limit_reached;
  bool& told = limit == kLimitAgents ? told_agents_limit_ : told_gateways_limit_;
  if (told) return;
  told = true;
  context.effects.events.push_back(
      {kEventLimitReached,
       name,
       "controller",
       absl::StrCat(name, " and what comes after it is left out: at most ", most, " a shard"),
       {{"limit", limit}, {"most", absl::StrCat(most)}}});
}

void ShardState::On(const ConfigInput& input, StepContext& context) {
  std::map<std::string, OverrideMap> overrides;
  for (const v1::Override& message : input.config->overrides()) {
    const std::string service(BareServiceId(message.service()));
    overrides[service][message.endpoint()] =
        std::make_shared<const EndpointOverride>(OverrideFromConfig(message));
  }
  std::set<std::string> configured;
  for (const v1::Service& message : input.config->services()) {
    const std::string id(BareServiceId(message.name()));
    if (ShardOf(id, options_.shards) != options_.shard) continue;
    configured.insert(id);
    ServiceState& service = Ensure(id, context);
    const bool added = !service.configured();
    service.Configure(message, overrides[id], input.actor, context);
    if (!added) continue;
    for (const auto& [name, gateway] : gateways_) {
      for (const HeldSlice& held : gateway.held) {
        if (gateway.connected && held.service == id) {
          service.GatewayHolds(name, held.version, context);
        }
      }
    }
  }
  for (auto& [id, service] : services_) {
    if (!service.configured() || configured.count(id) > 0) continue;
    service.Unconfigure(input.actor, context);
    touched_.push_back(&service);
  }
}

void ShardState::On(const EpochInput& input, StepContext& context) {
  if (input.epoch <= epoch_) return;
  epoch_ = input.epoch;
  context.effects.events.push_back({kEventEpochRaised,
                                    "controller",
                                    "controller",
                                    absl::StrCat("the epoch is ", epoch_, " now"),
                                    {}});
  for (auto& [id, service] : services_) service.RaiseEpoch(epoch_, context);
  touch_all_ = true;
  for (const auto& [name, gateway] : gateways_) {
    for (const HeldSlice& held : gateway.held) {
      const auto it = services_.find(held.service);
      if (!gateway.connected || it == services_.end() || !it->second.configured()) continue;
      it->second.GatewayHolds(name, held.version, context);
    }
  }
}

void ShardState::SetSilenceFreeze(bool frozen, const char* why, StepContext& context) {
  if (silence_freeze_ == frozen || !common::Holds(common::Guard::kSilenceFreeze)) return;
  silence_freeze_ = frozen;
  silence_since_ = context.now;
  context.silence_freeze = frozen;
  context.effects.events.push_back(
      {frozen ? kEventFreezeBegan : kEventFreezeEnded,
       "controller",
       "controller",
       absl::StrCat(frozen ? "silence decides nothing for now: " : "silence counts again: ", why),
       {}});
}

void ShardState::On(const FleetInput& input, StepContext& context) {
  const double share =
      input.agents == 0 ? 0 : static_cast<double>(input.agents_silent) / input.agents;
  const bool many = input.agents_silent >= kSilenceAgents && share >= kSilenceBegins;
  const bool lags = input.loop_lag >= kLagBegins;
  const bool calm = share < kSilenceEnds && input.loop_lag < kLagEnds;
  if (calm) {
    silence_freeze_spent_ = false;
    SetSilenceFreeze(false, "agents are heard", context);
  } else if ((many || lags) && !silence_freeze_spent_) {
    SetSilenceFreeze(true, lags ? "this controller's own loop lags" : "many agents fell silent",
                     context);
  }
}

void ShardState::On(const FreezeInput& input, StepContext& context) {
  if (frozen_ == input.frozen) return;
  frozen_ = input.frozen;
  frozen_by_ = input.comment.empty() ? input.actor : absl::StrCat(input.actor, ": ", input.comment);
  context.frozen = frozen_;
  context.effects.events.push_back(
      {frozen_ ? kEventFreezeBegan : kEventFreezeEnded,
       "controller",
       input.actor,
       absl::StrCat(frozen_ ? "all tables are frozen" : "tables change again",
                    input.comment.empty() ? "" : ": ", input.comment),
       {}});
  if (frozen_) return;
  for (auto& [id, service] : services_) service.Thaw(context);
  touch_all_ = true;
}

std::string ShardState::freeze_cause() const {
  if (frozen_) return frozen_by_;
  if (silence_freeze_) return "controller: many agents silent at once, or its own loop lags";
  return "";
}

}  // namespace pointsman::controller
