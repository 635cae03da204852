#include "gateway/core/concurrency_limit.h"

#include <algorithm>

namespace pointsman::gateway {
namespace {

constexpr uint32_t kWarmUpWindows = 10;
constexpr double kLongShare = 2.0 / (ConcurrencyLimit::kLongWindows + 1);
constexpr double kTolerance = 1.5;
constexpr double kGradientLeast = 0.5;
constexpr double kSmoothing = 0.2;
constexpr double kDecayAbove = 2;
constexpr double kDecay = 0.95;

double Within(double estimate, const ConcurrencyLimit::Bounds& bounds) {
  const double least = std::max<uint32_t>(bounds.least, 1);
  return std::max(least, std::min<double>(estimate, bounds.most));
}

}  // namespace

uint32_t ConcurrencyLimit::limit(const Bounds& bounds) const {
  return static_cast<uint32_t>(Within(estimate_, bounds));
}

bool ConcurrencyLimit::IsTooLong(common::MonotonicTime now) const {
  if (window_.samples == 0) return false;
  const double mean = window_.seconds / window_.samples;
  return now - window_.begin > std::max(kWindowMost, absl::Seconds(mean * kWindowMostTimes));
}

void ConcurrencyLimit::OnSample(absl::Duration rtt, uint32_t in_flight, const Bounds& bounds,
                                common::MonotonicTime now) {
  if (IsTooLong(now)) window_ = Window();
  if (window_.samples == 0) window_.begin = now;
  window_.seconds += absl::ToDoubleSeconds(std::clamp(rtt, kTimeLeast, kTimeMost));
  window_.in_flight = std::max(window_.in_flight, in_flight);
  ++window_.samples;
  if (window_.samples < kWindowSamples || now - window_.begin < kWindowLeast) return;
  EndWindow(bounds);
  window_ = Window();
}

double ConcurrencyLimit::Learn(double short_seconds) {
  const double apart = short_seconds - long_seconds_;
  if (warm_up_ < kWarmUpWindows) {
    ++warm_up_;
    return long_seconds_ += apart / warm_up_;
  }
  const double long_seconds = long_seconds_ + apart * kLongShare;
  // The load is over that had made it long.
  const bool decays = long_seconds > kDecayAbove * short_seconds;
  long_seconds_ = decays ? kDecay * long_seconds : long_seconds;
  return long_seconds;
}

void ConcurrencyLimit::EndWindow(const Bounds& bounds) {
  const double short_seconds = window_.seconds / window_.samples;
  const double long_seconds = Learn(short_seconds);
  estimate_ = Within(estimate_, bounds);
  if (window_.in_flight < estimate_ / 2) return;
  const double gradient =
      std::clamp(kTolerance * long_seconds / short_seconds, kGradientLeast, 1.0);
  const double wanted = estimate_ * gradient + bounds.room;
  estimate_ = Within(estimate_ + (wanted - estimate_) * kSmoothing, bounds);
}

}  // namespace pointsman::gateway
