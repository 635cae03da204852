#include "sim/world/scenario.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace pointsman::sim {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr absl::Duration kFaultBegins = absl::Seconds(10);

double SecondsOr(const std::optional<absl::Duration>& time) {
  return time ? absl::ToDoubleSeconds(*time) : kNever;
}

// ---- What is measured.

double OffAll(const WorldResult& result) { return SecondsOr(result.faults[0].all); }
double Back(const WorldResult& result) {
  double most = 0;
  for (const Detection& fault : result.faults) most = std::max(most, SecondsOr(fault.back));
  return most;
}
double RestartsLeft(const WorldResult& result) { return 5 - static_cast<double>(result.restarts); }
double Restarts(const WorldResult& result) { return static_cast<double>(result.restarts); }
double Halved(const WorldResult& result) { return SecondsOr(result.faults[0].halved); }
double ErrorShare(const WorldResult& result) {
  return result.requests == 0
             ? kNever
             : static_cast<double>(result.errors()) / static_cast<double>(result.requests);
}
double FalseEjections(const WorldResult& result) {
  return static_cast<double>(result.false_ejections);
}
double Ejections(const WorldResult& result) { return static_cast<double>(result.ejections); }
double VerdictChanges(const WorldResult& result) {
  return static_cast<double>(result.verdict_changes_most);
}
double Frozen(const WorldResult& result) { return result.frozen_at_end ? 1 : 0; }
double FailOpen(const WorldResult& result) { return result.fail_open ? 1 : 0; }
// What chance alone does not explain.
double Imbalance(const WorldResult& result) {
  return result.load_max_over_mean / result.load_floor;
}

const Aim kNoFalseEjections{"false ejections", FalseEjections, 0};
const Aim kNoFailOpen{"fail-open", FailOpen, 0};

// For what must be left: off all gateways within `seconds`.
std::vector<Aim> LeftWithin(double seconds, double error_share) {
  return {{"off all gateways, s", OffAll, seconds},
          {"error share", ErrorShare, error_share},
          kNoFalseEjections,
          kNoFailOpen};
}

// ---- Fleets.

// `count` equal endpoints with 10 requests a second each, at a quarter of what they can do.
WorldOptions Fleet(uint32_t count) {
  WorldOptions options;
  options.endpoints.resize(count);
  options.requests_per_second = 10.0 * count;
  options.work_mean_ms = 100;
  options.service.first_byte_timeout = absl::Seconds(10);
  options.duration = absl::Seconds(40);
  return options;
}

std::vector<uint32_t> From(uint32_t first, size_t count) {
  std::vector<uint32_t> endpoints(count);
  std::iota(endpoints.begin(), endpoints.end(), first);
  return endpoints;
}

FaultSpec FaultOf(std::vector<uint32_t> endpoints) {
  FaultSpec fault;
  fault.endpoints = std::move(endpoints);
  fault.begins = kFaultBegins;
  return fault;
}

// ---- Scenarios.

Scenario Steady() {
  Scenario scenario{"steady", "100 endpoints, speeds 1:4, half loaded, nothing fails", {}, {}};
  WorldOptions& options = scenario.options;
  options = Fleet(100);
  for (size_t i = 0; i < options.endpoints.size(); ++i) {
    options.endpoints[i].speed = i % 2 == 0 ? 0.4 : 1.6;
  }
  options.requests_per_second = 2000;
  options.warmup = absl::Minutes(2);
  options.duration = absl::Minutes(2);
  scenario.aims = {{"error share", ErrorShare, 0},
                   {"max / mean load above chance", Imbalance, 1.02},
                   kNoFalseEjections,
                   kNoFailOpen};
  return scenario;
}

Scenario Crash(bool watched) {
  Scenario scenario{watched ? "crash-watched" : "crash",
                    watched ? "one of 30 processes ends; its agent knows the process"
                            : "one of 30 refuses and resets; its agent knows of checks only",
                    Fleet(30),
                    {}};
  FaultSpec fault = FaultOf({7});
  fault.server.crashed = true;
  fault.lasts = absl::Seconds(20);
  scenario.options.endpoints[7].process_watched = watched;
  scenario.options.faults = {fault};
  scenario.aims = LeftWithin(1, 0);
  return scenario;
}

