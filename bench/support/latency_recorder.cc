#include "bench/support/latency_recorder.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace pointsman::bench {

// Values under 64 have a bucket each; from there the highest bit names the row and the six bits
// below it the bucket inside the row.
size_t LatencyRecorder::BucketOf(uint64_t micros) {
  if (micros < (1u << kSubBits)) return micros;
  const int shift = std::bit_width(micros) - 1 - kSubBits;
  const size_t low = (micros >> shift) & ((1u << kSubBits) - 1);
  return std::min(kBuckets - 1, (static_cast<size_t>(shift + 1) << kSubBits) + low);
}

int64_t LatencyRecorder::UpperEdge(size_t bucket) {
  const size_t row = bucket >> kSubBits;
  const size_t low = bucket & ((1u << kSubBits) - 1);
  if (row == 0) return static_cast<int64_t>(low);
  const int shift = static_cast<int>(row) - 1;
  return static_cast<int64_t>((((uint64_t{1} << kSubBits) + low + 1) << shift) - 1);
}

void LatencyRecorder::Add(int64_t micros) {
  micros = std::max<int64_t>(0, micros);
  ++counts_[BucketOf(static_cast<uint64_t>(micros))];
  ++count_;
  max_micros_ = std::max(max_micros_, micros);
}

void LatencyRecorder::Clear() {
  counts_.fill(0);
  count_ = 0;
  max_micros_ = 0;
}

int64_t LatencyRecorder::QuantileMicros(double q) const {
  if (count_ == 0) return 0;
  const double share = std::clamp(q, 0.0, 1.0);
  const auto wanted =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(UpperEdge(i), max_micros_);
  }
  return max_micros_;
}

}  // namespace pointsman::bench
