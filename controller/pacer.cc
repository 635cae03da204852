#include "controller/pacer.h"

#include <algorithm>

namespace pointsman::controller {
namespace {

// Fewer reports say too little about the cost of one.
constexpr uint64_t kReportsMin = 100;
// Fewer agents than this are not worth pacing.
constexpr uint64_t kAgentsMin = 100;
constexpr double kSmoothing = 0.3;
// What a report costs while nothing has been measured: gRPC's share on a connection of its own.
constexpr absl::Duration kCostAssumed = absl::Microseconds(125);
// More newcomers than this share in one measurement, and a few, are a fleet that arrives.
constexpr double kArrivingShare = 0.01;
constexpr uint64_t kArrivingMin = 10;
// Hellos, first verdicts and slow starts are over this long after the last arrivals.
constexpr absl::Duration kSettleTime = absl::Seconds(15);

// Whole tenths of a second.
absl::Duration Quantise(absl::Duration interval) {
  return absl::Ceil(interval, absl::Milliseconds(100));
}

}  // namespace

Pacer::Pacer(const PacerOptions& options)
    : options_(options), interval_(options.shortest), cost_(kCostAssumed) {}

// What agents cost as they arrive is no cost of reports.
bool Pacer::Settled(const Measurement& measured) {
  const double few = static_cast<double>(agents_) * kArrivingShare + kArrivingMin;
  const bool arriving = static_cast<double>(measured.agents) > static_cast<double>(agents_) + few;
  agents_ = measured.agents;
  unsettled_ = arriving ? kSettleTime : unsettled_ - measured.elapsed;
  return unsettled_ <= absl::ZeroDuration();
}

absl::Duration Pacer::Update(const Measurement& measured) {
  if (Settled(measured)) {
    cpu_ += measured.cpu;
    reports_ += measured.reports;
  }
  if (reports_ >= kReportsMin) {
    const absl::Duration sample = cpu_ / static_cast<double>(reports_);
    cpu_ = absl::ZeroDuration();
    reports_ = 0;
    cost_ = measured_ ? cost_ * (1 - kSmoothing) + sample * kSmoothing : sample;
    measured_ = true;
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
