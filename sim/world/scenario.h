#pragma once

// Named worlds and what they must come to: fleets, faults and the aims that the project set itself,
// with all parameters in code, so that a name and a seed mean the same run everywhere.
// Thread-safe: no state.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "sim/world/options.h"
#include "sim/world/record.h"

namespace pointsman::sim {

// A number of a result that should not be above `most`.
struct Aim {
  std::string what;                                        // With its unit: "off all gateways, s".
  double (*measure)(const WorldResult& result) = nullptr;  // Infinity: it never happened.
  double most = 0;
};

struct Scenario {
  std::string name;
  std::string summary;   // One line.
  WorldOptions options;  // The seed is set by who runs it.
  std::vector<Aim> aims;
};

// How an aim was met.
struct Finding {
  std::string what;
  double value = 0;
  double most = 0;
  bool met = false;
};

// In the order in which they are listed.
const std::vector<Scenario>& Scenarios();
// Null: there is none of this name.
const Scenario* FindScenario(absl::string_view name);

// The scenario's aims, and that no invariant was broken.
std::vector<Finding> Judge(const Scenario& scenario, const WorldResult& result);

}  // namespace pointsman::sim
