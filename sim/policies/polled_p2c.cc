#include "sim/policies/polled_p2c.h"

#include "common/core/check.h"
#include "sim/random.h"

namespace pointsman::sim {

PolledP2cPolicy::PolledP2cPolicy(size_t endpoints) : polled_(endpoints, 0) {
  PM_CHECK(endpoints >= 1);
}

size_t PolledP2cPolicy::Pick(const PickView& /*view*/, absl::BitGenRef random) {
  const size_t n = polled_.size();
  const size_t first = UniformIndex(n, random);
  if (n == 1) return first;
  size_t second = UniformIndex(n - 1, random);
  if (second >= first) ++second;
  return polled_[second] < polled_[first] ? second : first;
}

void PolledP2cPolicy::OnReport(size_t endpoint, const LoadReport& report,
                               common::MonotonicTime /*now*/) {
  polled_[endpoint] = report.in_flight;
}

}  // namespace pointsman::sim
