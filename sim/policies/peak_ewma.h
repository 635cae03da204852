#pragma once

// P2C by the peak EWMA of latency, as Finagle and Linkerd do it (algorithms reference 4). An
// endpoint's load is cost * (in flight + 1); cost is a moving average of round trip times that
// jumps up to a higher sample at once and comes down over `tau`, also while nothing is sent. One
// without history that has something in flight is avoided, so only one request tries it. Failures
// count like answers, by their own duration: as published, so what fails fast attracts requests.
// Thread-compatible.

#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "sim/policy.h"

namespace pointsman::sim {

struct PeakEwmaOptions {
  absl::Duration tau = absl::Seconds(10);  // In which a cost falls to 1/e; above 0.
};

class PeakEwmaPolicy : public Policy {
 public:
  // REQUIRES: endpoints >= 1.
  explicit PeakEwmaPolicy(size_t endpoints, const PeakEwmaOptions& options = {});
  size_t Pick(const PickView& view, absl::BitGenRef random) override;
  void OnResult(size_t endpoint, const RequestResult& result, common::MonotonicTime now) override;

  // cost * (in flight + 1), in microseconds; feeds the decay. Exposed for tests.
  double Load(size_t endpoint, uint32_t in_flight, common::MonotonicTime now);

 private:
  struct Cost {
    double micros = 0;
    common::MonotonicTime at;
  };
  void Observe(Cost& cost, double micros, common::MonotonicTime now) const;

  PeakEwmaOptions options_;
  absl::Duration half_life_;
  std::vector<Cost> costs_;
};

}  // namespace pointsman::sim
