#pragma once

// The agent as a whole: one thread turns the loop in which the core decides and the doors (prober,
// sampler, process watch, restart runner, controller stream, state file) do. No policy here.
//
// Thread-compatible; Run() belongs to one thread, RequestStop() and the metrics to any.

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/core/agent_core.h"
#include "agent/load/sampler.h"
#include "common/clock.h"
#include "common/metrics.h"
#include "common/signals.h"

namespace grpc {
class Channel;
}

namespace pointsman::agent {

struct AgentOptions {
  AgentConfig config;
  std::string config_path;  // Read again on SIGHUP; empty: not.
  std::string id_override;  // Counts more than the file's id; empty: none.
  std::string state_dir;    // Made if it is not there.
  SamplerOptions sampler;
  RestartLimits restart;
  std::shared_ptr<grpc::Channel> channel;  // Null: no controller, checks and restarts only.
  common::Signals* signals = nullptr;      // Null: only RequestStop() ends Run().
};

// The name the agent goes by: `id_override`, else the file's, else the host's.
void ResolveId(const std::string& id_override, AgentConfig& config);

class Agent {
 public:
  // FailedPrecondition: another agent uses the state folder. Unavailable, PermissionDenied: the
  // folder. Internal: libcurl. `clock` and `registry` must outlive the agent.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(AgentOptions options,
                                                       const common::Clock& clock,
                                                       common::Registry& registry);
  virtual ~Agent() = default;

  // Until SIGTERM, SIGINT or RequestStop(). Services run on.
  virtual void Run() = 0;
  virtual void RequestStop() = 0;
  // The loop turned within the last seconds: for /readyz and the watchdog. Thread-safe.
  virtual bool alive() const = 0;
};

}  // namespace pointsman::agent
