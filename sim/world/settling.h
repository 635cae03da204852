#pragma once

// After what time clients were served again as before a fault: what they waited for and the share
// of errors they saw, second by second, are compared with the seconds before it. Pure.

#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "sim/world/record.h"

namespace pointsman::sim {

// A second is disturbed when its 99th percentile is so much above the highest of the seconds
// before the fault, or its share of errors so much above theirs, or nobody was answered. Of less
// than some hundred requests a second chance alone does that.
inline constexpr double kDisturbedLatency = 1.25;
inline constexpr double kDisturbedErrors = 0.01;
// The last seconds of the fault tell whether it is over: with a disturbed one among them it is not.
inline constexpr size_t kSettledSeconds = 3;

// From the fault's beginning to the end of the last disturbed second while it lasted; zero: there
// was none; absent: it had not settled, or too little was seen before it to compare with.
std::optional<absl::Duration> SettledAfter(const std::vector<SeriesPoint>& series,
                                           absl::Duration begins, absl::Duration lasts);

}  // namespace pointsman::sim
