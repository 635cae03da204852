// ShardState: what agents say.

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "controller/core/shard_core.h"
#include "controller/core/shard_state.h"

namespace pointsman::controller {

void ShardState::On(const AgentHelloInput& input, StepContext& context) {
  std::vector<InstanceInfo> dropped;
  const Registry::Outcome outcome =
      registry_.Hello(input, options_.limits.agents, context.now, &dropped);
  if (outcome == Registry::Outcome::kFull) {
    LimitReached(kLimitAgents, options_.limits.agents, absl::StrCat("agents/", input.agent),
                 context);
  }
  if (outcome != Registry::Outcome::kAccepted) return;
  for (const InstanceInfo& instance : dropped) {
    if (ShardOf(instance.service, options_.shards) != options_.shard) continue;
    Ensure(instance.service, context)
        .Deregister(instance.endpoint->id, input.agent, input.actor, context);
  }
  for (const InstanceInfo& instance : input.instances) {
    if (ShardOf(instance.service, options_.shards) != options_.shard) continue;
    Ensure(instance.service, context)
        .Register({&instance, input.agent, input.boot, input.actor}, context);
  }
  if (!input.leases.empty() && !had_earlier_owner_) QuietAll();
  for (const LeaseInfo& lease : input.leases) {
    if (ShardOf(lease.service, options_.shards) != options_.shard) continue;
    Ensure(lease.service, context).PresentLease(input.agent, lease, context);
  }
}

void ShardState::QuietAll() {
  had_earlier_owner_ = true;
  for (auto& [id, service] : services_) service.QuietGrants(start_);
}

void ShardState::Reclaim(const AgentReportInput& input, const AgentRecord& agent,
                         const InstanceSample& sample, ServiceState& service,
                         StepContext& context) {
  const InstanceInfo& instance = agent.instances[sample.instance];
  const auto it = service.endpoints().find(instance.endpoint->id);
  const bool free = it == service.endpoints().end() || service.CanTake(it->second, context);
  if (!free || context.frozen) return;
  service.Register({&instance, input.agent, agent.boot, agent.actor, true}, context);
}

void ShardState::On(const AgentReportInput& input, StepContext& context) {
  AgentRecord* agent = registry_.Find(input.agent, input.session);
  const auto it = services_.find(input.service);
  if (agent == nullptr || it == services_.end() || input.boot != agent->boot) {
    ++counters_.reports_stale;
    return;
  }
  if (input.sequence > agent->sequence) {
    if (agent->sequence > 0) agent->gaps.Add(context.now - agent->heard, kDefaultSilence);
    agent->sequence = input.sequence;
  }
  agent->heard = context.now;
  agent->report_interval = input.report_interval;
  touched_.push_back(&it->second);
  ++counters_.reports;
  for (const InstanceSample& sample : input.instances) {
    if (sample.instance >= agent->instances.size() ||
        agent->instances[sample.instance].service != input.service) {
      ++counters_.instances_unknown;
      continue;
    }
    const std::string& endpoint = agent->instances[sample.instance].endpoint->id;
    switch (it->second.Report(input, sample, endpoint, context)) {
      case ReportOutcome::kTaken:
        break;
      case ReportOutcome::kStale:
        ++counters_.reports_stale;
        break;
      case ReportOutcome::kNotOwner:
        Reclaim(input, *agent, sample, it->second, context);
        break;
    }
  }
}

void ShardState::On(const AgentGoneInput& input, StepContext&) {
  registry_.Gone(input.agent, input.session);
}

void ShardState::On(const RestartRequestInput& input, StepContext& context) {
  const AgentRecord* agent = registry_.Find(input.agent, input.session);
  if (agent == nullptr || input.instance >= agent->instances.size()) {
    ++counters_.instances_unknown;
    return;
  }
  const InstanceInfo& instance = agent->instances[input.instance];
  if (ShardOf(instance.service, options_.shards) != options_.shard) return;
  context.effects.restarts.push_back(
      Ensure(instance.service, context)
          .RequestRestart(input, instance.endpoint->id, agent->actor, context));
}

void ShardState::On(const RestartResultInput& input, StepContext& context) {
  const AgentRecord* agent = registry_.Find(input.agent, input.session);
  if (agent == nullptr) return;
  for (auto& [id, service] : services_) {
    if (service.EndRestart(input, agent->actor, context)) return;
  }
}

}  // namespace pointsman::controller