Scenario BlackHole() {
  Scenario scenario{
      "black-hole", "one of 30 accepts and never answers; tries end after 1 s", Fleet(30), {}};
  FaultSpec fault = FaultOf({7});
  fault.server.black_hole = true;
  fault.lasts = absl::Seconds(20);
  scenario.options.faults = {fault};
  scenario.options.service.first_byte_timeout = absl::Seconds(1);
  scenario.options.work_mean_ms = 40;
  scenario.aims = LeftWithin(2, 1e-3);
  return scenario;
}

Scenario Slow() {
  Scenario scenario{"slow", "one of 30 becomes 5 times slower", Fleet(30), {}};
  FaultSpec fault = FaultOf({7});
  fault.server.slow_factor = 5;
  scenario.options.faults = {fault};
  scenario.aims = {{"half its weight on all gateways, s", Halved, 5},
                   {"error share", ErrorShare, 0},
                   kNoFalseEjections,
                   kNoFailOpen};
  return scenario;
}

Scenario Grey(double per_second, double most) {
  Scenario scenario{per_second > 15 ? "grey-20rps" : "grey-10rps",
                    "one of 3 answers 30 % with errors (the others 1 %), checks are fine",
                    Fleet(3),
                    {}};
  for (EndpointSpec& endpoint : scenario.options.endpoints) endpoint.error_share = 0.01;
  scenario.options.requests_per_second = 3 * per_second;
  FaultSpec fault = FaultOf({1});
  fault.server.grey_error_share = 0.3;
  scenario.options.faults = {fault};
  scenario.aims = {{"off all gateways, s", OffAll, most}, kNoFalseEjections, kNoFailOpen};
  return scenario;
}

// Who fails without doing anything has nothing in flight, and would look idle.
Scenario FastFailures() {
  Scenario scenario{
      "fast-failures", "one of 30, half loaded, answers half with errors at once", Fleet(30), {}};
  FaultSpec fault = FaultOf({7});
  fault.server.fast_failure_share = 0.5;
  scenario.options.requests_per_second = 30 * 40 * 0.5;
  scenario.options.faults = {fault};
  scenario.aims = LeftWithin(5, 2e-3);
  return scenario;
}

Scenario ControllerRestart() {
  Scenario scenario{"controller-restart",
                    "the controller is gone for 2 s and another owner takes over, nothing fails",
                    Fleet(30),
                    {}};
  scenario.options.controller_outage = ControllerOutage{.begins = kFaultBegins};
  scenario.aims = {{"error share", ErrorShare, 0}, kNoFalseEjections, kNoFailOpen};
  return scenario;
}

// Zones are a matter of who is cut off: the world's network knows hosts only.
Scenario HalfZone() {
  Scenario scenario{
      "half-zone", "8 of 30 cannot be reached by gateways and controller, for 20 s", Fleet(30), {}};
  FaultSpec fault = FaultOf(From(22, 8));
  fault.unreachable = true;
  fault.lasts = absl::Seconds(20);
  scenario.options.faults = {fault};
  scenario.options.service.first_byte_timeout = absl::Seconds(1);
  scenario.options.work_mean_ms = 40;
  scenario.aims = {{"off all gateways, s", OffAll, 2}, kNoFalseEjections, kNoFailOpen};
  return scenario;
}

// What all of them call fails: no endpoint is better than another.
Scenario SharedDependency() {
  Scenario scenario{"shared-dependency",
                    "all of 30 answer half with errors, beginning within a second, for 20 s",
                    Fleet(30),
                    {}};
  for (uint32_t i = 0; i < 30; ++i) {
    FaultSpec fault = FaultOf({i});
    fault.begins += absl::Seconds(i) / 30;
    fault.server.grey_error_share = 0.5;
    fault.lasts = absl::Seconds(20);
    scenario.options.faults.push_back(std::move(fault));
  }
  scenario.aims = {{"ejections", Ejections, 0}, kNoFailOpen};
  return scenario;
}

