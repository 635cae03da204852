#include "gateway/core/recent_percentile.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace pointsman::gateway {

size_t RecentPercentile::BucketOf(absl::Duration time) {
  const auto micros = static_cast<uint64_t>(
      absl::ToInt64Microseconds(std::clamp(time, absl::ZeroDuration(), kLongest)));
  // The leading bit and those of the split behind it stay.
  const int dropped = std::max(0, static_cast<int>(std::bit_width(micros)) - kSplitBits - 1);
  return static_cast<size_t>(dropped) * kSplit + static_cast<size_t>(micros >> dropped);
}

absl::Duration RecentPercentile::EndOf(size_t bucket) {
  if (bucket < 2 * kSplit) return absl::Microseconds(bucket);
  const size_t dropped = bucket / kSplit - 1;
  const uint64_t leading = bucket - dropped * kSplit;
  return absl::Microseconds(((leading + 1) << dropped) - 1);
}

void RecentPercentile::Rotate(common::MonotonicTime now) {
  const int64_t window = now.micros() / absl::ToInt64Microseconds(kWindow);
  if (window <= running_) return;
  windows_[window % 2] = Window();
  if (window - running_ > 1) windows_[(window + 1) % 2] = Window();
  running_ = window;
  answer_ = Answer();
}

void RecentPercentile::Add(absl::Duration time, common::MonotonicTime now) {
  Rotate(now);
  Window& window = windows_[running_ % 2];
  ++window.counts[BucketOf(time)];
  ++window.samples;
}

absl::Duration RecentPercentile::At(double percentile, common::MonotonicTime now) {
  Rotate(now);
  if (windows_[0].samples + windows_[1].samples < kSamplesLeast) return absl::InfiniteDuration();
  percentile = std::isnan(percentile) ? 100.0 : std::clamp(percentile, 0.0, 100.0);
  if (answer_.percentile != percentile || now - answer_.given >= kAnswerKept) {
    answer_ = {.percentile = percentile, .given = now, .time = Find(percentile)};
  }
  return answer_.time;
}

absl::Duration RecentPercentile::Find(double percentile) const {
  const auto samples = static_cast<double>(windows_[0].samples + windows_[1].samples);
  const auto rank = std::max<uint64_t>(1, std::llround(std::ceil(percentile * samples / 100)));
  uint64_t seen = 0;
  size_t bucket = 0;
  for (; bucket < kBuckets; ++bucket) {
    seen += windows_[0].counts[bucket] + windows_[1].counts[bucket];
    if (seen >= rank) break;
  }
  return EndOf(std::min(bucket, kBuckets - 1));
}

}  // namespace pointsman::gateway
