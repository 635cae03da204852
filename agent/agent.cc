#include "agent/agent.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/agent_metrics.h"
#include "agent/config_file.h"
#include "agent/control/controller_stream.h"
#include "agent/load/service_metrics.h"
#include "agent/probe/prober.h"
#include "agent/restart/process_watch.h"
#include "agent/restart/restart_runner.h"
#include "agent/state_dir.h"
#include "common/core/check.h"
#include "common/core/status_macros.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/version.h"

namespace pointsman::agent {
namespace {

using common::MonotonicTime;

// No turn of the loop waits longer: the watchdog and /readyz look at it.
constexpr absl::Duration kTurnMax = absl::Seconds(1);
constexpr absl::Duration kAliveWithin = absl::Seconds(5);

std::string HostName() {
  char name[64] = {};
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "agent";
}

void WatchFd(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  PM_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

class AgentLoop final : public Agent {
 public:
  struct Parts {
    StateDir state_dir;
    std::unique_ptr<Prober> prober;
    std::optional<SavedState> saved;
  };

  AgentLoop(AgentOptions options, Parts parts, const common::Clock& clock,
            common::Registry& registry)
      : options_(std::move(options)),
        clock_(clock),
        random_(std::random_device()()),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        state_dir_(std::move(parts.state_dir)),
        prober_(std::move(parts.prober)),
        sampler_(options_.sampler),
        runner_(clock, state_dir_.path()),
        core_(CoreOptions(), options_.config, parts.saved, clock.Now(), random_),
        metrics_(registry) {
    PM_CHECK(epoll_ >= 0);
    WatchFd(epoll_, processes_.fd());
    WatchFd(epoll_, runner_.fd());
    if (options_.signals != nullptr) WatchFd(epoll_, options_.signals->fd());
    std::vector<KnownProcess> known;
    const SavedState state = core_.Save();
    for (const SavedInstance& instance : state.instances) {
      known.push_back({instance.pid, instance.process_start});
    }
    processes_.SetInstances(options_.config.instances, known);
    if (options_.channel == nullptr) return;
    Prober* prober = prober_.get();
    stream_ = ControllerStream::Create(
        {.channel = options_.channel, .wake = [prober] { prober->Wakeup(); }});
  }

  ~AgentLoop() override {
    stream_.reset();  // Its threads wake the prober.
    close(epoll_);
  }

  void Run() override {
    const std::optional<absl::Duration> watchdog = common::WatchdogInterval();
    RefreshProcesses();
    while (!stop_.load(std::memory_order_relaxed)) {
      const MonotonicTime now = clock_.Now();
      turned_micros_.store(now.micros(), std::memory_order_relaxed);
      if (watchdog.has_value() && now - notified_ >= *watchdog / 3) {
        common::NotifyWatchdog();
        notified_ = now;
      }
      Turn(now);
    }
    Persist();
  }

  void RequestStop() override {
    stop_.store(true, std::memory_order_relaxed);
    prober_->Wakeup();
  }

  bool alive() const override {
    const MonotonicTime turned =
        MonotonicTime::FromMicros(turned_micros_.load(std::memory_order_relaxed));
    return clock_.Now() - turned < kAliveWithin;
  }

 private:
  AgentCore::Options CoreOptions() {
    AgentCore::Options options;
    options.version = std::string(common::Version());
    options.restart = options_.restart;
    // Random, so that two hosts never share one; 0 is not allowed.
    std::random_device device;
    options.boot_id = (static_cast<uint64_t>(device()) << 32 | device()) | 1;
    return options;
  }

  void Turn(MonotonicTime now) {
    if (stream_ != nullptr) DriveStream(now);
    if (core_.NextDue() <= clock_.Now()) Step(TickInput{});
    MonotonicTime due = std::min(core_.NextDue(), runner_.NextDue());
    if (stream_ != nullptr) due = std::min(due, stream_->NextDue());
    const absl::Duration wait = std::clamp(due - clock_.Now(), absl::ZeroDuration(), kTurnMax);
    ProberResults results = prober_->Poll(wait, epoll_);
    for (ProbeDoneInput& probe : results.probes) Step(std::move(probe));
    for (FetchResult& fetch : results.fetches) OnFetched(fetch);
    OnDescriptors();
  }

  void DriveStream(MonotonicTime now) {
    stream_->Drive(now, random_);
    for (StreamNotice& notice : stream_->TakeNotices()) {
      if (std::holds_alternative<StreamDownInput>(notice.input)) {
        common::LogWarning("controller.stream_ended",
                           {{"code", absl::StatusCodeToString(notice.status.code())},
                            {"detail", std::string(notice.status.message())}});
      }
      std::visit([this](auto& input) { Step(std::move(input)); }, notice.input);
    }
    metrics_.SetStream(core_.welcomed(), stream_->streams(), stream_->reports_conflated());
  }

  void OnFetched(FetchResult& fetch) {
    if (!fetch.body.ok()) {
      Step(MetricsDoneInput{fetch.token, fetch.body.status()});
    } else {
      Step(MetricsDoneInput{fetch.token, ParseServiceMetrics(*fetch.body)});
    }
  }

  void OnDescriptors() {
    for (const ProcessInput& input : processes_.TakeEnded()) Step(input);
    for (const RestartOutcome& outcome : runner_.Poll()) OnRestarted(outcome);
    if (options_.signals == nullptr) return;
    while (const std::optional<common::Signal> signal = options_.signals->Poll()) {
      if (*signal == common::Signal::kReload) Reload();
      if (*signal == common::Signal::kTerminate) stop_.store(true, std::memory_order_relaxed);
    }
  }

  void OnRestarted(const RestartOutcome& outcome) {
    common::Log(outcome.ok ? common::LogLevel::kInfo : common::LogLevel::kWarning,
                "restart.action_ended",
                {{"instance", outcome.name},
                 {"ok", outcome.ok},
                 {"detail", outcome.detail},
                 {"output", outcome.output}});
    const std::vector<InstanceConfig>& instances = core_.config().instances;
    for (size_t i = 0; i < instances.size(); ++i) {
      if (absl::StrCat(instances[i].service, "/", instances[i].id) != outcome.name) continue;
      if (outcome.pid > 0) processes_.Adopt(i, outcome.pid);
      Step(RestartDoneInput{i, outcome.ok, outcome.detail});
      RefreshProcesses();
    }
  }

  void Reload() {
    if (options_.config_path.empty()) return;
    absl::StatusOr<AgentConfig> config = LoadAgentFile(options_.config_path);
    if (!config.ok()) {
      common::LogError("config.refused", {{"error", std::string(config.status().message())}});
      return;
    }
    ResolveId(options_.id_override, *config);
    processes_.SetInstances(config->instances, std::vector<KnownProcess>(config->instances.size()));
    common::LogInfo("config.loaded", {{"instances", config->instances.size()}});
    Step(ConfigInput{*std::move(config)});
    RefreshProcesses();
  }

  void RefreshProcesses() {
    for (const ProcessInput& input : processes_.Refresh()) Step(input);
  }

  void Step(const AgentInput& input) { Apply(core_.Step(input, clock_.Now(), random_)); }

  void Apply(const AgentEffects& effects) {
    // First what must survive: numbers are reserved before they are used.
    if (effects.persist) Persist();
    for (const EventEffect& event : effects.events) {
      common::LogInfo(event.name, {{"subject", event.subject}, {"detail", event.detail}});
    }
    if (stream_ != nullptr) {
      for (const v1::AgentMessage& message : effects.messages) stream_->Send(message);
      if (effects.report != nullptr) stream_->SendReport(*effects.report);
    }
    for (const ProbeEffect& probe : effects.probes) prober_->StartProbe(probe);
    for (const MetricsEffect& fetch : effects.metrics) prober_->StartFetch(fetch);
    for (const RestartEffect& restart : effects.restarts) {
      const InstanceConfig& instance = core_.config().instances[restart.instance];
      runner_.Start(absl::StrCat(instance.service, "/", instance.id), restart.action);
    }
    if (!effects.sample) return;
    RefreshProcesses();
    Step(Sample());
    metrics_.Publish(core_, sampler_.unreadable());
  }

  LoadInput Sample() {
    LoadInput load;
    load.host = sampler_.ReadHost();
    const std::vector<InstanceConfig>& instances = core_.config().instances;
    for (size_t i = 0; i < instances.size(); ++i) {
      load.instances.push_back(
          sampler_.ReadInstance({.cgroup = instances[i].cgroup, .pid = processes_.pid(i)}));
    }
    return load;
  }

  void Persist() {
    const absl::Status status = state_dir_.Save(core_.Save());
    metrics_.SetStateWritable(status.ok());
    if (status.ok()) return;
    common::LogWarning("state.not_written", {{"error", std::string(status.message())}});
  }

  AgentOptions options_;
  const common::Clock& clock_;
  std::mt19937_64 random_;
  int epoll_;
  StateDir state_dir_;
  std::unique_ptr<Prober> prober_;
  Sampler sampler_;
  ProcessWatch processes_;
  RestartRunner runner_;
  AgentCore core_;
  AgentMetrics metrics_;
  std::unique_ptr<ControllerStream> stream_;
  MonotonicTime notified_;
  std::atomic<int64_t> turned_micros_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace

void ResolveId(const std::string& id_override, AgentConfig& config) {
  if (!id_override.empty()) config.id = id_override;
  if (config.id.empty()) config.id = HostName();
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Create(AgentOptions options,
                                                     const common::Clock& clock,
                                                     common::Registry& registry) {
  ResolveId(options.id_override, options.config);
  PM_ASSIGN_OR_RETURN(StateDir state_dir, StateDir::Open(options.state_dir));
  absl::StatusOr<std::optional<SavedState>> saved = state_dir.Load();
  if (!saved.ok()) {
    common::LogWarning("state.refused", {{"error", std::string(saved.status().message())}});
    saved = std::optional<SavedState>();
  }
  PM_ASSIGN_OR_RETURN(std::unique_ptr<Prober> prober, Prober::Create(clock));
  AgentLoop::Parts parts{std::move(state_dir), std::move(prober), *std::move(saved)};
  return std::make_unique<AgentLoop>(std::move(options), std::move(parts), clock, registry);
}

}  // namespace pointsman::agent
