// How long a verdict takes to be everywhere: one controller as a child process, gateways (the real
// control side and a real engine each) and agents in this one. An agent's check changes state; what
// is measured is the time from just before that report is written until every worker of each
// gateway runs a table that says so. All on one clock. Prints a table and one JSON line.
//
//   build/bin/pm-bench-propagation --gateways 20 --agents 500 --changes 200

#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/fleet/agent_fleet.h"
#include "bench/fleet/child_process.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mutex.h"
#include "common/rpc/channel.h"
#include "gateway/control/control_loop.h"
#include "gateway/proxy/engine.h"

namespace pointsman::bench {
namespace {

struct Options {
  uint32_t gateways = 20;
  uint32_t agents = 500;
  uint32_t connections = 0;
  uint32_t services = 50;
  uint32_t changes = 200;
  double settle_s = 0;
  std::string controller;
};

// The state one gateway is waited for: an endpoint of a service, routable or not.
struct Expectation {
  std::string service;
  std::string endpoint;
  bool routable = false;
};

bool Shows(const gateway::RoutingTable& table, const Expectation& expected) {
  for (const auto& service : table.services) {
    if (service->name != expected.service) continue;
    for (size_t i = 0; i < service->endpoints.size(); ++i) {
      const gateway::Endpoint& endpoint = service->endpoints[i];
      if (endpoint.handle != 0 && endpoint.id() == expected.endpoint) {
        return endpoint.routable == expected.routable;
      }
    }
  }
  return false;
}

// Collects when each gateway first ran a table that shows what is expected.
class Stopwatch {
 public:
  explicit Stopwatch(size_t gateways) : seen_(gateways) {}

  void Expect(Expectation expected) {
    common::MutexLock lock(mutex_);
    expected_ = std::move(expected);
    std::fill(seen_.begin(), seen_.end(), std::nullopt);
  }
  void OnRunning(size_t gateway, const gateway::RoutingTable& table) {
    const common::MonotonicTime now = common::SystemClock().Now();
    common::MutexLock lock(mutex_);
    if (!expected_ || seen_[gateway] || !Shows(table, *expected_)) return;
    seen_[gateway] = now;
    changed_.NotifyAll();
  }
  // When each gateway showed it; nothing: not all did within 10 s.
  std::optional<std::vector<common::MonotonicTime>> Wait() {
    const common::MonotonicTime deadline = common::SystemClock().Now() + absl::Seconds(10);
    common::MutexLock lock(mutex_);
    for (;;) {
      if (std::all_of(seen_.begin(), seen_.end(), [](auto& t) { return t.has_value(); })) break;
      if (common::SystemClock().Now() > deadline) return std::nullopt;
      changed_.WaitFor(mutex_, absl::Milliseconds(100));
    }
    std::vector<common::MonotonicTime> times;
    for (const auto& time : seen_) times.push_back(*time);
    expected_.reset();
    return times;
  }

 private:
  common::Mutex mutex_;
  common::CondVar changed_;
  std::optional<Expectation> expected_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::optional<common::MonotonicTime>> seen_ ABSL_GUARDED_BY(mutex_);
};

// One gateway: control side and an engine with one worker.
class Subscriber {
 public:
  Subscriber(size_t index, const std::string& target, Stopwatch& stopwatch)
      : index_(index), stopwatch_(stopwatch), cells_(1) {
    gateway::EngineOptions engine;
    engine.listeners = {{*common::ParseAddress("127.0.0.1:0"), std::nullopt}};
    engine.cells = &cells_;
    engine.clock = &common::SystemClock();
    engine_ = *gateway::Engine::Start(std::move(engine));
    common::ChannelOptions channel;
    channel.targets = {target};
    channel.own_connection = true;
    gateway::ControlOptions control;
    control.gateway_id = absl::StrCat("edge-", index);
    control.boot_id = 1000 + index;
    control.channel = *common::MakeChannel(channel);
    control.publish = [this](auto table, auto adopted) { Publish(std::move(table), adopted); };
    control.free_retired = [this] { engine_->FreeRetired(); };
    control_ =
        std::make_unique<gateway::ControlLoop>(common::SystemClock(), cells_, std::move(control));
    control_->Start();
  }
  ~Subscriber() {
    control_->Stop();
    engine_->Drain(absl::ZeroDuration());
  }

 private:
  void Publish(std::shared_ptr<const gateway::RoutingTable> table,
               const std::function<void()>& adopted) {
    const gateway::RoutingTable* running = table.get();
    engine_->PublishTable(std::move(table), [this, running, adopted] {
      stopwatch_.OnRunning(index_, *running);
      adopted();
    });
  }

  const size_t index_;
  Stopwatch& stopwatch_;
  gateway::EndpointCells cells_;
  std::unique_ptr<gateway::Engine> engine_;
  std::unique_ptr<gateway::ControlLoop> control_;
};

std::string SelfFolder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

double Quantile(std::vector<double> sorted, double q) {
  return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))];
}

// Milliseconds of all changes.
struct Times {
  std::vector<double> one;   // To each gateway.
  std::vector<double> last;  // To the last of all gateways.
  std::vector<double> out;   // As last, of endpoints that left.
  std::vector<double> back;  // As last, of endpoints that came back.
};

void PrintRow(const char* name, const std::vector<double>& sorted) {
  std::printf("%-34s %8.2f %8.2f %8.2f\n", name, Quantile(sorted, 0.5), Quantile(sorted, 0.99),
              sorted.back());
}

