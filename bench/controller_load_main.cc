// How many agents one controller carries, and what a report costs: the real controller as a child
// process, beside it an echo server that only receives (what gRPC itself costs), both under the
// same fleet of simulated agents in turn. Prints a table, and one JSON line a row.
//
//   build/bin/pm-bench-controller-load --agents 1000,4000,8000 --rounds 3
//   build/bin/pm-bench-controller-load --agents 20000 --connections 16
//   build/bin/pm-bench-controller-load --agents 50000 --connections 16 --report-cores 1

#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/fleet/agent_fleet.h"
#include "bench/fleet/child_process.h"
#include "bench/fleet/echo_controller.h"
#include "common/clock.h"
#include "common/rpc/lock_checks.h"

namespace pointsman::bench {
namespace {

// More than any machine has: nothing is ever paced.
constexpr double kUnpacedCores = 1000;

struct Options {
  std::vector<uint32_t> agents = {1000, 2000, 4000, 8000};
  uint32_t connections = 0;
  uint32_t services = 100;
  double interval_s = 1;
  double settle_s = 20;
  double seconds = 15;
  double report_cores = 0;
  uint32_t rounds = 1;
  std::string controller;
  std::string echo_ready_file;  // Set: this process is the echo server.
};

struct Result {
  std::string server;
  uint32_t agents = 0;
  double reports_per_second = 0;
  double offered_per_second = 0;
  double cores = 0;
  double cpu_us_per_report = 0;
  double kib_per_agent = 0;
  double told_interval_s = 0;
  uint32_t ended = 0;
  std::string error;
};

std::string SelfFolder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

void RaiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int RunEcho(const std::string& ready_file) {
  EchoController echo;
  std::ofstream(ready_file + ".tmp") << "{\"grpc\":\"" << echo.address() << "\"}\n";
  std::filesystem::rename(ready_file + ".tmp", ready_file);
  pause();  // Ended by its parent.
  return 0;
}

absl::StatusOr<ChildProcess> StartServer(const Options& options, bool echo,
                                         const ScratchFolder& folder, const std::string& ready) {
  if (echo) {
    return ChildProcess::Start(
        {SelfFolder() + "/pm-bench-controller-load", "--echo-ready-file", ready},
        folder.Path("echo.log"));
  }
  std::ofstream(folder.Path("config.yaml")) << FleetConfig(options.services);
  std::filesystem::create_directories(folder.Path("data"));
  // Without a share of their own, reports keep the interval they begin with.
  const double report_cores = options.report_cores > 0 ? options.report_cores : kUnpacedCores;
  return ChildProcess::Start(
      {options.controller, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data-dir",
       folder.Path("data"), "--config", folder.Path("config.yaml"), "--ready-file", ready,
       "--log-level", "warning", "--report-cores", absl::StrCat(report_cores)},
      folder.Path("controller.log"));
}

// CPU and reports over the window. It begins when all agents have been welcomed and have settled:
// before that every endpoint is in its slow start, which is no cost of reports.
void Measure(const Options& options, ChildProcess& server, AgentFleet& fleet, Result& result) {
  const auto wait = [](double seconds) {
    usleep(static_cast<useconds_t>(seconds * 1e6));  // The length of a measurement, not a race.
  };
  wait(options.settle_s);
  const absl::Duration cpu = server.CpuTime();
  const uint64_t sent = fleet.reports_sent();
  const uint64_t skipped = fleet.reports_skipped();
  const common::MonotonicTime start = common::SystemClock().Now();
  wait(options.seconds);
  const double elapsed = absl::ToDoubleSeconds(common::SystemClock().Now() - start);
  const double used = absl::ToDoubleSeconds(server.CpuTime() - cpu);
  const double reports = static_cast<double>(fleet.reports_sent() - sent);
  result.reports_per_second = reports / elapsed;
  result.offered_per_second =
      (reports + static_cast<double>(fleet.reports_skipped() - skipped)) / elapsed;
  result.cores = used / elapsed;
  result.cpu_us_per_report = reports > 0 ? used * 1e6 / reports : 0;
  result.told_interval_s = absl::ToDoubleSeconds(fleet.interval(0));
  result.ended = fleet.ended();
  result.error = fleet.last_error();
}

absl::StatusOr<Result> RunOne(const Options& options, bool echo, uint32_t agents) {
  ScratchFolder folder;
  const std::string ready = folder.Path("ready.json");
  auto server = StartServer(options, echo, folder, ready);
  if (!server.ok()) return server.status();
  auto text = WaitForFile(ready, absl::Seconds(20));
  if (!text.ok()) return text.status();
  Result result;
  result.server = echo ? "echo" : "controller";
  result.agents = agents;
  const uint64_t before = server->RssAnonBytes();
  FleetOptions fleet_options;
  fleet_options.target = JsonField(*text, "grpc");
  fleet_options.agents = agents;
  fleet_options.services = options.services;
  fleet_options.connections = options.connections;
  fleet_options.interval = absl::Seconds(options.interval_s);
  AgentFleet fleet(fleet_options);
  if (!fleet.WaitWelcomed(agents, absl::Seconds(60))) {
    return absl::UnavailableError(absl::StrCat("only ", fleet.welcomed(), " of ", agents,
                                               " agents were welcomed: ", fleet.last_error()));
  }
  Measure(options, *server, fleet, result);
  result.kib_per_agent = static_cast<double>(server->RssAnonBytes() - before) / 1024.0 / agents;
  return result;
}

void Print(const Result& r, const Result* echo) {
  std::printf("%-10s %7u %9.0f %9.0f %6.2f %10.1f %11.1f %8.2f %6u", r.server.c_str(), r.agents,
              r.offered_per_second, r.reports_per_second, r.cores, r.cpu_us_per_report,
              r.kib_per_agent, r.told_interval_s, r.ended);
  if (echo != nullptr) {
    std::printf("   ours: %.1f us a report, %.1f KiB an agent",
                r.cpu_us_per_report - echo->cpu_us_per_report,
                r.kib_per_agent - echo->kib_per_agent);
  }
  std::printf("%s%s\n", r.error.empty() ? "" : "   ", r.error.c_str());
  std::fflush(stdout);
}

void PrintJson(const Result& r) {
  std::printf(
      "{\"bench\":\"controller_load\",\"server\":\"%s\",\"agents\":%u,\"reports_per_second\":%.1f,"
      "\"offered_per_second\":%.1f,\"cores\":%.3f,\"cpu_us_per_report\":%.2f,"
      "\"rss_anon_kib_per_agent\":%.2f,\"told_interval_s\":%.2f,\"streams_ended\":%u}\n",
      r.server.c_str(), r.agents, r.reports_per_second, r.offered_per_second, r.cores,
      r.cpu_us_per_report, r.kib_per_agent, r.told_interval_s, r.ended);
}

// One echo server and one controller after it; what the controller took beyond, of each round.
struct Beyond {
  std::vector<double> cpu_us;
  std::vector<double> kib;
};

absl::Status RunRound(const Options& options, uint32_t agents, Beyond& beyond,
                      std::vector<Result>& all) {
  auto echo = RunOne(options, true, agents);
  if (!echo.ok()) return echo.status();
  Print(*echo, nullptr);
  auto ours = RunOne(options, false, agents);
  if (!ours.ok()) return ours.status();
  Print(*ours, &*echo);
  beyond.cpu_us.push_back(ours->cpu_us_per_report - echo->cpu_us_per_report);
  beyond.kib.push_back(ours->kib_per_agent - echo->kib_per_agent);
  all.push_back(*std::move(echo));
  all.push_back(*std::move(ours));
  return absl::OkStatus();
}

std::string MedianAndRange(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return absl::StrFormat("%.1f (%.1f to %.1f)", median, values.front(), values.back());
}

int Run(const Options& options) {
  std::printf("%-10s %7s %9s %9s %6s %10s %11s %8s %6s\n", "server", "agents", "offered/s",
              "reports/s", "cores", "us/report", "KiB/agent", "told s", "ended");
  std::vector<Result> all;
  for (const uint32_t agents : options.agents) {
    Beyond beyond;
    for (uint32_t round = 0; round < options.rounds; ++round) {
      const absl::Status status = RunRound(options, agents, beyond, all);
      if (status.ok()) continue;
      std::fprintf(stderr, "%u agents: %s\n", agents, status.ToString().c_str());
      return 1;
    }
    std::printf("%u agents, median (range) of %u rounds: %s us a report, %s KiB an agent\n", agents,
                options.rounds, MedianAndRange(beyond.cpu_us).c_str(),
                MedianAndRange(beyond.kib).c_str());
  }
  for (const Result& result : all) PrintJson(result);
  return 0;
}

}  // namespace
}  // namespace pointsman::bench

