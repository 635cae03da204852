#pragma once

// Weights by feedback: each endpoint's weight is moved by how far its utilisation is from the
// service's mean, which Dropbox's Robinhood does centrally with one PID controller an endpoint
// (gains not published) and gRPC's proposal A80 in each client. The form here is A80's
// (algorithms reference 3): with e = mean - u, signal = (Kp * period * e + Kd * de/dt) / mean,
//
//   weight *= 1 + signal   or, where that is negative,   1 / (1 - signal)
//
// then weights are scaled to the mean 1, without which they drift together into their limits, and
// clamped. There is no integral part. Near balance a deviation obeys x(t+1) = x(t) - k x(t-d) with
// k = Kp * period and d the delay in periods: stable for 0 < k < PidGainBound(d).
// Thread-compatible.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "sim/policies/schedule.h"
#include "sim/policy.h"

namespace pointsman::sim {

struct PidOptions {
  double kp = 0.1;  // A second.
  double kd = 1;    // Seconds.
  absl::Duration period = absl::Seconds(1);
  double weight_min = 0.1;  // Relative to the mean.
  double weight_max = 10;
  // Share of errors from which on they count as utilisation, times error_penalty.
  double error_threshold = 0.5;
  double error_penalty = 1;
  ScheduleKind schedule = ScheduleKind::kStaticStride;
};

// 2 sin(pi / (2 (2 d + 1))): the gain at which a loop with `delay_periods` of delay begins to
// oscillate for ever (algorithms reference 3.3).
double PidGainBound(int delay_periods);

class PidControl {
 public:
  // REQUIRES: endpoints >= 1, limits with 0 < min <= 1 <= max.
  PidControl(size_t endpoints, const PidOptions& options);
  // One step a period. An endpoint without utilisation keeps its weight, apart from the scaling.
  // REQUIRES: one entry for each endpoint.
  void Step(std::span<const std::optional<double>> utilisation);
  const std::vector<double>& weights() const { return weights_; }

 private:
  PidOptions options_;
  std::vector<double> weights_;
  std::vector<std::optional<double>> last_error_;
};

// PidControl behind a schedule. With the same reports in every client this is the central
// controller's table.
class PidPolicy : public Policy {
 public:
  explicit PidPolicy(size_t endpoints, const PidOptions& options = {});
  size_t Pick(const PickView& view, absl::BitGenRef random) override;
  void OnReport(size_t endpoint, const LoadReport& report, common::MonotonicTime now) override;
  absl::Duration tick_period() const override { return options_.period; }
  void OnTick(common::MonotonicTime now, absl::BitGenRef random) override;
  const std::vector<double>& weights() const { return control_.weights(); }

 private:
  PidOptions options_;
  PidControl control_;
  std::vector<std::optional<double>> utilisation_;
  std::unique_ptr<Schedule> schedule_;
  bool scheduled_ = false;
};

}  // namespace pointsman::sim
