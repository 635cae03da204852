#include "sim/quantiles.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace pointsman::sim {

// Values of `width` significant bits fall into the kSub buckets of that width, by the bits after
// their leading one.
size_t Quantiles::BucketOf(uint64_t micros) {
  if (micros < kSub) return micros;
  const int shift = std::bit_width(micros) - 1 - kSubBits;
  return kSub * (shift + 1) + ((micros >> shift) & (kSub - 1));
}

void Quantiles::Add(int64_t micros) {
  micros = std::max<int64_t>(micros, 0);
  ++buckets_[BucketOf(static_cast<uint64_t>(micros))];
  ++count_;
  sum_ += static_cast<double>(micros);
  max_ = std::max(max_, micros);
}

void Quantiles::Merge(const Quantiles& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

double Quantiles::Quantile(double q) const {
  if (count_ == 0) return 0;
  const double share = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
  const uint64_t wanted = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(share)));
  if (wanted >= count_) return static_cast<double>(max_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen < wanted) continue;
    if (i < kSub) return static_cast<double>(i);
    const int shift = static_cast<int>(i / kSub) - 1;
    const double low = std::ldexp(static_cast<double>(kSub + i % kSub), shift);
    return std::min(low + std::ldexp(0.5, shift), static_cast<double>(max_));
  }
  return static_cast<double>(max_);
}

}  // namespace pointsman::sim
