#include "common/core/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace pointsman::common {
namespace {

uint32_t SaturatedSum(uint32_t a, uint32_t b) {
  const uint32_t sum = a + b;
  return sum < a ? std::numeric_limits<uint32_t>::max() : sum;
}

}  // namespace

size_t LatencyHistogram::BucketOfMicros(int64_t micros) {
  if (micros < kFirstMicros) return 0;
  return std::min<size_t>(std::bit_width(static_cast<uint64_t>(micros / kFirstMicros)),
                          kBuckets - 1);
}

absl::Duration LatencyHistogram::UpperBound(size_t index) {
  if (index + 1 >= kBuckets) return absl::InfiniteDuration();
  return absl::Microseconds(kFirstMicros << index);
}

void LatencyHistogram::Add(absl::Duration latency, uint32_t count) {
  uint32_t& bucket = counts_[BucketOf(latency)];
  bucket = SaturatedSum(bucket, count);
}

void LatencyHistogram::Merge(std::span<const uint32_t> buckets) {
  for (size_t i = 0; i < buckets.size(); ++i) {
    uint32_t& bucket = counts_[std::min(i, kBuckets - 1)];
    bucket = SaturatedSum(bucket, buckets[i]);
  }
}

uint64_t LatencyHistogram::total() const {
  uint64_t sum = 0;
  for (const uint32_t count : counts_) sum += count;
  return sum;
}

absl::Duration LatencyHistogram::Quantile(double q) const {
  const uint64_t all = total();
  if (all == 0) return absl::ZeroDuration();
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(all);
  double below = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] == 0) continue;
    if (below + counts_[i] >= rank) {
      const double low = i == 0 ? 0 : static_cast<double>(kFirstMicros << (i - 1));
      const double high = static_cast<double>(kFirstMicros << i);
      const double share = std::clamp((rank - below) / counts_[i], 0.0, 1.0);
      return absl::Microseconds(static_cast<int64_t>(low + (high - low) * share));
    }
    below += counts_[i];
  }
  return absl::Microseconds(kFirstMicros << (kBuckets - 1));
}

}  // namespace pointsman::common