// Load that differs, nothing that fails.

Scenario EqualLoad(double load) {
  Scenario scenario{
      load > 0.8 ? "uniform-90" : "uniform-50",
      load > 0.8 ? "30 equal endpoints at 90 % load" : "30 equal endpoints, half loaded",
      Fleet(30),
      {}};
  scenario.options.requests_per_second = 30 * 40 * load;
  scenario.aims = {{"error share", ErrorShare, 0}, kNoFalseEjections, kNoFailOpen};
  return scenario;
}

Scenario Antagonists() {
  Scenario scenario{"antagonists",
                    "30 endpoints; neighbours take up to 70 % of each, another part each 10 s",
                    Fleet(30),
                    {}};
  scenario.options.requests_per_second = 30 * 40 * 0.4;
  scenario.options.noise.neighbour_every = absl::Seconds(10);
  scenario.options.duration = absl::Seconds(60);
  scenario.aims = {{"error share", ErrorShare, 0}, kNoFalseEjections, kNoFailOpen};
  return scenario;
}

// What every fleet sees without being a fault. Per-try limits and errors as services have them.
Scenario Noisy() {
  Scenario scenario{
      "noise",
      "30 endpoints for an hour: 1 % errors, pauses up to 0.9 s each minute, bursts of twice the "
      "load, neighbours, a restart of each, 5 % of reports lost",
      Fleet(30),
      {}};
  WorldOptions& options = scenario.options;
  for (EndpointSpec& endpoint : options.endpoints) endpoint.error_share = 0.01;
  options.noise.pause_every = absl::Minutes(1);
  options.noise.burst_every = absl::Minutes(2);
  options.noise.neighbour_every = absl::Minutes(1);
  options.noise.neighbour_leaves = 0.6;
  options.report_loss = options.observation_loss = 0.05;
  options.service.first_byte_timeout = absl::Seconds(2);
  options.duration = absl::Hours(1);
  for (uint32_t i = 0; i < options.endpoints.size(); ++i) {
    FaultSpec restart = FaultOf({i});
    restart.begins = absl::Minutes(2 * i) + absl::Seconds(7 * i % 60);
    restart.lasts = absl::Seconds(2);
    restart.server.crashed = true;
    options.faults.push_back(std::move(restart));
  }
  scenario.aims = {kNoFalseEjections, kNoFailOpen};
  return scenario;
}

// Nine of ten hosts are taken away at once, without a goodbye.
Scenario ScaleIn() {
  Scenario scenario{"scale-in", "27 of 30 hosts are gone at once, without a drain", Fleet(30), {}};
  FaultSpec fault = FaultOf(From(3, 27));
  fault.unreachable = true;
  fault.server.crashed = true;
  scenario.options.faults = {fault};
  scenario.options.requests_per_second = 60;
  scenario.options.service.first_byte_timeout = absl::Seconds(1);
  scenario.options.duration = absl::Minutes(8);
  scenario.aims = {{"frozen at the end", Frozen, 0}, kNoFalseEjections};
  return scenario;
}

// The path between one gateway and one endpoint is cut; everyone else reaches both.
Scenario OnePath() {
  Scenario scenario{"one-path", "one of 4 gateways does not reach one of 30", Fleet(30), {}};
  FaultSpec fault = FaultOf({7});
  fault.unreachable = true;
  fault.gateways = {1};
  scenario.options.faults = {fault};
  scenario.options.service.first_byte_timeout = absl::Seconds(1);
  scenario.options.work_mean_ms = 40;
  scenario.aims = {{"error share", ErrorShare, 0}, {"ejections", Ejections, 0}, kNoFailOpen};
  return scenario;
}

