#include "sim/world/host.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace pointsman::sim {
namespace {

using agent::AgentConfig;
using agent::AgentCore;

AgentConfig ConfigOf(size_t index, const EndpointSpec& spec) {
  AgentConfig config;
  config.id = absl::StrCat("agent-", index);
  agent::InstanceConfig& instance = config.instances.emplace_back();
  instance.service = kService;
  instance.id = EndpointId(index);
  instance.address = EndpointAddress(index);
  instance.metrics_url = absl::StrCat("http://", instance.address, "/metrics");
  if (spec.restartable) {
    instance.restart.emplace();
    instance.restart->argv = {"/restart"};  // Only said: Restart() does it.
  }
  return config;
}

// How often a check looks whether a pause is over.
constexpr absl::Duration kPauseLook = absl::Milliseconds(10);

AgentCore::Options CoreOptions(size_t index) {
  AgentCore::Options options;
  options.version = "simulated";
  options.boot_id = index + 1;
  return options;
}

ServerOptions ServerOptionsOf(const EndpointSpec& spec) {
  ServerOptions options;
  options.concurrency = spec.concurrency;
  options.speed = spec.speed;
  return options;
}

}  // namespace

std::string EndpointId(size_t index) { return absl::StrCat("e", index); }

std::string EndpointAddress(size_t index) {
  return absl::StrCat("10.", index >> 16 & 255, ".", index >> 8 & 255, ".", index & 255, ":8080");
}

Host::Host(EventQueue& queue, ControlWires& wires, size_t index, const EndpointSpec& spec,
           uint64_t seed)
    : queue_(queue),
      wires_(wires),
      index_(index),
      spec_(spec),
      server_(queue, ServerOptionsOf(spec)),
      random_(seed),
      core_(CoreOptions(index), ConfigOf(index, spec), std::nullopt, OwnNow(), random_) {
  SetFaults({});
  if (spec_.process_watched) {
    Step(agent::ProcessInput{0, agent::ProcessInput::Sight::kRunning, pid_, 0});
  }
  ArmTick();
}

void Host::SetFaults(ServerFaults faults) {
  faults.grey_error_share = std::max(faults.grey_error_share, spec_.error_share);
  const bool was_crashed = server_.faults().crashed;
  server_.SetFaults(faults);
  if (!spec_.process_watched || was_crashed == faults.crashed) return;
  if (faults.crashed) {
    Step(agent::ProcessInput{0, agent::ProcessInput::Sight::kGone, 0, 0});
  } else {
    Step(agent::ProcessInput{0, agent::ProcessInput::Sight::kRunning, ++pid_, 0});
  }
}

void Host::SetDraining(bool draining) {
  AgentConfig config = ConfigOf(index_, spec_);
  config.instances[0].draining = draining;
  Step(agent::ConfigInput{std::move(config)});
}

void Host::Restart(size_t instance) {
  wires_.OnRestart(index_, /*begins=*/true);
  queue_.After(kRestartTakes, [this, instance] {
    wires_.OnRestart(index_, /*begins=*/false);
    Step(agent::RestartDoneInput{instance, /*ok=*/true, ""});
  });
}

common::MonotonicTime Host::OwnNow() const {
  const double micros = static_cast<double>(queue_.now().micros()) * spec_.clock_rate;
  return common::MonotonicTime::FromMicros(static_cast<int64_t>(micros)) + spec_.clock_ahead;
}

common::MonotonicTime Host::WhenOwn(common::MonotonicTime own) const {
  if (own == common::MonotonicTime::Infinite()) return own;
  const double micros = static_cast<double>((own - spec_.clock_ahead).micros());
  // Not before: the core would have nothing to do yet.
  const auto at = static_cast<int64_t>(micros / spec_.clock_rate) + (spec_.clock_rate == 1 ? 0 : 2);
  return common::MonotonicTime::FromMicros(at);
}

void Host::Step(const agent::AgentInput& input) {
  Apply(core_.Step(input, OwnNow(), random_));
  ArmTick();
}

void Host::Apply(const agent::AgentEffects& effects) {
  for (const v1::AgentMessage& message : effects.messages) wires_.AgentSays(index_, message);
  if (effects.report != nullptr) {
    v1::AgentMessage message;
    *message.mutable_report() = *effects.report;
    wires_.AgentSays(index_, std::move(message));
  }
  for (const agent::ProbeEffect& probe : effects.probes) RunCheck(probe);
  for (const agent::MetricsEffect& fetch : effects.metrics) ReadMetrics(fetch);
  for (const agent::RestartEffect& restart : effects.restarts) Restart(restart.instance);
  if (effects.sample) Step(Load());
}

void Host::RunCheck(const agent::ProbeEffect& probe) {
  StepCheck({probe.token, queue_.now(), probe.timeout});
}

// A paused server answers when it goes on.
void Host::StepCheck(const Check& check) {
  const ServerFaults& faults = server_.faults();
  const absl::Duration waited = queue_.now() - check.began;
  if (server_.speed() == 0 && !faults.crashed && waited < check.timeout) {
    queue_.After(kPauseLook, [this, check] { StepCheck(check); });
    return;
  }
  agent::RunResult run;
  run.latency = waited + kCheckTime * faults.slow_factor / std::max(server_.speed(), 1e-3);
  if (faults.crashed) {
    run.failure = v1::CHECK_FAILURE_REFUSED;
    run.latency = absl::Microseconds(100);
  } else if (faults.black_hole || run.latency >= check.timeout) {
    run.failure = v1::CHECK_FAILURE_TIMEOUT;
    run.latency = check.timeout;
  } else {
    run.http_status = 200;
  }
  const absl::Duration left = std::max(run.latency - waited, absl::ZeroDuration());
  queue_.After(left, [this, token = check.token, run] { Step(agent::ProbeDoneInput{token, run}); });
}

// Answered at once, as over loopback: nothing in the agent waits for it.
void Host::ReadMetrics(const agent::MetricsEffect& fetch) {
  const ServerFaults& faults = server_.faults();
  const bool answers = !faults.crashed && !faults.black_hole;
  const absl::Duration takes = answers || faults.crashed ? absl::ZeroDuration() : fetch.timeout;
  queue_.After(takes, [this, token = fetch.token, answers] {
    if (!answers) {
      Step(agent::MetricsDoneInput{token, absl::UnavailableError("no answer")});
      return;
    }
    const ServerCounters& counters = server_.counters();
    agent::ServiceMetrics metrics;
    metrics.in_flight = server_.in_flight() * spec_.told_load;
    metrics.requests = counters.completions + counters.errors;
    metrics.errors = counters.errors;
    Step(agent::MetricsDoneInput{token, metrics});
  });
}

agent::LoadInput Host::Load() {
  agent::LoadInput load;
  agent::InstanceReading& reading = load.instances.emplace_back();
  reading.cpu = agent::CpuReading{
      .used_seconds = server_.counters().busy_micros / 1e6 * spec_.told_load * spec_.told_cpu,
      .available_seconds = std::nullopt,
      .limit_cpus = static_cast<double>(spec_.concurrency),
      .source = 1};
  return load;
}

void Host::ArmTick() {
  const common::MonotonicTime due = std::max(WhenOwn(core_.NextDue()), queue_.now());
  if (due == tick_at_) return;
  queue_.Cancel(tick_);
  tick_at_ = due;
  tick_ = queue_.At(due, [this] {
    tick_at_ = common::MonotonicTime::Infinite();
    Step(agent::TickInput{});
  });
}

}  // namespace pointsman::sim
