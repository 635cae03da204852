#pragma once

// The agent's decisions: which check runs when, what a run means, when a report leaves and what is
// in it, when an instance is restarted, what the controller's commands change. It is told what
// happened (AgentInput) and answers what is to be done (AgentEffects); it does nothing itself.
//
// Reports have the same shape and leave in the same rhythm whether all is well or not; a check that
// changes state or a process that is gone makes one leave at once. Without a controller checks and
// restarts go on. Pure; thread-compatible, one owner thread.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/core/agent_config.h"
#include "agent/core/check.h"
#include "agent/core/load.h"
#include "agent/core/restart_policy.h"
#include "agent/core/saved_state.h"
#include "common/core/time.h"
#include "pointsman/v1/agent.pb.h"

namespace pointsman::agent {

// --- What the core is told.
struct TickInput {};  // Time passed: AgentCore::NextDue() is reached.
struct ConfigInput {  // The agent's file was read (again). REQUIRES: valid.
  AgentConfig config;
};
struct ProbeDoneInput {
  uint64_t token = 0;  // Of the ProbeEffect.
  RunResult run;
};
struct MetricsDoneInput {
  uint64_t token = 0;  // Of the MetricsEffect.
  absl::StatusOr<ServiceMetrics> metrics;
};
struct LoadInput {  // Answer to AgentEffects::sample.
  HostReading host;
  std::vector<InstanceReading> instances;  // In the order of the configuration.
};
struct ProcessInput {
  enum class Sight { kUnknown, kRunning, kGone };
  size_t instance = 0;
  Sight sight = Sight::kUnknown;
  int64_t pid = 0;     // kRunning.
  uint64_t start = 0;  // kRunning: when it started, in ticks since the host's boot; 0: not known.
};
struct StreamUpInput {};    // A stream to a controller stands: it wants Hello.
struct StreamDownInput {};  // It ended.
struct CommandInput {
  v1::AgentCommand command;
};
struct RestartDoneInput {
  size_t instance = 0;
  bool ok = false;
  std::string detail;
};
using AgentInput =
    std::variant<TickInput, ConfigInput, ProbeDoneInput, MetricsDoneInput, LoadInput, ProcessInput,
                 StreamUpInput, StreamDownInput, CommandInput, RestartDoneInput>;

// --- What is to be done.
struct ProbeEffect {  // Run a check; answer with ProbeDoneInput within its timeout.
  uint64_t token = 0;
  std::string address;
  std::shared_ptr<const v1::HealthCheck> what;
  absl::Duration timeout;
};
struct MetricsEffect {  // Fetch a service's metrics; answer with MetricsDoneInput.
  uint64_t token = 0;
  std::string url;
  absl::Duration timeout;
};
struct RestartEffect {  // Run an instance's action; answer with RestartDoneInput.
  size_t instance = 0;
  RestartAction action;
  std::string cause;
};
struct EventEffect {  // Something people want to read in the log.
  std::string name;   // Stable: "check.status".
  std::string subject;
  std::string detail;
};
struct AgentEffects {
  std::vector<ProbeEffect> probes;
  std::vector<MetricsEffect> metrics;
  std::vector<RestartEffect> restarts;
  std::vector<v1::AgentMessage> messages;   // In order, before `report`.
  const v1::AgentReport* report = nullptr;  // Owned by the core until the next Step().
  bool sample = false;                      // Read the load at once and answer with LoadInput.
  bool persist = false;                     // Save() and write the result to the state folder.
  std::vector<EventEffect> events;
};

// Read by metrics.
struct AgentCounters {
  uint64_t checks_passed = 0;
  uint64_t checks_failed = 0;
  uint64_t check_changes = 0;
  uint64_t reports = 0;
  uint64_t metrics_refused = 0;
  uint64_t commands_refused = 0;  // By us: unknown service, bad number.
  uint64_t messages_refused = 0;  // By the controller.
  uint64_t restarts_started = 0;
  uint64_t restarts_failed = 0;
};

class AgentCore {
 public:
  struct Options {
    std::string version;
    uint64_t boot_id = 0;  // Fresh; used unless `saved` has one. Not 0.
    RestartLimits restart;
    absl::Duration report_interval = absl::Seconds(1);  // Until a controller says another.
  };

  // `saved`: what an earlier agent of the same boot of the host left; absent: nothing.
  AgentCore(Options options, AgentConfig config, std::optional<SavedState> saved,
            common::MonotonicTime now, absl::BitGenRef random);

  // O(instances + checks).
  AgentEffects Step(const AgentInput& input, common::MonotonicTime now, absl::BitGenRef random);

  // When the next TickInput is due; may be in the past.
  common::MonotonicTime NextDue() const;

  SavedState Save() const;

  const AgentConfig& config() const { return config_; }
  const AgentCounters& counters() const { return counters_; }
  uint64_t boot_id() const { return boot_id_; }
  bool welcomed() const { return welcomed_; }
  absl::Duration report_interval() const { return report_interval_; }
  // Checks by status; index: v1::CheckStatus.
  std::vector<size_t> CheckCounts() const;