// Clocks up to 2 % fast or slow, and days apart: nothing is decided by them.
Scenario Clocks() {
  Scenario scenario{
      "clocks", "30 agents whose clocks drift and disagree; one crashes", Fleet(30), {}};
  std::vector<EndpointSpec>& endpoints = scenario.options.endpoints;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    endpoints[i].clock_rate = 0.98 + 0.04 * static_cast<double>(i) / (endpoints.size() - 1.0);
    endpoints[i].clock_ahead = absl::Hours(24) * static_cast<double>(i);
  }
  FaultSpec fault = FaultOf({7});
  fault.server.crashed = true;
  scenario.options.faults = {fault};
  scenario.aims = LeftWithin(1, 0);
  return scenario;
}

// An agent that tells a fifth of its host's load asks for five times the requests. Gateways see
// what these take.
Scenario Lying() {
  Scenario scenario{"lying", "one of 30 tells a fifth of its load", Fleet(30), {}};
  scenario.options.endpoints[7].told_load = 0.2;
  scenario.options.requests_per_second = 30 * 40 * 0.6;
  scenario.options.duration = absl::Minutes(2);
  scenario.aims = {{"error share", ErrorShare, 0},
                   {"largest load by mean, above chance", Imbalance, 1.25},
                   kNoFalseEjections,
                   kNoFailOpen};
  return scenario;
}

Scenario Flapping() {
  Scenario scenario{
      "flapping", "one of 30 refuses for 5 s of every 15, for 10 minutes", Fleet(30), {}};
  for (int i = 0; i < 40; ++i) {
    FaultSpec fault = FaultOf({7});
    fault.begins = absl::Seconds(15) * i;
    fault.lasts = absl::Seconds(5);
    fault.server.crashed = true;
    scenario.options.faults.push_back(std::move(fault));
  }
  scenario.options.duration = absl::Minutes(10);
  scenario.aims = {{"verdict changes of one endpoint", VerdictChanges, 3},
                   {"error share", ErrorShare, 1e-3},
                   kNoFalseEjections,
                   kNoFailOpen};
  return scenario;
}

// One after another says that it leaves, ends, and comes back new; and two minutes later again.
Scenario RollingDeploy() {
  Scenario scenario{
      "rolling-deploy",
      "each of 30 in turn is announced to leave, ends 5 s later and is back after 3 s; twice",
      Fleet(30),
      {}};
  for (uint32_t i = 0; i < 60; ++i) {
    scenario.options.endpoints[i % 30].process_watched = true;
    FaultSpec fault = FaultOf({i % 30});
    fault.begins += absl::Seconds(4) * i;
    fault.announced = absl::Seconds(5);
    fault.lasts = absl::Seconds(3);
    fault.server.crashed = true;
    scenario.options.faults.push_back(std::move(fault));
  }
  scenario.options.duration = absl::Minutes(5);
  scenario.aims = {{"error share", ErrorShare, 0},
                   {"ejections", Ejections, 0},
                   {"back on all gateways, s", Back, 10},
                   kNoFailOpen};
  return scenario;
}

Scenario Restarted() {
  Scenario scenario{
      "restarted", "12 of 30 processes end at once; agents restart them", Fleet(30), {}};
  FaultSpec fault = FaultOf(From(7, 12));
  fault.server.crashed = true;
  for (const uint32_t endpoint : fault.endpoints) {
    scenario.options.endpoints[endpoint].process_watched = true;
    scenario.options.endpoints[endpoint].restartable = true;
  }
  scenario.options.faults = {fault};
  scenario.aims = {{"back on all gateways, s", Back, 30},
                   {"restarts", Restarts, 12},
                   {"error share", ErrorShare, 1e-3},
                   kNoFalseEjections,
                   kNoFailOpen};
  return scenario;
}

