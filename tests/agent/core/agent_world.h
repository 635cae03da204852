#pragma once

// A world for AgentCore: plays its shell with simulated time, probes and metrics.
// Thread-compatible.

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "agent/core/agent_core.h"
#include "common/core/proto_time.h"

namespace pointsman::agent {

using common::MonotonicTime;
using Sight = ProcessInput::Sight;

inline AgentConfig Config() {
  AgentConfig config;
  config.id = "host-7";
  config.region = "eu";
  config.zone = "a";
  InstanceConfig& web = config.instances.emplace_back();
  web.service = "web";
  web.id = "web-1";
  web.address = "127.0.0.1:8080";
  web.labels["version"] = "3";
  web.metrics_url = "http://127.0.0.1:8080/metrics.json";
  web.restart = RestartAction{.argv = {"/bin/true"}, .output = "", .directory = ""};
  InstanceConfig& api = config.instances.emplace_back();
  api.service = "api";
  api.id = "api-1";
  api.address = "127.0.0.1:8081";
  return config;
}

inline v1::AgentCommand Assign(const std::string& service, uint64_t version) {
  v1::AgentCommand command;
  v1::Assignment* assignment = command.mutable_assignment();
  assignment->set_service(service);
  assignment->set_version(version);
  assignment->set_configured(true);
  v1::HealthCheck* check = assignment->add_checks();
  check->mutable_http()->set_path("/health");
  return command;
}

// Plays the shell: time passes in steps to what is due, probes are answered by `answer`.
class World {
 public:
  explicit World(std::optional<SavedState> saved = std::nullopt, AgentConfig config = Config())
      : core_({.version = "test", .boot_id = 9, .restart = {}}, std::move(config), std::move(saved),
              now_, random_) {}

  AgentEffects Step(AgentInput input) {
    AgentEffects effects = core_.Step(input, now_, random_);
    for (const ProbeEffect& probe : effects.probes) probes_.push_back(probe);
    for (const MetricsEffect& fetch : effects.metrics) fetches_.push_back(fetch);
    for (const RestartEffect& restart : effects.restarts) restarts_.push_back(restart);
    for (const v1::AgentMessage& message : effects.messages) messages_.push_back(message);
    for (const EventEffect& event : effects.events) events_.push_back(event.name);
    if (effects.report != nullptr) reports_.push_back(*effects.report);
    if (effects.persist) saved_ = core_.Save();
    if (effects.sample) {
      LoadInput load;
      load.host.cpu = CpuReading{.used_seconds = 0.25 * Seconds(), .available_seconds = Seconds()};
      load.host.memory_share = 0.5;
      load.instances.resize(core_.config().instances.size());
      Step(std::move(load));
    }
    return effects;
  }

  // Runs for `duration`; every probe ends after `latency_` with `failure_`.
  void Run(absl::Duration duration) {
    const MonotonicTime end = now_ + duration;
    while (true) {
      std::vector<ProbeEffect> probes = std::exchange(probes_, {});
      if (!probes.empty()) now_ = now_ + latency_;
      for (const ProbeEffect& probe : probes) {
        ++runs_;
        Step(ProbeDoneInput{probe.token, {.failure = failure_, .latency = latency_, .detail = ""}});
      }
      for (const MetricsEffect& fetch : std::exchange(fetches_, {})) {
        Step(MetricsDoneInput{fetch.token, metrics_});
      }
      const MonotonicTime due = std::max(core_.NextDue(), now_ + absl::Microseconds(1));
      if (due > end) break;
      now_ = due;
      Step(TickInput{});
    }
    now_ = end;
  }

  void Command(const v1::AgentCommand& command) { Step(CommandInput{command}); }

  void Connect(uint64_t version = 1) {
    Step(StreamUpInput{});
    v1::AgentCommand welcome;
    welcome.mutable_welcome()->set_store_id("store-1");
    Command(welcome);
    Command(Assign("web", version));
    Command(Assign("api", version));
  }

  double Seconds() const { return static_cast<double>(now_.micros()) / 1e6; }
  const v1::InstanceReport& Web() const { return reports_.back().instances(0); }
  v1::CheckStatus WebStatus() const { return Web().checks(0).status(); }
  bool Saw(const std::string& event) const {
    return std::find(events_.begin(), events_.end(), event) != events_.end();
  }
  const v1::AgentMessage& Last() const { return messages_.back(); }

  MonotonicTime now_ = MonotonicTime::FromMicros(1'000'000'000);
  std::mt19937_64 random_{1};
  v1::CheckFailure failure_ = v1::CHECK_FAILURE_UNSPECIFIED;
  absl::Duration latency_ = absl::Milliseconds(2);
  absl::StatusOr<ServiceMetrics> metrics_ = ServiceMetrics{};
  std::vector<ProbeEffect> probes_;
  std::vector<MetricsEffect> fetches_;
  std::vector<RestartEffect> restarts_;
  std::vector<v1::AgentMessage> messages_;
  std::vector<v1::AgentReport> reports_;
  std::vector<std::string> events_;
  SavedState saved_;
  int runs_ = 0;
  AgentCore core_;
};

}  // namespace pointsman::agent
