// pointsman-sim: runs named scenarios of the simulated world, many times faster than real time and
// the same on every machine.

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/time/time.h"
#include "sim/world/comparison.h"
#include "sim/world/convergence.h"
#include "sim/world/plot.h"
#include "sim/world/report.h"
#include "sim/world/scenario.h"
#include "sim/world/world.h"

namespace {

namespace sim = pointsman::sim;

struct Flags {
  std::string scenario;
  std::string policy;
  std::vector<std::string> scenarios;
  uint64_t seed = 1;
  uint64_t seeds = 10;
  bool json = false;
  std::string csv;
  std::string svg;
};

std::vector<std::string> PublishedPolicies() {
  std::vector<std::string> names = sim::ComparedPolicies();
  std::erase(names, sim::kOurs);
  return names;
}

// How fast it went is not part of the result: it is no function of the seed.
void PrintSpeed(const sim::WorldOptions& options, std::chrono::steady_clock::time_point began) {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const double simulated = absl::ToDoubleSeconds(options.warmup + options.duration);
  std::fprintf(stderr, "%.0f s simulated in %.2f s: %.0f times real time\n", simulated,
               took.count(), simulated / took.count());
}

bool WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  file.close();
  if (file) return true;
  std::fprintf(stderr, "pointsman-sim: cannot write %s\n", path.c_str());
  return false;
}

// Null: there is none, and that was said.
const sim::Scenario* FindOrTell(const std::string& name) {
  const sim::Scenario* scenario = sim::FindScenario(name);
  if (scenario == nullptr) {
    std::fprintf(stderr, "pointsman-sim: no scenario \"%s\"; there are:\n%s", name.c_str(),
                 sim::ListText().c_str());
  }
  return scenario;
}

// 0: every aim is met, 1: not, 2: no such scenario, or a file cannot be written.
int RunScenario(const Flags& flags) {
  const sim::Scenario* found = FindOrTell(flags.scenario);
  if (found == nullptr) return 2;
  sim::Scenario scenario = *found;
  scenario.options.seed = flags.seed;
  scenario.options.policy = flags.policy;
  const auto began = std::chrono::steady_clock::now();
  const sim::WorldResult result = sim::RunWorld(scenario.options);
  PrintSpeed(scenario.options, began);
  if (!flags.csv.empty() && !WriteFile(flags.csv, sim::SeriesCsv(result))) return 2;
  if (!flags.svg.empty() && !WriteFile(flags.svg, sim::SeriesSvg(scenario, result))) return 2;
  const std::string text =
      flags.json ? sim::ResultJson(scenario, result) : sim::ResultText(scenario, result);
  std::fputs(text.c_str(), stdout);
  for (const sim::Finding& finding : sim::Judge(scenario, result)) {
    if (finding.met) continue;
    if (flags.json) {
      std::fprintf(stderr, "missed; repeat with: %s\n", sim::RepeatCommand(scenario).c_str());
    }
    return 1;
  }
  return 0;
}

void ShowProgress(absl::string_view what) {
  if (isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\r\033[K%.*s", static_cast<int>(what.size()), what.data());
}

// 0: done, 2: no such scenario.
int ComparePolicies(const Flags& flags) {
  const std::vector<std::string> names =
      flags.scenarios.empty() ? sim::ComparedScenarios() : flags.scenarios;
  for (const std::string& name : names) {
    const sim::Scenario* scenario = FindOrTell(name);
    if (scenario == nullptr) return 2;
    const sim::ComparedScenario compared = sim::Compare(*scenario, flags.seeds, ShowProgress);
    ShowProgress("");
    std::printf("%s\n", sim::ComparisonMarkdown(compared).c_str());
    std::fflush(stdout);
  }
  return 0;
}

// 0: done, 2: no such scenario, or nothing disturbs it.
int ShowConvergence(const Flags& flags) {
  const sim::Scenario* scenario = FindOrTell(flags.scenario);
  if (scenario == nullptr) return 2;
  if (scenario->options.faults.empty()) {
    std::fprintf(stderr, "pointsman-sim: nothing disturbs \"%s\"; try \"disturbed\"\n",
                 flags.scenario.c_str());
    return 2;
  }
  const sim::Convergence convergence = sim::Converge(*scenario, flags.seeds, ShowProgress);
  ShowProgress("");
  std::fputs(sim::ConvergenceText(*scenario, flags.seeds, convergence).c_str(), stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Tries the decision cores in a simulated world.", "pointsman-sim");
  app.require_subcommand(1);
  CLI::App* list = app.add_subcommand("list", "the scenarios, one a line");
  CLI::App* run = app.add_subcommand("run", "runs a scenario; status 1: an aim was missed");
  run->add_option("scenario", flags.scenario, "one of those that `list` names")->required();
  run->add_option("--seed", flags.seed, "another number is another run; default 1");
  run->add_option("--policy", flags.policy,
                  "a published policy picks in the gateways instead of ours")
      ->check(CLI::IsMember(PublishedPolicies()));
  run->add_option("--csv", flags.csv, "file for requests, errors and latency by second");
  run->add_option("--svg", flags.svg, "file for a picture of the same");
  run->add_flag("--json", flags.json, "the result as one line of JSON");
  CLI::App* policies =
      app.add_subcommand("policies", "ours beside published policies, as Markdown tables");
  policies->add_option("scenarios", flags.scenarios, "without any: all that are compared");
  policies->add_option("--seeds", flags.seeds, "runs of each; default 10")
      ->check(CLI::Range(2, 1000));
  CLI::App* converge = app.add_subcommand(
      "converge", "how soon endpoints are used alike again after a scenario's first fault");
  converge->add_option("scenario", flags.scenario, "one of those that `list` names")->required();
  converge->add_option("--seeds", flags.seeds, "runs whose mean is taken; default 10")
      ->check(CLI::Range(2, 1000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (list->parsed()) {
    std::fputs(sim::ListText().c_str(), stdout);
    return 0;
  }
  if (converge->parsed()) return ShowConvergence(flags);
  return policies->parsed() ? ComparePolicies(flags) : RunScenario(flags);
}
