// How many reports a second one core of a controller can take, and what the core does then: the
// real controller on a CPU of its own, under a flood of reports that grows step by step until the
// controller no longer keeps up. Prints a table with the CPU of each kind of thread, and one JSON
// line a step.
//
//   build/bin/pm-bench-controller-saturation --agents 4000

#include <httplib.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "bench/fleet/agent_fleet.h"
#include "bench/fleet/child_process.h"
#include "bench/fleet/report_flood.h"
#include "common/clock.h"
#include "common/rpc/lock_checks.h"

namespace pointsman::bench {
namespace {

// Below this share of what was due, the controller does not keep up.
constexpr double kKeepsUp = 0.97;
// Threads below are left out.
constexpr double kBusyCores = 0.001;

struct Options {
  uint32_t agents = 4000;
  uint32_t connections = 16;
  uint32_t services = 100;
  double rate = 4000;
  double growth = 1.25;
  double settle_s = 3;
  double seconds = 8;
  std::string controller;
};

// What is counted at one moment.
struct Reading {
  common::MonotonicTime time;
  uint64_t due = 0;
  uint64_t sent = 0;
  double taken = 0;
  double conflated = 0;
  double lag_s = 0;
  std::map<std::string, absl::Duration> cpu;
};

void RunOnCpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

absl::StatusOr<ChildProcess> StartController(const Options& options, const ScratchFolder& folder,
                                             const std::string& ready) {
  std::ofstream(folder.Path("config.yaml")) << FleetConfig(options.services);
  std::filesystem::create_directories(folder.Path("data"));
  RunOnCpu(0);  // A child keeps it.
  auto child = ChildProcess::Start(
      {options.controller, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data-dir",
       folder.Path("data"), "--config", folder.Path("config.yaml"), "--ready-file", ready,
       "--log-level", "warning"},
      folder.Path("controller.log"));
  RunOnCpu(1);
  return child;
}

// The value of a metric without labels; 0: not there.
double MetricOf(const std::string& page, absl::string_view name) {
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, ' ');
    double value = 0;
    if (parts.first == name && absl::SimpleAtod(parts.second, &value)) return value;
  }
  return 0;
}

absl::StatusOr<Reading> Read(const ChildProcess& server, const std::string& admin,
                             const ReportFlood& flood) {
  httplib::Client client("http://" + admin);
  const httplib::Result page = client.Get("/metrics");
  if (!page || page->status != 200) return absl::UnavailableError("the controller has no metrics");
  Reading reading;
  reading.time = common::SystemClock().Now();
  reading.due = flood.due();
  reading.sent = flood.sent();
  reading.taken = MetricOf(page->body, "pointsman_controller_reports_total");
  reading.conflated = MetricOf(page->body, "pointsman_controller_mailbox_conflated_total");
  reading.lag_s = MetricOf(page->body, "pointsman_controller_loop_lag_seconds");
  reading.cpu = server.CpuTimeByThreadName();
  return reading;
}

struct Step {
  double due, sent, taken, conflated, lag_s, cores;
  std::vector<std::pair<double, std::string>> threads;  // Cores by kind, the busiest first.
};

Step Between(const Reading& from, const Reading& to) {
  const double seconds = absl::ToDoubleSeconds(to.time - from.time);
  Step step{static_cast<double>(to.due - from.due) / seconds,
            static_cast<double>(to.sent - from.sent) / seconds,
            (to.taken - from.taken) / seconds,
            (to.conflated - from.conflated) / seconds,
            to.lag_s,
            0,
            {}};
  for (const auto& [name, cpu] : to.cpu) {
    const auto before = from.cpu.find(name);
    const absl::Duration used = before == from.cpu.end() ? cpu : cpu - before->second;
    const double cores = absl::ToDoubleSeconds(used) / seconds;
    step.cores += cores;
    if (cores >= kBusyCores) step.threads.emplace_back(cores, name);
  }
  std::sort(step.threads.rbegin(), step.threads.rend());
  return step;
}

void Print(const Step& step) {
  std::printf("%9.0f %9.0f %9.0f %9.0f %7.2f %8.1f %8.0f ", step.due, step.sent, step.taken,
              step.conflated, step.cores, step.taken > 0 ? step.cores * 1e6 / step.taken : 0,
              step.lag_s * 1e3);
  for (size_t i = 0; i < std::min<size_t>(4, step.threads.size()); ++i) {
    std::printf(" %s %.2f", step.threads[i].second.c_str(), step.threads[i].first);
  }
  std::printf("\n");
  std::fflush(stdout);
}

