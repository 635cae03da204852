#pragma once

// The load samples of one endpoint within its service's measuring window, from the agent's reports
// and the gateways' observations, and their averages. Cumulative counters survive lost reports and
// new boots. Thread-compatible.

#include <cstdint>

#include "absl/time/time.h"
#include "controller/core/inputs.h"
#include "controller/core/traffic.h"

namespace pointsman::controller {

// Samples of one endpoint since the start of the service's measuring window. About 150 bytes.
class LoadWindow {
 public:
  // Drops everything: a new window begins. Cumulative counters keep their base.
  void Restart();
  // `counts`: the sample lies within the window; otherwise only the counters' base moves. Returns
  // true when a counter went back without a new boot.
  bool AddReport(const LoadSample& sample, uint64_t boot, absl::Duration window, bool counts);
  // An observation of `window` in which delta was counted and in_flight was the average.
  void AddObservation(const TrafficDelta& delta, double in_flight, absl::Duration window);

  // Averages over the window.
  struct Result {
    bool has_cpu = false, has_in_flight = false, has_queue = false, has_utilisation = false;
    bool has_requests = false;
    double cpu = 0;
    double in_flight = 0;
    double queue_seconds = 0;
    double utilisation = 0;
    double requests = 0;             // In the window.
    double requests_per_second = 0;  // From the same source as in_flight where both have one.
    double error_share = 0;          // The larger of what the agent and what gateways count.
  };
  // `elapsed`: length of the service's window.
  Result Average(absl::Duration elapsed) const;

 private:
  void AverageTraffic(double seconds, Result& out) const;

  // From the agent: sums of value x seconds, and the seconds each gauge was measured.
  float report_seconds_ = 0;
  float counted_seconds_ = 0;
  float cpu_ = 0, cpu_seconds_ = 0;
  float in_flight_ = 0, in_flight_seconds_ = 0;
  float queue_ = 0, queue_seconds_ = 0;
  float utilisation_ = 0, utilisation_seconds_ = 0;
  uint64_t boot_ = 0;
  uint64_t last_requests_ = 0;
  uint64_t last_errors_ = 0;
  bool has_base_ = false;
  double requests_ = 0;
  double errors_ = 0;
  // From gateways.
  double observed_requests_ = 0;
  double observed_failures_ = 0;
  double observed_in_flight_seconds_ = 0;
  bool observed_ = false;
};

}  // namespace pointsman::controller
