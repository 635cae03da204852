// ServiceState: who belongs to the service, by configuration and by agents, and restart grants.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "controller/core/frame_proto.h"
#include "controller/core/registry.h"
#include "controller/core/service_state.h"
#include "pointsman/v1/service.pb.h"

namespace pointsman::controller {

using common::MonotonicTime;

ServiceState::ServiceState(std::string id, SliceTable table)
    : id_(std::move(id)), table_(std::move(table)) {}

std::string ServiceState::NameOf(const EndpointState& endpoint) const {
  return absl::StrCat("services/", id_, "/endpoints/", endpoint.info->id);
}

EndpointState& ServiceState::AddEndpoint(EndpointInfoPtr info, StepContext& context) {
  EndpointState& endpoint = endpoints_[info->id];
  endpoint.info = std::move(info);
  endpoint.heard = context.now;
  endpoint.grace_until = context.now;
  endpoint.health.since = context.now;
  endpoint.weight = endpoint.info->capacity * mean_factor_;
  const auto found = overrides_.find(endpoint.info->id);
  if (found != overrides_.end()) endpoint.override = found->second;
  next_due_ = std::min(next_due_, context.now + policy_.weights.control_period);
  dirty_ = true;
  ++*context.endpoints;
  return endpoint;
}

void ServiceState::RemoveEndpoint(const std::string& id, const std::string& actor, const char* why,
                                  StepContext& context) {
  const auto it = endpoints_.find(id);
  if (it == endpoints_.end()) return;
  if (it->second.handle != 0) table_.Remove(it->second.handle);
  context.effects.events.push_back({kEventEndpointDeregistered,
                                    NameOf(it->second),
                                    actor,
                                    absl::StrCat(id, " left ", id_, ": ", why),
                                    {{"agent", it->second.agent}}});
  endpoints_.erase(it);
  --*context.endpoints;
  counted_.reset();
  dirty_ = urgent_ = true;
}

// False: no endpoint more. An event says so once; ForgetLimits() ends that.
bool ServiceState::RoomForOne(const Registration& registration, StepContext& context) {
  const ShardLimits& limits = context.options.limits;
  const bool service_full = endpoints_.size() >= limits.endpoints_per_service;
  if (!service_full && *context.endpoints < limits.endpoints) return true;
  if (!registration.again) ++context.counters.limit_reached;
  bool& told = service_full ? told_service_limit_ : told_shard_limit_;
  if (told) return false;
  told = true;
  const uint32_t most = service_full ? limits.endpoints_per_service : limits.endpoints;
  context.effects.events.push_back(
      {kEventLimitReached,
       absl::StrCat("services/", id_),
       registration.actor,
       absl::StrCat(registration.instance->endpoint->id, " and what comes after it is left out of ",
                    id_, ": at most ", most, service_full ? " endpoints a service" : " a shard"),
       {{"limit", service_full ? kLimitServiceEndpoints : kLimitShardEndpoints},
        {"most", absl::StrCat(most)},
        {"agent", registration.agent}}});
  return false;
}

void ServiceState::ForgetLimits(const StepContext& context) {
  const ShardLimits& limits = context.options.limits;
  if (endpoints_.size() < limits.endpoints_per_service) told_service_limit_ = false;
  if (*context.endpoints < limits.endpoints) told_shard_limit_ = false;
}

void ServiceState::ConfigureStatic(const v1::Service& service, const std::string& actor,
                                   StepContext& context) {
  std::set<std::string> named;
  for (const v1::Endpoint& message : service.endpoints()) {
    EndpointInfoPtr info = EndpointFromProto(message);
    named.insert(info->id);
    const auto it = endpoints_.find(info->id);
    const bool added = it == endpoints_.end();
    EndpointState& endpoint = added ? AddEndpoint(info, context) : it->second;
    if (added) {
      context.effects.events.push_back(
          {kEventEndpointRegistered,
           NameOf(endpoint),
           actor,
           absl::StrCat(info->id, " joined ", id_, " at ", info->address),
           {{"address", info->address}}});
    }
    endpoint.is_static = true;
    endpoint.agent.clear();
    endpoint.draining = false;
    if (!(*endpoint.info == *info)) {
      endpoint.info = std::move(info);
      if (endpoint.handle != 0) table_.SetInfo(endpoint.handle, endpoint.info);
      dirty_ = urgent_ = true;
    }
  }
  std::vector<std::string> gone;
  for (const auto& [id, endpoint] : endpoints_) {
    if (endpoint.is_static && named.count(id) == 0) gone.push_back(id);
  }
  for (const std::string& id : gone) {
    RemoveEndpoint(id, actor, "taken out of the configuration", context);
  }
}

void ServiceState::ConfigureOverrides(const OverrideMap& overrides, StepContext& context) {
  overrides_ = overrides;
  counted_.reset();
  for (auto& [id, endpoint] : endpoints_) {
    const auto found = overrides_.find(id);
    endpoint.override = found == overrides_.end() ? nullptr : found->second;
  }
}

void ServiceState::Configure(const v1::Service& service, const OverrideMap& overrides,
                             const std::string& actor, StepContext& context) {
  if (!configured_) {
    configured_ = true;
    dirty_ = true;
    context.effects.events.push_back({kEventServiceAdded,
                                      absl::StrCat("services/", id_),
                                      actor,
                                      absl::StrCat(id_, " is configured"),
                                      {}});
  }
  policy_ = PolicyFromConfig(service);
  urgent_ = true;
  ConfigureStatic(service, actor, context);
  ConfigureOverrides(overrides, context);
  for (auto& [id, endpoint] : endpoints_) RefreshWeight(endpoint, context);
  EvaluateAll(context);
  next_due_ = MonotonicTime();
}

void ServiceState::Unconfigure(const std::string& actor, StepContext& context) {
  if (!configured_) return;
  configured_ = false;
  context.effects.removed_services.push_back(id_);
  context.effects.events.push_back({kEventServiceRemoved,
                                    absl::StrCat("services/", id_),
                                    actor,
                                    absl::StrCat(id_, " is no longer configured"),
                                    {}});
  std::vector<std::string> gone;
  for (const auto& [id, endpoint] : endpoints_) {
    if (endpoint.agent.empty()) gone.push_back(id);
  }
  for (const std::string& id : gone) RemoveEndpoint(id, actor, "the service was removed", context);
  ConfigureOverrides({}, context);
}

bool ServiceState::OwnerLives(const EndpointState& endpoint, const StepContext& context) const {
  if (endpoint.is_static) return true;
  if (endpoint.agent.empty()) return false;
  return context.now - endpoint.heard <
         SilenceLimit(policy_.health.silent_after, endpoint.report_interval, endpoint.gaps);
}

bool ServiceState::Register(const Registration& registration, StepContext& context) {
  const InstanceInfo& instance = *registration.instance;
  const std::string& id = instance.endpoint->id;
  const auto it = endpoints_.find(id);
  const bool added = it == endpoints_.end();
  if (added && !RoomForOne(registration, context)) return false;
  if (!added && it->second.agent != registration.agent && OwnerLives(it->second, context)) {
    context.effects.events.push_back(
        {kEventEndpointConflict,
         NameOf(it->second),
         registration.actor,
         absl::StrCat(registration.agent, " claims ", id, ", which ",
                      it->second.is_static ? std::string("the configuration") : it->second.agent,
                      " speaks for"),
         {{"agent", registration.agent}, {"owner", it->second.agent}}});
    return false;
  }
  EndpointState& endpoint = added ? AddEndpoint(instance.endpoint, context) : it->second;
  const bool new_owner = endpoint.agent != registration.agent;
  if (new_owner || endpoint.boot != registration.boot) {
    endpoint.boot = registration.boot;
    endpoint.sequence = 0;
    endpoint.reported = false;
    endpoint.checks_current = false;
    endpoint.gaps = {};
    endpoint.last_report = MonotonicTime();
  }
  endpoint.agent = registration.agent;
  endpoint.heard = context.now;
  endpoint.draining = instance.draining;
  endpoint.restartable = instance.restartable;
  endpoint.leaving = false;
  if (!(*endpoint.info == *instance.endpoint)) {
    // Of another address, what was seen says nothing.
    if (endpoint.info->address != instance.endpoint->address) {
      endpoint.traffic.ForgetEvidence(context.now);
      endpoint.traffic.ForgetUsual();
    }
    endpoint.info = instance.endpoint;
    if (endpoint.handle != 0) table_.SetInfo(endpoint.handle, endpoint.info);
    dirty_ = urgent_ = true;
  }
  if (added || new_owner) {
    context.effects.events.push_back(
        {kEventEndpointRegistered,
         NameOf(endpoint),
         registration.actor,
         absl::StrCat(id, added ? " joined " : " is confirmed in ", id_, " at ",
                      endpoint.info->address),
         {{"agent", registration.agent}, {"address", endpoint.info->address}}});
  }
  RefreshWeight(endpoint, context);
  Evaluate(endpoint, context);
  return true;
}

void ServiceState::Deregister(absl::string_view id, const std::string& agent,
                              const std::string& actor, StepContext& context) {
  const auto it = endpoints_.find(id);
  if (it == endpoints_.end() || it->second.agent != agent || it->second.is_static) return;
  if (context.frozen) {
    it->second.leaving = true;
    return;
  }
  RemoveEndpoint(it->first, actor, "its agent no longer names it", context);
}

void ServiceState::DeregisterSilent(StepContext& context) {
  if (context.frozen || context.silence_freeze) return;
  std::vector<std::string> leaving;
  std::vector<std::string> overdue;
  bool any_alive = false;
  for (const auto& [id, endpoint] : endpoints_) {
    const bool lives = OwnerLives(endpoint, context);
    if (endpoint.leaving || (endpoint.draining && !lives)) {
      leaving.push_back(id);
    } else if (lives || endpoint.traffic.alive(context.now)) {
      any_alive = true;
    } else if (context.now - endpoint.heard >= policy_.health.deregister_after) {
      overdue.push_back(id);
    }
  }
  for (const std::string& id : leaving) {
    RemoveEndpoint(id, "controller", "it was taken away by its agent", context);
  }
  // Silence never empties a set: what is known last is better than nothing.
  if (!any_alive) return;
  for (const std::string& id : overdue) {
    RemoveEndpoint(id, "controller", "nothing was heard of it for too long", context);
  }
}

void ServiceState::PresentLease(const std::string& agent, const LeaseInfo& lease,
                                StepContext& context) {
  grants_.Present(policy_.recovery, {agent, lease.request_id}, lease.endpoint, lease.remaining,
                  context.now);
}

void ServiceState::QuietGrants(MonotonicTime started) {
  grants_.QuietUntil(started + policy_.recovery.grant_lease);
}

RestartDecisionOut ServiceState::RequestRestart(const RestartRequestInput& input,
                                                absl::string_view endpoint_id,
                                                const std::string& actor, StepContext& context) {
  RestartDecisionOut out;
  out.agent = input.agent;
  out.session = input.session;
  out.request_id = input.request_id;
  const auto it = endpoints_.find(endpoint_id);
  if (it == endpoints_.end() || it->second.agent != input.agent) {
    out.cause = "the agent does not speak for this endpoint";
    out.duration = absl::Seconds(10);
    ++context.counters.grants_refused;
    return out;
  }
  const GrantDecision decision =
      grants_.Request(policy_.recovery, {input.agent, input.request_id}, endpoint_id,
                      static_cast<uint32_t>(endpoints_.size()), context.now);
  out.granted = decision.granted;
  out.duration = decision.duration;
  out.cause = decision.cause;
  ++(decision.granted ? context.counters.grants : context.counters.grants_refused);
  context.effects.events.push_back(
      {decision.granted ? kEventRestartGranted : kEventRestartRefused,
       NameOf(it->second),
       actor,
       absl::StrCat(decision.granted ? "restart granted: " : "restart refused: ",
                    decision.granted ? input.cause : out.cause),
       {{"cause", input.cause},
        {"held", absl::StrCat(decision.held)},
        {"allowed", absl::StrCat(decision.allowed)},
        {"duration", absl::FormatDuration(decision.duration)}}});
  next_due_ = std::min(next_due_, context.now + decision.duration);
  return out;
}

bool ServiceState::EndRestart(const RestartResultInput& input, const std::string& actor,
                              StepContext& context) {
  std::string endpoint;
  if (!grants_.End({input.agent, input.request_id}, &endpoint)) return false;
  context.effects.events.push_back(
      {kEventRestartEnded,
       absl::StrCat("services/", id_, "/endpoints/", endpoint),
       actor,
       input.succeeded ? "restart succeeded" : absl::StrCat("restart failed: ", input.detail),
       {{"succeeded", input.succeeded ? "true" : "false"}, {"detail", input.detail}}});
  return true;
}

}  // namespace pointsman::controller
