#pragma once

// What a server says when it is probed: how long requests took that came when about as many were
// in flight (RIF) as now. Prequal's estimator (Wydrowski and others, NSDI 2024; algorithms
// reference 1.2): a finished request's latency is kept under the RIF it met at arrival, and the
// answer is the median of the recent ones at the nearest RIF that has any. Network time is not in
// it. Thread-compatible.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::sim {

class LatencyByRif {
 public:
  static constexpr size_t kSamples = 9;      // Kept for each RIF; the oldest goes.
  static constexpr uint32_t kRifMax = 1023;  // Higher ones count as this.

  // Samples older than `age_max` count only where no younger ones are left at any RIF.
  explicit LatencyByRif(absl::Duration age_max = absl::Seconds(1)) : age_max_(age_max) {}

  // REQUIRES: `now` does not go back. Allocates when `rif` is the highest so far.
  void Add(uint32_t rif, absl::Duration latency, common::MonotonicTime now);
  // Zero before the first sample. O(distance to the nearest RIF with samples).
  absl::Duration Estimate(uint32_t rif, common::MonotonicTime now) const;

 private:
  struct Samples {
    std::array<int64_t, kSamples> micros = {};
    std::array<common::MonotonicTime, kSamples> at = {};
    uint32_t count = 0;  // Ever added.
  };
  // The nearest RIF with a sample not older than `oldest`; the higher one of two as near, being
  // the more careful guess. -1: none.
  int64_t Nearest(int64_t rif, common::MonotonicTime oldest) const;

  absl::Duration age_max_;
  std::vector<Samples> by_rif_;
};

}  // namespace pointsman::sim
