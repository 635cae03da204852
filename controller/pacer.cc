#include "controller/pacer.h"

#include <algorithm>

namespace pointsman::controller {
namespace {

// Fewer reports say too little about the cost of one.
constexpr uint64_t kReportsMin = 100;
// Fewer agents than this are not worth pacing.
constexpr uint64_t kAgentsMin = 100;
constexpr double kSmoothing = 0.3;

// Whole tenths of a second.
absl::Duration Quantise(absl::Duration interval) {
  return absl::Ceil(interval, absl::Milliseconds(100));
}

}  // namespace

absl::Duration Pacer::Update(const Measurement& measured) {
  cpu_ += measured.cpu;
  reports_ += measured.reports;
  if (reports_ >= kReportsMin) {
    const absl::Duration sample = cpu_ / static_cast<double>(reports_);
    cpu_ = absl::ZeroDuration();
    reports_ = 0;
    cost_ = cost_ == absl::ZeroDuration() ? sample : cost_ * (1 - kSmoothing) + sample * kSmoothing;
  }
  const double agents =
      measured.agents < kAgentsMin ? 0 : static_cast<double>(measured.agents) / options_.cores;
  const absl::Duration needed = cost_ * agents;
  const absl::Duration wanted = std::clamp(Quantise(needed), options_.shortest, options_.longest);
  const bool too_short = wanted > interval_ * 1.1;
  const bool too_long =
      wanted < interval_ / 2 || (wanted == options_.shortest && needed < options_.shortest * 0.8);
  if (too_short || too_long) interval_ = wanted;
  return interval_;
}

}  // namespace pointsman::controller