 private:
  struct CheckSlot {
    CheckSpec spec;
    CheckMachine machine;
    common::MonotonicTime due;
    common::MonotonicTime started;
    uint64_t token = 0;  // Of the run under way; 0: none.
  };
  struct InstanceSlot {
    InstanceConfig config;
    std::vector<CheckSlot> checks;
    CpuMeter cpu;
    MetricsWindow metrics;
    uint64_t metrics_token = 0;
    bool metrics_bad = false;  // The last answer was refused.
    ProcessInput::Sight sight = ProcessInput::Sight::kUnknown;
    int64_t pid = 0;
    uint64_t process_start = 0;
    common::MonotonicTime gone_at;
    RestartPolicy restart;
    uint64_t restarts = 0;
    bool budget_spent = false;
    std::string name() const { return config.service + "/" + config.id; }
  };
  struct ServiceSlot {
    v1::Assignment assignment;
    uint64_t stream_version = 0;  // 0: not from the stream that stands now.
    RestartBudget budget;
  };

  // One of these for each input.
  void On(const TickInput&, common::MonotonicTime now, absl::BitGenRef random, AgentEffects& out);
  void On(const ConfigInput&, common::MonotonicTime now, absl::BitGenRef random, AgentEffects& out);
  void On(const ProbeDoneInput&, common::MonotonicTime now, absl::BitGenRef random,
          AgentEffects& out);
  void On(const MetricsDoneInput&, common::MonotonicTime now, absl::BitGenRef random,
          AgentEffects& out);
  void On(const LoadInput&, common::MonotonicTime now, absl::BitGenRef random, AgentEffects& out);
  void On(const ProcessInput&, common::MonotonicTime now, absl::BitGenRef random,
          AgentEffects& out);
  void On(const StreamUpInput&, common::MonotonicTime now, absl::BitGenRef random,
          AgentEffects& out);
  void On(const StreamDownInput&, common::MonotonicTime now, absl::BitGenRef random,
          AgentEffects& out);
  void On(const CommandInput&, common::MonotonicTime now, absl::BitGenRef random,
          AgentEffects& out);
  void On(const RestartDoneInput&, common::MonotonicTime now, absl::BitGenRef random,
          AgentEffects& out);

  void OnWelcome(const v1::AgentWelcome& welcome, common::MonotonicTime now, AgentEffects& out);
  void OnAssignment(const v1::Assignment& assignment, common::MonotonicTime now,
                    absl::BitGenRef random, AgentEffects& out);
  void OnDecision(const v1::RestartDecision& decision, common::MonotonicTime now,
                  AgentEffects& out);
  void SetPace(const google::protobuf::Duration& interval);

  // Gives an instance its service's checks, keeping the state of those that had a name before.
  void AssignChecks(InstanceSlot& slot, common::MonotonicTime now, absl::BitGenRef random);
  void RestoreInstance(const SavedInstance& saved, InstanceSlot& slot, common::MonotonicTime now,
                       absl::BitGenRef random);
  void StartChecks(common::MonotonicTime now, absl::BitGenRef random, AgentEffects& out);
  void StartMetrics(common::MonotonicTime now, AgentEffects& out);
  void DecideRestarts(common::MonotonicTime now, absl::BitGenRef random, AgentEffects& out);
  void TellBudget(InstanceSlot& slot, const RestartBudget& budget, common::MonotonicTime now,
                  AgentEffects& out);
  void FinishRestart(InstanceSlot& slot, common::MonotonicTime now, absl::BitGenRef random,
                     AgentEffects& out);
  RestartView ViewOf(const InstanceSlot& slot, common::MonotonicTime now) const;
  void VoidChecks(InstanceSlot& slot, common::MonotonicTime now);

  void SendHello(common::MonotonicTime now, AgentEffects& out);
  void BuildReport(const LoadInput& load, common::MonotonicTime now);
  void FillInstance(const InstanceReading& reading, InstanceSlot& slot, common::MonotonicTime now,
                    v1::InstanceReport* out);
  v1::ProcessState ProcessStateOf(const InstanceSlot& slot) const;
  // Ascending within the boot id; asks for Save() before the reserved range is used up.
  uint64_t NextId();

  const Options options_;
  AgentConfig config_;
  uint64_t boot_id_;
  uint64_t last_id_ = 0;
  uint64_t reserved_id_ = 0;
  uint64_t last_token_ = 0;
  std::vector<InstanceSlot> instances_;
  std::map<std::string, ServiceSlot> services_;
  CpuMeter host_cpu_;
  bool stream_up_ = false;
  bool welcomed_ = false;
  common::MonotonicTime alone_since_;
  std::string store_id_;
  absl::Duration report_interval_;
  common::MonotonicTime report_due_;
  common::MonotonicTime metrics_due_;
  common::MonotonicTime last_report_;
  common::MonotonicTime persist_due_;
  common::MonotonicTime last_step_;
  bool report_now_ = false;
  bool persist_now_ = false;
  v1::AgentReport report_;
  AgentCounters counters_;
};

}  // namespace pointsman::agent
