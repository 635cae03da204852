#include "agent/core/usual_latency.h"

#include <algorithm>

namespace pointsman::agent {
namespace {

constexpr double kStep = 1.02;
constexpr double kSlowStep = 1.002;

}  // namespace

UsualLatency::UsualLatency(absl::Duration usual) {
  if (usual <= absl::ZeroDuration()) return;
  usual_us_ = absl::ToDoubleMicroseconds(usual);
  learned_ = kKnownFrom;
}

void UsualLatency::Learn(absl::Duration latency, bool slow) {
  // A factor of nothing is nothing: it could not grow any more.
  const double took = std::max(1.0, absl::ToDoubleMicroseconds(latency));
  if (learned_ < kKnownFrom) {
    first_[learned_++] = static_cast<float>(took);
    if (learned_ < kKnownFrom) return;
    std::nth_element(first_.begin(), first_.begin() + kKnownFrom / 2, first_.end());
    usual_us_ = first_[kKnownFrom / 2];
    return;
  }
  const double step = slow ? kSlowStep : kStep;
  usual_us_ =
      took > usual_us_ ? std::min(took, usual_us_ * step) : std::max(took, usual_us_ / step);
}

absl::Duration UsualLatency::usual() const {
  return learned_ < kKnownFrom ? absl::ZeroDuration() : absl::Microseconds(usual_us_);
}

absl::Duration UsualLatency::SlowAfter() const {
  if (learned_ < kKnownFrom) return absl::InfiniteDuration();
  return std::max(kSlowFactor * usual(), usual() + kSlowMore);
}

}  // namespace pointsman::agent
