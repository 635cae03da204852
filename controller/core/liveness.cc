#include "controller/core/liveness.h"

#include <algorithm>
#include <cmath>

namespace pointsman::controller {
namespace {

// The normal quantile of 1 - 1e-8.
constexpr double kPhiEight = 5.612;
constexpr double kShare = 0.05;
constexpr double kDeviationMin = 0.1;  // Seconds.
constexpr int kIntervals = 3;
constexpr int kProlongMax = 4;

}  // namespace

void ReportGaps::Add(absl::Duration gap, absl::Duration silent_after) {
  const double seconds = absl::ToDoubleSeconds(std::min(gap, silent_after));
  if (samples_ == 0) mean_ = static_cast<float>(seconds);
  const double off = seconds - mean_;
  mean_ = static_cast<float>(mean_ + kShare * off);
  variance_ = static_cast<float>((1 - kShare) * (variance_ + kShare * off * off));
  samples_ = std::min(samples_ + 1, kSamplesMin);
}

absl::Duration ReportGaps::deviation() const { return absl::Seconds(std::sqrt(variance_)); }

absl::Duration ReportGaps::Limit() const {
  if (samples_ < kSamplesMin) return absl::ZeroDuration();
  const double deviation = std::max<double>(std::sqrt(variance_), kDeviationMin);
  return absl::Seconds(mean_ + kPhiEight * deviation);
}

absl::Duration SilenceLimit(absl::Duration silent_after, absl::Duration report_interval,
                            const ReportGaps& gaps) {
  const absl::Duration own = std::min(gaps.Limit(), kProlongMax * silent_after);
  return std::max({silent_after, kIntervals * report_interval, own});
}

}  // namespace pointsman::controller
