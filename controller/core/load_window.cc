#include "controller/core/load_window.h"

#include <algorithm>

namespace pointsman::controller {
namespace {

// Health checks and scrapes that an application may count as requests.
constexpr double kProbesPerSecond = 5;

}  // namespace

void LoadWindow::Restart() {
  LoadWindow empty;
  empty.boot_ = boot_;
  empty.last_requests_ = last_requests_;
  empty.last_errors_ = last_errors_;
  empty.has_base_ = has_base_;
  *this = empty;
}

bool LoadWindow::AddReport(const LoadSample& sample, uint64_t boot, absl::Duration window,
                           bool counts) {
  const float seconds = static_cast<float>(absl::ToDoubleSeconds(window));
  bool went_back = false;
  if (sample.requests.has_value()) {
    const uint64_t errors = sample.errors.value_or(last_errors_);
    const bool same = has_base_ && boot == boot_;
    went_back = same && (*sample.requests < last_requests_ || errors < last_errors_);
    if (same && !went_back && counts) {
      requests_ += static_cast<double>(*sample.requests - last_requests_);
      errors_ += static_cast<double>(errors - last_errors_);
      counted_seconds_ += seconds;
    }
    boot_ = boot;
    last_requests_ = *sample.requests;
    last_errors_ = sample.errors.value_or(0);
    has_base_ = true;
  }
  if (!counts) return went_back;
  report_seconds_ += seconds;
  if (sample.cpu_utilisation) cpu_ += *sample.cpu_utilisation * seconds, cpu_seconds_ += seconds;
  if (sample.in_flight) {
    in_flight_ += *sample.in_flight * seconds;
    in_flight_seconds_ += seconds;
  }
  if (sample.queue_delay) {
    queue_ += static_cast<float>(absl::ToDoubleSeconds(*sample.queue_delay)) * seconds;
    queue_seconds_ += seconds;
  }
  if (sample.utilisation) {
    utilisation_ += *sample.utilisation * seconds;
    utilisation_seconds_ += seconds;
  }
  return went_back;
}

void LoadWindow::AddObservation(const TrafficDelta& delta, double in_flight,
                                absl::Duration window) {
  observed_ = true;
  observed_requests_ += static_cast<double>(delta.requests);
  observed_failures_ += static_cast<double>(delta.failures);
  // By Little's law the sum of latencies is in-flight x time; what never answered is only in the
  // gauge.
  observed_in_flight_seconds_ +=
      std::max(in_flight * absl::ToDoubleSeconds(window), absl::ToDoubleSeconds(delta.latency_sum));
}

// Requests and in-flight of one source. An application counts health checks and scrapes among its
// requests: what it says counts only where it clearly saw more than the gateways sent, else an
// endpoint that gets next to no traffic would look quick by its checks.
void LoadWindow::AverageTraffic(double seconds, Result& out) const {
  const double probes = kProbesPerSecond * seconds;
  const bool counted = counted_seconds_ > 0;
  const bool gauged = in_flight_seconds_ > 0;
  if (gauged && counted && requests_ > 2 * observed_requests_ + probes) {
    out.has_requests = out.has_in_flight = true;
    out.in_flight = in_flight_ / in_flight_seconds_;
    out.requests = requests_;
    out.requests_per_second = requests_ / counted_seconds_;
  } else if (observed_) {
    out.has_requests = out.has_in_flight = true;
    out.in_flight = observed_in_flight_seconds_ / seconds;
    out.requests = observed_requests_;
    out.requests_per_second = observed_requests_ / seconds;
  } else {
    out.has_in_flight = gauged;
    if (gauged) out.in_flight = in_flight_ / in_flight_seconds_;
    out.has_requests = counted;
    if (counted) out.requests = requests_ > probes ? requests_ : 0;
    if (counted) out.requests_per_second = out.requests / counted_seconds_;
  }
}

LoadWindow::Result LoadWindow::Average(absl::Duration elapsed) const {
  Result out;
  const double seconds = std::max(absl::ToDoubleSeconds(elapsed), 0.001);
  const double observed_errors =
      observed_requests_ > 0 ? observed_failures_ / observed_requests_ : 0;
  const double reported_errors = requests_ > 0 ? errors_ / requests_ : 0;
  out.error_share = std::clamp(std::max(observed_errors, reported_errors), 0.0, 1.0);
  if (cpu_seconds_ > 0) out.has_cpu = true, out.cpu = cpu_ / cpu_seconds_;
  if (queue_seconds_ > 0) out.has_queue = true, out.queue_seconds = queue_ / queue_seconds_;
  if (utilisation_seconds_ > 0) {
    out.has_utilisation = true;
    out.utilisation = utilisation_ / utilisation_seconds_;
  }
  AverageTraffic(seconds, out);
  return out;
}

}  // namespace pointsman::controller
