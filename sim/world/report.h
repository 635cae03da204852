#pragma once

// A run's result as a table for people and as JSON for programs. Thread-safe: no state.

#include <string>
#include <vector>

#include "sim/world/record.h"
#include "sim/world/scenario.h"

namespace pointsman::sim {

// One figure: "p99" of "ms" is 12.5. Not finite: it did not happen.
struct Figure {
  std::string name;  // Stable.
  std::string unit;  // Empty: a number or share.
  double value = 0;
};

// Of several faults, the times of the first.
std::vector<Figure> FiguresOf(const WorldResult& result);

// The command that runs it again.
std::string RepeatCommand(const Scenario& scenario);

// Figures with units, aims with "ok" or "MISSED", broken invariants, and when anything was missed
// the command that repeats the run. `scenario` has the seed of the run.
std::string ResultText(const Scenario& scenario, const WorldResult& result);

// One object: scenario, seed, digest, figures by name (null: it did not happen), aims, violations.
std::string ResultJson(const Scenario& scenario, const WorldResult& result);

// A line for each scenario.
std::string ListText();

}  // namespace pointsman::sim
