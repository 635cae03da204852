#pragma once

// Latencies counted in buckets 1.6 % wide (64 per power of two), from 1 us to 9 minutes; longer
// ones fall into the last. A quantile is the upper edge of its bucket, so it is never reported too
// low. 13 KiB. Thread-compatible.

#include <array>
#include <cstddef>
#include <cstdint>

namespace pointsman::bench {

class LatencyRecorder {
 public:
  // Negative values count as 0.
  void Add(int64_t micros);
  void Clear();

  uint64_t count() const { return count_; }
  // Exact; 0 when empty.
  int64_t max_micros() const { return max_micros_; }
  // Value that a share `q` in [0, 1] of the samples does not exceed; 0 when empty. O(buckets).
  int64_t QuantileMicros(double q) const;

 private:
  static constexpr int kSubBits = 6;
  static constexpr int kPowers = 24;
  static constexpr size_t kBuckets = static_cast<size_t>(kPowers + 1) << kSubBits;

  static size_t BucketOf(uint64_t micros);
  static int64_t UpperEdge(size_t bucket);

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  int64_t max_micros_ = 0;
};

}  // namespace pointsman::bench
