#include "sim/world/settling.h"

#include <algorithm>

namespace pointsman::sim {
namespace {

double ErrorShare(const SeriesPoint& point) {
  if (point.requests == 0) return 0;
  return static_cast<double>(point.errors) / static_cast<double>(point.requests);
}

}  // namespace

std::optional<absl::Duration> SettledAfter(const std::vector<SeriesPoint>& series,
                                           absl::Duration begins, absl::Duration lasts) {
  const double from = absl::ToDoubleSeconds(begins);
  const double to = absl::ToDoubleSeconds(begins + lasts);
  double usual_ms = 0;
  double usual_errors = 0;
  double settled = 0;
  size_t since = 0;  // Seconds without a disturbance, since the last or the fault's beginning.
  for (const SeriesPoint& point : series) {
    if (point.at_s + 1 <= from) {
      usual_ms = std::max(usual_ms, point.p99_ms);
      usual_errors = std::max(usual_errors, ErrorShare(point));
      continue;
    }
    if (point.at_s >= to) break;
    ++since;
    const bool silent = usual_ms > 0 && point.requests == point.errors;
    const bool slow = silent || point.p99_ms > kDisturbedLatency * usual_ms;
    if (!slow && ErrorShare(point) <= usual_errors + kDisturbedErrors) continue;
    settled = std::min(point.at_s + 1, to) - from;
    since = 0;
  }
  if (usual_ms == 0 || since < kSettledSeconds) return std::nullopt;
  return absl::Seconds(settled);
}

}  // namespace pointsman::sim
