#pragma once

// Counts of latencies in buckets of powers of two, the form of EndpointObservation.latency_buckets:
// index 0 holds those under 64 us, index i those from 2^(i-1) to under 2^i times 64 us, the last
// index everything longer. A quantile is exact to its bucket (a factor of two), interpolated inside
// it. 80 bytes. Thread-compatible.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/time/time.h"

namespace pointsman::common {

class LatencyHistogram {
 public:
  static constexpr size_t kBuckets = 20;
  static constexpr int64_t kFirstMicros = 64;

  // Negative latencies count as 0.
  static size_t BucketOf(absl::Duration latency) {
    return BucketOfMicros(absl::ToInt64Microseconds(latency));
  }
  static size_t BucketOfMicros(int64_t micros);
  // Latencies of bucket `index` are under this; Infinite for the last. REQUIRES: index < kBuckets.
  static absl::Duration UpperBound(size_t index);

  // Counts saturate.
  void Add(absl::Duration latency, uint32_t count = 1);
  // Adds bucket by bucket; counts beyond kBuckets fall into the last.
  void Merge(std::span<const uint32_t> buckets);
  void Clear() { counts_.fill(0); }

  uint64_t total() const;
  const std::array<uint32_t, kBuckets>& counts() const { return counts_; }
  // The latency that a share `q` of the samples does not exceed; 0 when there are none. q is
  // clamped to [0, 1].
  absl::Duration Quantile(double q) const;

 private:
  std::array<uint32_t, kBuckets> counts_{};
};

}  // namespace pointsman::common
