#include "common/core/ewma.h"

#include <algorithm>
#include <cmath>

namespace pointsman::common {

double HalfLifeDecay(absl::Duration elapsed, absl::Duration half_life) {
  if (elapsed <= absl::ZeroDuration()) return 1;
  return std::exp2(-absl::FDivDuration(elapsed, half_life));
}

void Ewma::Add(double sample, MonotonicTime now, absl::Duration half_life) {
  if (empty()) {
    value_ = sample;
  } else {
    const absl::Duration elapsed = std::max(now - last_, absl::Microseconds(1));
    const double kept = HalfLifeDecay(elapsed, half_life);
    value_ = value_ * kept + sample * (1 - kept);
  }
  last_ = now;
}

}  // namespace pointsman::common
