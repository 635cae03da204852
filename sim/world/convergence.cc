#include "sim/world/convergence.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/core/check.h"
#include "sim/world/host.h"
#include "sim/world/utilisation.h"
#include "sim/world/world.h"

namespace pointsman::sim {
namespace {

constexpr size_t kSettledWindows = 3;
// A try counts one, whatever it costs.
constexpr double kVarianceOfATry = 1;

double CapacityAt(const WorldOptions& options, uint32_t endpoint, absl::Duration at) {
  const EndpointSpec& spec = options.endpoints[endpoint];
  double capacity = spec.speed * spec.concurrency;
  for (const FaultSpec& fault : options.faults) {
    if (fault.Has(endpoint, at)) capacity /= fault.server.slow_factor;
  }
  return capacity;
}

ConvergencePoint PointAt(const WorldOptions& options, absl::Duration at,
                         const std::vector<uint64_t>& tries, absl::BitGenRef random) {
  double all_tries = 0;
  double all_capacity = 0;
  std::vector<double> loads;
  for (uint32_t i = 0; i < tries.size(); ++i) {
    const double capacity = CapacityAt(options, i, at);
    loads.push_back(static_cast<double>(tries[i]) / capacity);
    all_tries += static_cast<double>(tries[i]);
    all_capacity += capacity;
  }
  const double mean = all_tries / all_capacity;
  ConvergencePoint point;
  point.at = at;
  for (uint32_t i = 0; i < loads.size(); ++i) {
    if (loads[i] / mean > point.max_over_mean) {
      point.max_over_mean = loads[i] / mean;
      point.most = i;
    }
    if (options.faults[0].IsOf(i)) continue;
    point.others = std::max(point.others, loads[i] / mean);
  }
  point.by_chance = SamplingFloor(tries, random, kVarianceOfATry);
  return point;
}

}  // namespace

Convergence ConvergenceOf(const WorldOptions& options,
                          const std::vector<std::vector<uint64_t>>& tries) {
  PM_CHECK(!options.faults.empty());
  const absl::Duration begins = options.faults[0].begins;
  std::mt19937_64 random(options.seed);
  Convergence out;
  size_t alike = 0;  // Windows in a row up to here.
  for (size_t i = 0; i < tries.size(); ++i) {
    const absl::Duration at = static_cast<int64_t>(i) * kTriesWindow;
    const ConvergencePoint point = PointAt(options, at, tries[i], random);
    out.points.push_back(point);
    if (at < begins) continue;
    out.overshoot = std::max(out.overshoot, point.others / point.by_chance);
    alike = point.max_over_mean <= kConverged * point.by_chance ? alike + 1 : 0;
  }
  if (alike >= kSettledWindows) {
    out.settled = static_cast<int64_t>(tries.size() - alike) * kTriesWindow - begins;
  }
  return out;
}

Convergence Converge(const Scenario& scenario, uint64_t seeds,
                     const std::function<void(absl::string_view)>& progress) {
  std::vector<std::vector<uint64_t>> tries;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    progress(absl::StrCat(scenario.name, ", seed ", seed, " of ", seeds));
    WorldOptions options = scenario.options;
    options.seed = seed;
    const WorldResult result = RunWorld(options);
    PM_CHECK(result.violations.empty());
    tries.resize(std::max(tries.size(), result.tries_by_window.size()));
    for (size_t i = 0; i < result.tries_by_window.size(); ++i) {
      tries[i].resize(options.endpoints.size());
      for (size_t k = 0; k < tries[i].size(); ++k) tries[i][k] += result.tries_by_window[i][k];
    }
  }
  return ConvergenceOf(scenario.options, tries);
}

std::string ConvergenceText(const Scenario& scenario, uint64_t seeds,
                            const Convergence& convergence) {
  const absl::Duration begins = scenario.options.faults[0].begins;
  std::string text =
      absl::StrFormat("%s, seeds 1 to %d: %s\n", scenario.name, seeds, scenario.summary);
  absl::StrAppendFormat(&text, "%22s  %12s  %5s  %20s  %9s\n", "since the disturbance",
                        "max / mean", "of", "of the undisturbed", "by chance");
  for (const ConvergencePoint& point : convergence.points) {
    absl::StrAppendFormat(&text, "%20.0f s  %12.3f  %5s  %20.3f  %9.3f\n",
                          absl::ToDoubleSeconds(point.at - begins), point.max_over_mean,
                          EndpointId(point.most), point.others, point.by_chance);
  }
  absl::StrAppendFormat(
      &text, "within %.2f of chance from %s on; at most %.3f of chance on the undisturbed\n",
      kConverged,
      convergence.settled ? absl::FormatDuration(*convergence.settled) : std::string("never"),
      convergence.overshoot);
  if (seeds < 100) {
    absl::StrAppend(&text, "with fewer than 100 seeds much of this is chance: see --seeds\n");
  }
  return text;
}

}  // namespace pointsman::sim