// Sorts them.
void Print(const Options& options, Times* times) {
  auto& [one, last, out, back] = *times;
  for (std::vector<double>* column : {&one, &last, &out, &back}) {
    std::sort(column->begin(), column->end());
  }
  std::printf("%-34s %8s %8s %8s\n", "check result to picks (ms)", "p50", "p99", "max");
  PrintRow("on each gateway", one);
  PrintRow("on the last of all gateways", last);
  PrintRow("  of these: failed, taken out", out);
  PrintRow("  of these: passed, brought back", back);
  std::printf(
      "{\"bench\":\"propagation\",\"gateways\":%u,\"agents\":%u,\"services\":%u,\"changes\":%zu,"
      "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"last_p50_ms\":%.3f,\"last_p99_ms\":%.3f,"
      "\"last_max_ms\":%.3f}\n",
      options.gateways, options.agents, options.services, last.size(), Quantile(one, 0.5),
      Quantile(one, 0.99), one.back(), Quantile(last, 0.5), Quantile(last, 0.99), last.back());
}

// Turns agents' checks, one after another, and times each change to every gateway. Every agent in
// turn fails and passes again, so that no service runs out of endpoints.
int Measure(const Options& options, AgentFleet& fleet, Stopwatch& stopwatch) {
  Times all;
  std::mt19937_64 random(1);
  std::uniform_int_distribution<int> pause_ms(0, 40);  // Not in step with any timer.
  for (uint32_t i = 0; i < options.changes; ++i) {
    const uint32_t agent = (i / 2 * 7919u) % options.agents;
    const bool passing = i % 2 == 1;
    usleep(static_cast<useconds_t>(pause_ms(random) * 1000));
    stopwatch.Expect(
        {absl::StrCat("s", agent % options.services), absl::StrFormat("e%05d", agent), passing});
    const common::MonotonicTime start = fleet.ReportCheck(agent, passing);
    const auto times = stopwatch.Wait();
    if (!times) {
      std::fprintf(stderr, "change %u of agent %u did not reach every gateway in 10 s\n", i, agent);
      return 1;
    }
    double worst = 0;
    for (const common::MonotonicTime time : *times) {
      all.one.push_back(absl::ToDoubleMilliseconds(time - start));
      worst = std::max(worst, all.one.back());
    }
    all.last.push_back(worst);
    (passing ? all.back : all.out).push_back(worst);
  }
  Print(options, &all);
  return 0;
}

int Run(const Options& options) {
  common::LogOptions quiet;
  quiet.level = common::LogLevel::kError;
  common::ProcessLogger().Configure(quiet);
  ScratchFolder folder;
  std::ofstream(folder.Path("config.yaml")) << FleetConfig(options.services);
  auto controller = ChildProcess::Start(
      {options.controller, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data-dir",
       folder.Path("data"), "--config", folder.Path("config.yaml"), "--ready-file",
       folder.Path("ready.json"), "--log-level", "warning"},
      folder.Path("controller.log"));
  if (!controller.ok()) return 1;
  auto ready = WaitForFile(folder.Path("ready.json"), absl::Seconds(20));
  if (!ready.ok()) {
    std::fprintf(stderr, "the controller did not start: %s\n", ready.status().ToString().c_str());
    return 1;
  }
  FleetOptions fleet_options;
  fleet_options.target = JsonField(*ready, "grpc");
  fleet_options.agents = options.agents;
  fleet_options.services = options.services;
  fleet_options.connections = options.connections;
  AgentFleet fleet(fleet_options);
  Stopwatch stopwatch(options.gateways);
  // Endpoint 0 routable everywhere: gateways are connected, tables flow.
  stopwatch.Expect({"s0", "e00000", true});
  std::vector<std::unique_ptr<Subscriber>> gateways;
  for (size_t i = 0; i < options.gateways; ++i) {
    gateways.push_back(std::make_unique<Subscriber>(i, fleet_options.target, stopwatch));
  }
  if (!fleet.WaitAssigned(options.agents, absl::Seconds(60)) || !stopwatch.Wait()) {
    std::fprintf(stderr, "agents and gateways did not come up: %s\n", fleet.last_error().c_str());
    return 1;
  }
  usleep(static_cast<useconds_t>(options.settle_s * 1e6));  // Past slow start, when asked.
  std::printf("agents were told to report every %.1f s\n",
              absl::ToDoubleSeconds(fleet.interval(0)));
  return Measure(options, fleet, stopwatch);
}

}  // namespace
}  // namespace pointsman::bench

int main(int argc, char** argv) {
  using namespace pointsman::bench;
  Options options;
  CLI::App app("How long a verdict takes to be on every gateway.");
  app.add_option("--gateways", options.gateways, "gateways subscribed");
  app.add_option("--agents", options.agents, "agents, one endpoint each");
  app.add_option("--connections", options.connections, "shared connections; 0: one an agent");
  app.add_option("--services", options.services, "services the agents are spread over");
  app.add_option("--changes", options.changes, "changes of a check's state to time");
  app.add_option("--settle", options.settle_s, "seconds from the last assignment to the first");
  app.add_option("--controller", options.controller, "controller program");
  CLI11_PARSE(app, argc, argv);
  if (options.controller.empty()) options.controller = SelfFolder() + "/pointsman-controller";
  return Run(options);
}
