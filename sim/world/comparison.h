#pragma once

// Our picker beside published policies: the same scenarios with the same seeds, so that each pair
// of runs meets the same clients, work, faults and noise. What is compared are the 99th percentile
// of what clients wait for and the share of errors they see; the rest is shown. Pure; O(runs).

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "sim/world/record.h"
#include "sim/world/scenario.h"

namespace pointsman::sim {

inline constexpr char kOurs[] = "pointsman";

// kOurs and the policies of the catalogue that need no weights from outside.
std::vector<std::string> ComparedPolicies();
// Names of the scenarios in which balancing and failing are compared.
std::vector<std::string> ComparedScenarios();

// A mean with its 95 % interval (Student's t).
struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
};
Estimate MeanOf(const std::vector<double>& samples);
// Of b / a, sample by sample, as a geometric mean. REQUIRES: as many of both, above 0.
Estimate RatioOf(const std::vector<double>& a, const std::vector<double>& b);

// One policy in one scenario: means over the seeds, and ours paired with it.
struct ComparedRow {
  std::string policy;
  Estimate p50_ms, p99_ms, p999_ms;
  Estimate error_share;
  Estimate load;        // Largest by mean, of endpoints without a fault.
  Estimate load_floor;  // By chance alone.
  // Seconds until the first fault's endpoints got half of their tries: the median of the seeds;
  // infinite: never in most of them. NaN without a fault.
  double shed_s = 0;
  double settled_s = 0;          // Likewise until clients were served as before (SettledAfter).
  uint64_t false_ejections = 0;  // In all runs.
  Estimate ours_p99;             // Ours by this one; of kOurs 1.
  Estimate ours_errors;          // Ours less this one.
};

struct ComparedScenario {
  std::string name;
  std::string summary;
  std::vector<ComparedRow> rows;  // In the order of ComparedPolicies().
  // No policy is better than ours by more than 2 % in p99, nor by more than chance in errors.
  bool first = false;
  std::string who_is_better;  // Otherwise: whose p99 or errors.
};

// Runs one scenario under all policies with seeds 1 to `seeds`. `progress` is told of each run.
// REQUIRES: seeds >= 2.
ComparedScenario Compare(const Scenario& scenario, uint64_t seeds,
                         const std::function<void(absl::string_view)>& progress);

// A Markdown section: a heading, a table, and what it says.
std::string ComparisonMarkdown(const ComparedScenario& compared);

}  // namespace pointsman::sim
