#include "agent/core/load.h"

#include <algorithm>
#include <limits>

namespace pointsman::agent {

std::optional<double> CpuMeter::Take(const std::optional<CpuReading>& reading,
                                     common::MonotonicTime now) {
  if (!reading.has_value()) {
    base_.reset();
    share_.reset();
    return std::nullopt;
  }
  const bool anew = !base_.has_value() || base_->source != reading->source ||
                    reading->used_seconds < base_->used_seconds;
  if (anew) {
    share_.reset();
  } else {
    if (now - base_time_ < kCpuWindowMin) return share_;
    const double available =
        reading->available_seconds.has_value() && base_->available_seconds.has_value()
            ? *reading->available_seconds - *base_->available_seconds
            : absl::ToDoubleSeconds(now - base_time_) * reading->limit_cpus;
    // Idle time may go back a little on some kernels; then there is no window to divide by.
    if (available > 0) share_ = (reading->used_seconds - base_->used_seconds) / available;
  }
  base_ = reading;
  base_time_ = now;
  return share_;
}

void CarriedCounter::Take(uint64_t value) {
  if (saved_.seen && value < saved_.last) saved_.carried += saved_.last;
  saved_.last = value;
  saved_.seen = true;
}

std::optional<uint64_t> CarriedCounter::total() const {
  if (!saved_.seen) return std::nullopt;
  uint64_t sum;
  if (__builtin_add_overflow(saved_.carried, saved_.last, &sum)) {
    return std::numeric_limits<uint64_t>::max();
  }
  return sum;
}

void MetricsWindow::Take(const ServiceMetrics& metrics) {
  if (metrics.in_flight.has_value()) in_flight_.Add(*metrics.in_flight);
  if (metrics.queue_delay.has_value()) {
    queue_delay_seconds_.Add(absl::ToDoubleSeconds(*metrics.queue_delay));
  }
  if (metrics.utilisation.has_value()) utilisation_.Add(*metrics.utilisation);
  if (metrics.requests.has_value()) requests_.Take(*metrics.requests);
  if (metrics.errors.has_value()) errors_.Take(*metrics.errors);
}

ServiceMetrics MetricsWindow::Close() {
  ServiceMetrics out;
  out.in_flight = in_flight_.Value();
  out.utilisation = utilisation_.Value();
  if (const std::optional<double> seconds = queue_delay_seconds_.Value()) {
    out.queue_delay = absl::Seconds(*seconds);
  }
  out.requests = requests_.total();
  out.errors = errors_.total();
  in_flight_ = Mean();
  queue_delay_seconds_ = Mean();
  utilisation_ = Mean();
  return out;
}

}  // namespace pointsman::agent
