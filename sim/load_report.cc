#include "sim/load_report.h"

namespace pointsman::sim {

LoadReport ReportOf(const ServerCounters& from, const ServerCounters& to, absl::Duration elapsed,
                    uint32_t concurrency) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  LoadReport report;
  report.eps = static_cast<double>(to.errors - from.errors) / seconds;
  report.qps = static_cast<double>(to.completions - from.completions) / seconds + report.eps;
  report.cpu = BusyShare(from, to, elapsed, concurrency);
  return report;
}

}  // namespace pointsman::sim