std::string Json(const Options& options, const Step& step) {
  std::string threads;
  for (const auto& [cores, name] : step.threads) {
    absl::StrAppend(&threads, threads.empty() ? "" : ",", "\"", name,
                    "\":", absl::StrFormat("%.3f", cores));
  }
  return absl::StrFormat(
      "{\"bench\":\"controller_saturation\",\"agents\":%u,\"connections\":%u,"
      "\"due_per_second\":%.0f,\"sent_per_second\":%.0f,\"taken_per_second\":%.0f,"
      "\"conflated_per_second\":%.0f,\"cores\":%.3f,\"loop_lag_seconds\":%.4f,\"threads\":{%s}}",
      options.agents, options.connections, step.due, step.sent, step.taken, step.conflated,
      step.cores, step.lag_s, threads);
}

void Wait(double seconds) {
  usleep(static_cast<useconds_t>(seconds * 1e6));  // The length of a measurement, not a race.
}

absl::Status Flood(const Options& options) {
  ScratchFolder folder;
  const std::string ready = folder.Path("ready.json");
  auto server = StartController(options, folder, ready);
  if (!server.ok()) return server.status();
  const auto text = WaitForFile(ready, absl::Seconds(20));
  if (!text.ok()) return text.status();
  ReportFlood flood(
      {JsonField(*text, "grpc"), options.agents, options.services, options.connections});
  if (!flood.WaitWelcomed(options.agents, absl::Seconds(60))) {
    return absl::UnavailableError(
        absl::StrCat("only ", flood.welcomed(), " of ", options.agents, " agents were welcomed"));
  }
  std::printf("%9s %9s %9s %9s %7s %8s %8s  %s\n", "due/s", "sent/s", "taken/s", "conflat/s",
              "cores", "us each", "lag ms", "busiest threads, in cores");
  std::vector<std::string> lines;
  double rate = options.rate;
  bool keeps_up = true;
  // One step more than what it keeps up with, to see how it gives way.
  for (int beyond = 0; beyond < 2; rate *= options.growth) {
    flood.SetRate(rate);
    Wait(options.settle_s);
    const auto from = Read(*server, JsonField(*text, "admin"), flood);
    if (!from.ok()) return from.status();
    Wait(options.seconds);
    const auto to = Read(*server, JsonField(*text, "admin"), flood);
    if (!to.ok()) return to.status();
    const Step step = Between(*from, *to);
    Print(step);
    lines.push_back(Json(options, step));
    keeps_up = step.taken >= kKeepsUp * step.due;
    beyond += !keeps_up;
  }
  std::printf("%u of %u streams ended\n", flood.ended(), options.agents);
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
  return absl::OkStatus();
}

int Run(const Options& options) {
  const absl::Status status = Flood(options);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace pointsman::bench

int main(int argc, char** argv) {
  pointsman::common::TurnOffLockOrderChecks();
  using namespace pointsman::bench;
  Options options;
  CLI::App app("How many reports one core of a controller takes, and what limits it.");
  app.add_option("--agents", options.agents, "agents; a multiple of the connections");
  app.add_option("--connections", options.connections, "connections that they share")
      ->check(CLI::Range(1, 1000));
  app.add_option("--services", options.services, "services the agents are spread over");
  app.add_option("--rate", options.rate, "reports a second to begin with")
      ->check(CLI::Range(1.0, 1e6));
  app.add_option("--growth", options.growth, "from one step to the next")
      ->check(CLI::Range(1.01, 10.0));
  app.add_option("--settle", options.settle_s, "seconds before each measurement");
  app.add_option("--seconds", options.seconds, "length of each measurement");
  app.add_option("--controller", options.controller, "controller program");
  CLI11_PARSE(app, argc, argv);
  if (options.agents % options.connections != 0) {
    std::fprintf(stderr, "--agents must be a multiple of --connections\n");
    return 2;
  }
  if (options.controller.empty()) {
    options.controller =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "pointsman-controller")
            .string();
  }
  return Run(options);
}
