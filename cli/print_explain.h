#pragma once

// A decision with its arithmetic, as text for people. Pure functions of messages; thread-safe.

#include <string>

#include "cli/text.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::cli {

// Verdict and weight: result, age, reason, a table of inputs with thresholds, sources and ages, the
// arithmetic step by step, and what would change it.
std::string ExplanationText(const v1::Explanation& explanation, const Style& style);
// Of a service: to whom requests go, and what its weights do.
std::string ServiceExplanationText(const v1::Explanation& explanation, const Style& style);

}  // namespace pointsman::cli
