#include "sim/world/utilisation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "sim/random.h"

namespace pointsman::sim {
namespace {

constexpr int kDrawings = 200;

}  // namespace

double MaxOverMean(std::span<const double> loads) {
  const double sum = std::accumulate(loads.begin(), loads.end(), 0.0);
  if (sum <= 0) return 0;
  return *std::max_element(loads.begin(), loads.end()) * static_cast<double>(loads.size()) / sum;
}

double SamplingFloor(std::span<const uint64_t> requests, absl::BitGenRef random, double variance) {
  if (requests.empty()) return 0;
  double sum = 0;
  std::vector<double> loads(requests.size());
  for (int i = 0; i < kDrawings; ++i) {
    for (size_t k = 0; k < requests.size(); ++k) {
      const double spread =
          std::sqrt(variance / static_cast<double>(std::max<uint64_t>(requests[k], 1)));
      loads[k] = std::max(0.0, 1 + spread * StandardNormal(random));
    }
    sum += MaxOverMean(loads);
  }
  return sum / kDrawings;
}

}  // namespace pointsman::sim
