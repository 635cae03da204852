#include "controller/core/registry.h"

#include <algorithm>
#include <set>
#include <utility>

namespace pointsman::controller {

using common::MonotonicTime;

Registry::Outcome Registry::Hello(const AgentHelloInput& input, uint32_t agents_max,
                                  MonotonicTime now, std::vector<InstanceInfo>* dropped) {
  auto it = agents_.find(input.agent);
  if (it == agents_.end()) {
    if (agents_.size() >= agents_max) return Outcome::kFull;
    it = agents_.emplace(input.agent, AgentRecord{}).first;
  } else if (input.session <= it->second.session) {
    return Outcome::kStale;
  }
  AgentRecord& agent = it->second;
  std::set<std::pair<absl::string_view, absl::string_view>> named;
  for (const InstanceInfo& instance : input.instances) {
    named.emplace(instance.service, instance.endpoint->id);
  }
  for (InstanceInfo& instance : agent.instances) {
    if (named.count({instance.service, instance.endpoint->id}) == 0) {
      dropped->push_back(std::move(instance));
    }
  }
  if (agent.boot != input.boot) {
    agent.gaps = {};
    agent.sequence = 0;
  }
  agent.boot = input.boot;
  agent.session = input.session;
  agent.connected = true;
  agent.heard = now;
  agent.actor = input.actor;
  agent.instances = input.instances;
  return Outcome::kAccepted;
}

AgentRecord* Registry::Find(const std::string& agent, uint64_t session) {
  const auto it = agents_.find(agent);
  if (it == agents_.end() || it->second.session != session) return nullptr;
  return &it->second;
}

bool Registry::Gone(const std::string& agent, uint64_t session) {
  AgentRecord* record = Find(agent, session);
  if (record == nullptr) return false;
  record->connected = false;
  return true;
}

void Registry::Forget(absl::Duration age, MonotonicTime now) {
  for (auto it = agents_.begin(); it != agents_.end();) {
    const bool old = !it->second.connected && now - it->second.heard > age;
    it = old ? agents_.erase(it) : std::next(it);
  }
}

void Registry::Count(Counts counts, absl::Duration silent_after, MonotonicTime now,
                     uint32_t* agents, uint32_t* silent) const {
  *agents = *silent = 0;
  for (const auto& [id, agent] : agents_) {
    const bool here = std::any_of(
        agent.instances.begin(), agent.instances.end(),
        [&, &name = id](const InstanceInfo& instance) { return counts(name, instance); });
    if (!here) continue;
    ++*agents;
    const absl::Duration limit = SilenceLimit(silent_after, agent.report_interval, agent.gaps);
    if (now - agent.heard >= limit) ++*silent;
  }
}

}  // namespace pointsman::controller
