#pragma once

// A host: a simulated server and the real agent core beside it. What the core asks for is done
// here: checks ask the server (without a place in its queue: a health page is cheap, and it knows
// nothing of grey errors and fast failures), its metrics are the server's counters, its CPU is
// the share of busy slots, and messages go to the controller while a stream stands. Checks and
// metrics are of the same host, so the network has no part in them.
// Thread-compatible; borrows what it is given.

#include <cstdint>
#include <random>
#include <string>

#include "agent/core/agent_core.h"
#include "sim/event_queue.h"
#include "sim/server.h"
#include "sim/world/options.h"
#include "sim/world/wires.h"

namespace pointsman::sim {

std::string EndpointId(size_t index);       // "e7".
std::string EndpointAddress(size_t index);  // Of 2^24, each another.

class Host {
 public:
  // How long a check takes at speed 1.
  static constexpr absl::Duration kCheckTime = absl::Milliseconds(1);
  // From the agent's decision to a process that runs.
  static constexpr absl::Duration kRestartTakes = absl::Seconds(1);

  Host(EventQueue& queue, ControlWires& wires, size_t index, const EndpointSpec& spec,
       uint64_t seed);
  // Events refer to this.
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void OnStreamUp() { Step(agent::StreamUpInput{}); }
  void OnStreamDown() { Step(agent::StreamDownInput{}); }
  void OnCommand(v1::AgentCommand command) { Step(agent::CommandInput{std::move(command)}); }
  // On top of the endpoint's own share of errors. Also tells the agent that the process is gone or
  // another, if it watches it.
  void SetFaults(ServerFaults faults);
  // The agent's file says that the endpoint leaves, or does not.
  void SetDraining(bool draining);

  Server& server() { return server_; }
  const agent::AgentCore& agent() const { return core_; }

 private:
  // The agent's clock, and when it shows `own`.
  common::MonotonicTime OwnNow() const;
  common::MonotonicTime WhenOwn(common::MonotonicTime own) const;
  void Step(const agent::AgentInput& input);
  void Apply(const agent::AgentEffects& effects);
  struct Check {
    uint64_t token = 0;
    common::MonotonicTime began;
    absl::Duration timeout;
  };
  void RunCheck(const agent::ProbeEffect& probe);
  void StepCheck(const Check& check);
  void ReadMetrics(const agent::MetricsEffect& fetch);
  void Restart(size_t instance);
  agent::LoadInput Load();
  void ArmTick();

  EventQueue& queue_;
  ControlWires& wires_;
  const size_t index_;
  const EndpointSpec spec_;
  Server server_;
  std::mt19937_64 random_;
  agent::AgentCore core_;
  int64_t pid_ = 1;
  EventQueue::EventId tick_ = EventQueue::kNoEvent;
  common::MonotonicTime tick_at_ = common::MonotonicTime::Infinite();
};

}  // namespace pointsman::sim
