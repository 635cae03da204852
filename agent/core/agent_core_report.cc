// The part of AgentCore that builds reports.

#include <algorithm>

#include "agent/core/agent_core.h"
#include "common/core/proto_time.h"

namespace pointsman::agent {

using common::MonotonicTime;

void AgentCore::On(const LoadInput& input, MonotonicTime now, absl::BitGenRef, AgentEffects& out) {
  BuildReport(input, now);
  if (!welcomed_) return;
  report_.set_sequence(NextId());
  ++counters_.reports;
  out.report = &report_;
}

void AgentCore::BuildReport(const LoadInput& load, MonotonicTime now) {
  report_.Clear();
  common::ToProto(std::max(now - last_report_, absl::Microseconds(1)), report_.mutable_window());
  last_report_ = now;
  const std::optional<double> cpu = host_cpu_.Take(load.host.cpu, now);
  v1::HostLoad* host = report_.mutable_host();
  if (cpu.has_value()) host->set_cpu_utilisation(static_cast<float>(std::clamp(*cpu, 0.0, 1.0)));
  if (const std::optional<double>& share = load.host.memory_share; share.has_value()) {
    host->set_memory_utilisation(static_cast<float>(std::clamp(*share, 0.0, 1.0)));
  }
  static const InstanceReading kNothing;
  for (size_t i = 0; i < instances_.size(); ++i) {
    const InstanceReading& reading = i < load.instances.size() ? load.instances[i] : kNothing;
    FillInstance(reading, instances_[i], now, report_.add_instances());
  }
}

void AgentCore::FillInstance(const InstanceReading& reading, InstanceSlot& slot, MonotonicTime now,
                             v1::InstanceReport* out) {
  for (const CheckSlot& check : slot.checks) check.machine.Fill(now, out->add_checks());
  out->set_process(ProcessStateOf(slot));
  out->set_restarts(slot.restarts);
  out->set_restart_budget_spent(slot.budget_spent);
  out->set_assignment_version(services_.at(slot.config.service).stream_version);
  v1::InstanceLoad* load = out->mutable_load();
  if (const std::optional<double> cpu = slot.cpu.Take(reading.cpu, now)) {
    load->set_cpu_utilisation(static_cast<float>(std::max(*cpu, 0.0)));
  }
  if (reading.memory_bytes.has_value()) load->set_memory_bytes(*reading.memory_bytes);
  const ServiceMetrics metrics = slot.metrics.Close();
  if (metrics.in_flight.has_value()) load->set_in_flight(static_cast<float>(*metrics.in_flight));
  if (metrics.queue_delay.has_value())
    common::ToProto(*metrics.queue_delay, load->mutable_queue_delay());
  if (metrics.utilisation.has_value()) {
    load->set_utilisation(static_cast<float>(*metrics.utilisation));
  }
  if (metrics.requests.has_value()) load->set_requests(*metrics.requests);
  if (metrics.errors.has_value()) load->set_errors(*metrics.errors);
}

v1::ProcessState AgentCore::ProcessStateOf(const InstanceSlot& slot) const {
  const RestartPolicy::State state = slot.restart.state();
  const bool running = slot.sight == ProcessInput::Sight::kRunning;
  if (state == RestartPolicy::State::kRunning ||
      (state == RestartPolicy::State::kSettling && !running)) {
    return v1::PROCESS_STATE_RESTARTING;
  }
  if (running) return v1::PROCESS_STATE_RUNNING;
  return slot.sight == ProcessInput::Sight::kGone ? v1::PROCESS_STATE_GONE
                                                  : v1::PROCESS_STATE_UNSPECIFIED;
}

}  // namespace pointsman::agent
