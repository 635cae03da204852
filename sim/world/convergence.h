#pragma once

// How soon the expected utilisation of all endpoints is alike again after a disturbance. What is
// expected is the mean over many seeds: tries at each endpoint in windows of time by its capacity
// then, so that neither one run's chance nor what a request happens to cost is in it. Pure;
// O(runs).

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "sim/world/record.h"
#include "sim/world/scenario.h"

namespace pointsman::sim {

struct ConvergencePoint {
  absl::Duration at;         // The window's beginning, from that of the measured time.
  double max_over_mean = 0;  // Of all endpoints.
  uint32_t most = 0;         // Whose that is.
  double others = 0;         // Of those that nothing disturbs, by the mean of all.
  double by_chance = 0;      // What so many tries would give if all were alike.
};

struct Convergence {
  std::vector<ConvergencePoint> points;
  // From the disturbance to the beginning of the windows from which on max_over_mean stays within
  // kConverged of what chance gives; absent: it does not, or not for three windows.
  std::optional<absl::Duration> settled;
  // The most of `others` after it, by what chance gives: the share of the disturbed ones goes to
  // them, and no more than that.
  double overshoot = 0;
};

inline constexpr double kConverged = 1.02;

// Of tries by window and endpoint, summed over runs. REQUIRES: the scenario has a fault, which
// begins with a window.
Convergence ConvergenceOf(const WorldOptions& options,
                          const std::vector<std::vector<uint64_t>>& tries);

// Runs the scenario with seeds 1 to `seeds`. `progress` is told of each run.
Convergence Converge(const Scenario& scenario, uint64_t seeds,
                     const std::function<void(absl::string_view)>& progress);

// A table, and what it comes to.
std::string ConvergenceText(const Scenario& scenario, uint64_t seeds,
                            const Convergence& convergence);

}  // namespace pointsman::sim
