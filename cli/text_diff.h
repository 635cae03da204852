#pragma once

// The difference of two texts, line by line. Thread-safe (no state).

#include <string>

#include "absl/strings/string_view.h"
#include "cli/text.h"

namespace pointsman::cli {

// Lines with "+", "-" and, three around each change, " "; "@@" where lines are left out. Empty:
// equal. Quadratic in the lines between the texts' common start and end; beyond kDiffLinesMax of
// them they are shown as wholly replaced.
std::string DiffLines(absl::string_view before, absl::string_view after, const Style& style);

inline constexpr int kDiffLinesMax = 5000;

}  // namespace pointsman::cli