Scenario CrashLoop() {
  Scenario scenario{"crash-loop", "one of 30 ends 5 s after each of its restarts", Fleet(30), {}};
  FaultSpec fault = FaultOf({7});
  fault.server.crashed = true;
  fault.ends_again = absl::Seconds(5);
  scenario.options.endpoints[7].process_watched = true;
  scenario.options.endpoints[7].restartable = true;
  scenario.options.faults = {fault};
  scenario.options.duration = absl::Minutes(10);
  scenario.aims = {{"restarts", Restarts, 5},
                   {"restarts left of the five that may be", RestartsLeft, 0},
                   {"error share", ErrorShare, 1e-4},
                   kNoFalseEjections,
                   kNoFailOpen};
  return scenario;
}

// Utilisation shall be alike again soon after a host has become slower (convergence.h): speeds 1:4,
// and one of the others waits for its disk while its CPU idles.
Scenario Disturbed(bool late) {
  Scenario scenario{
      late ? "disturbed-late" : "disturbed",
      late ? "the same, with reports 10 s late and a fifth of them and of observations lost"
           : "40 endpoints, speeds 1:4, one with a slow disk; one of the fast loses half its speed",
      Fleet(40),
      {}};
  WorldOptions& options = scenario.options;
  for (size_t i = 0; i < options.endpoints.size(); ++i) {
    options.endpoints[i].speed = i % 2 == 0 ? 0.4 : 1.6;
  }
  options.endpoints[12].told_cpu = 0.2;
  options.requests_per_second = 40 * 40 * 0.6;
  options.warmup = absl::Minutes(4);
  options.duration = absl::Minutes(4);
  FaultSpec fault = FaultOf({7});
  fault.begins = absl::Seconds(30);
  fault.server.slow_factor = 2;
  options.faults = {fault};
  if (late) {
    options.report_delay = absl::Seconds(10);
    options.report_loss = options.observation_loss = 0.2;
  }
  scenario.aims = {{"error share", ErrorShare, 0}, kNoFalseEjections, kNoFailOpen};
  return scenario;
}

// So few requests that checks are what tells.
Scenario SlowQuiet() {
  Scenario scenario{"slow-quiet",
                    "one of 30 becomes 150 times slower; 6 requests a second in all",
                    Fleet(30),
                    {}};
  FaultSpec fault = FaultOf({7});
  fault.server.slow_factor = 150;
  scenario.options.faults = {fault};
  scenario.options.requests_per_second = 6;
  scenario.options.work_mean_ms = 5;
  scenario.options.service.first_byte_timeout = absl::Seconds(10);
  scenario.aims = {{"half its weight on all gateways, s", Halved, 10},
                   {"error share", ErrorShare, 0},
                   kNoFalseEjections,
                   kNoFailOpen};
  return scenario;
}

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> kScenarios = {Steady(),
                                                   EqualLoad(0.5),
                                                   EqualLoad(0.9),
                                                   Antagonists(),
                                                   Crash(false),
                                                   Crash(true),
                                                   BlackHole(),
                                                   Slow(),
                                                   Grey(20, 5),
                                                   Grey(10, 10),
                                                   FastFailures(),
                                                   HalfZone(),
                                                   SharedDependency(),
                                                   ControllerRestart(),
                                                   ScaleIn(),
                                                   Flapping(),
                                                   OnePath(),
                                                   Clocks(),
                                                   Lying(),
                                                   RollingDeploy(),
                                                   Restarted(),
                                                   CrashLoop(),
                                                   SlowQuiet(),
                                                   Disturbed(false),
                                                   Disturbed(true),
                                                   Noisy()};
  return kScenarios;
}

const Scenario* FindScenario(absl::string_view name) {
  for (const Scenario& scenario : Scenarios()) {
    if (scenario.name == name) return &scenario;
  }
  return nullptr;
}

std::vector<Finding> Judge(const Scenario& scenario, const WorldResult& result) {
  std::vector<Finding> findings;
  for (const Aim& aim : scenario.aims) {
    const double value = aim.measure(result);
    findings.push_back({aim.what, value, aim.most, value <= aim.most});
  }
  const auto broken = static_cast<double>(result.violations.size());
  findings.push_back({"broken invariants", broken, 0, broken == 0});
  return findings;
}

}  // namespace pointsman::sim
