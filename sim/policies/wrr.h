#pragma once

// Weighted round robin by what servers report about themselves, as gRPC specifies it (gRFC A58;
// algorithms reference 2):
//
//   weight = qps / (utilisation + penalty * eps / qps)
//
// utilisation is the application's own if it is above 0, else the CPU. A weight counts once its
// endpoint has reported for the blackout period, and until the expiration period has passed without
// a report. An endpoint without a weight that counts gets the mean of the others' (Envoy: the
// median); with fewer than two weights it is plain round robin. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "sim/policies/schedule.h"
#include "sim/policy.h"

namespace pointsman::sim {

struct WrrOptions {
  absl::Duration blackout_period = absl::Seconds(10);
  absl::Duration weight_expiration_period = absl::Minutes(3);
  absl::Duration weight_update_period = absl::Seconds(1);  // At least kUpdatePeriodMin.
  double error_utilisation_penalty = 1;
  bool median_for_missing = false;
  ScheduleKind schedule = ScheduleKind::kStaticStride;

  static constexpr absl::Duration kUpdatePeriodMin = absl::Milliseconds(100);
};

// The formula; nullopt for a report that is ignored: no requests, or no utilisation.
std::optional<double> WrrWeight(const LoadReport& report, double error_utilisation_penalty);

// One endpoint's weight over time.
class WrrEndpointWeight {
 public:
  void OnReport(const LoadReport& report, const WrrOptions& options, common::MonotonicTime now);
  // nullopt: none that counts. An expired one starts its blackout anew with the next report.
  std::optional<double> Weight(const WrrOptions& options, common::MonotonicTime now);

 private:
  double weight_ = 0;
  std::optional<common::MonotonicTime> reporting_since_;
  common::MonotonicTime last_report_;
};

class WrrPolicy : public Policy {
 public:
  // REQUIRES: endpoints >= 1.
  explicit WrrPolicy(size_t endpoints, const WrrOptions& options = {});
  size_t Pick(const PickView& view, absl::BitGenRef random) override;
  void OnReport(size_t endpoint, const LoadReport& report, common::MonotonicTime now) override;
  absl::Duration tick_period() const override { return options_.weight_update_period; }
  // Makes the weights that picks follow. O(endpoints log endpoints).
  void OnTick(common::MonotonicTime now, absl::BitGenRef random) override;

  // What picks follow; all 1 in plain round robin.
  const std::vector<double>& weights() const { return weights_; }

 private:
  WrrOptions options_;
  std::vector<WrrEndpointWeight> endpoints_;
  std::vector<double> weights_;
  std::unique_ptr<Schedule> schedule_;
  bool scheduled_ = false;
};

}  // namespace pointsman::sim