int main(int argc, char** argv) {
  pointsman::common::TurnOffLockOrderChecks();
  using namespace pointsman::bench;
  Options options;
  CLI::App app("What a report costs the controller, beside gRPC's own cost.");
  app.add_option("--agents", options.agents, "numbers of agents, in turn")->delimiter(',');
  app.add_option("--connections", options.connections, "shared connections; 0: one an agent");
  app.add_option("--services", options.services, "services the agents are spread over");
  app.add_option("--interval", options.interval_s, "seconds between reports until told otherwise");
  app.add_option("--settle", options.settle_s, "seconds from the last welcome to the measurement");
  app.add_option("--seconds", options.seconds, "length of each measurement");
  app.add_option("--rounds", options.rounds, "pairs of an echo server and a controller")
      ->check(CLI::Range(1, 100));
  app.add_option("--report-cores", options.report_cores,
                 "cores that the controller keeps reports within; 0: it does not pace them");
  app.add_option("--controller", options.controller, "controller program");
  app.add_option("--echo-ready-file", options.echo_ready_file)->group("");
  CLI11_PARSE(app, argc, argv);
  RaiseDescriptorLimit();
  if (!options.echo_ready_file.empty()) return RunEcho(options.echo_ready_file);
  if (options.controller.empty()) options.controller = SelfFolder() + "/pointsman-controller";
  return Run(options);
}
