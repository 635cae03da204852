#pragma once

// Tells mistakes of writing (an unknown field, a wrong type) together with broken rules (a range, a
// reference), so that a person corrects a file once. Rules that are broken only because something
// is written wrongly are left out: "chekcs" is told, that there are no checks is not.
// Thread-safe (no state).

#include <vector>

#include "common/core/config_problem.h"

namespace pointsman::common {

struct BrokenRule {
  ConfigProblem problem;
  // The field is in the text, so that the rule speaks of what somebody wrote.
  bool written = false;
};

// By line, at most kConfigProblemsMax and one entry for those left out. Without mistakes every rule
// is kept, in its order. O(mistakes * rules), both bounded by kConfigProblemsMax.
ConfigProblems JoinProblems(ConfigProblems mistakes, std::vector<BrokenRule> rules);

}  // namespace pointsman::common
