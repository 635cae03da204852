#include "sim/latency_by_rif.h"

#include <algorithm>

namespace pointsman::sim {

void LatencyByRif::Add(uint32_t rif, absl::Duration latency, common::MonotonicTime now) {
  rif = std::min(rif, kRifMax);
  if (rif >= by_rif_.size()) by_rif_.resize(rif + 1);
  Samples& samples = by_rif_[rif];
  const size_t place = samples.count++ % kSamples;
  samples.micros[place] = absl::ToInt64Microseconds(latency);
  samples.at[place] = now;
}

int64_t LatencyByRif::Nearest(int64_t rif, common::MonotonicTime oldest) const {
  const int64_t size = static_cast<int64_t>(by_rif_.size());
  const auto has_samples = [&](int64_t at) {
    if (at < 0 || at >= size || by_rif_[at].count == 0) return false;
    const size_t newest = (by_rif_[at].count - 1) % kSamples;
    return by_rif_[at].at[newest] >= oldest;
  };
  for (int64_t distance = 0; distance <= std::max(rif, size); ++distance) {
    if (has_samples(rif + distance)) return rif + distance;
    if (has_samples(rif - distance)) return rif - distance;
  }
  return -1;
}

absl::Duration LatencyByRif::Estimate(uint32_t rif, common::MonotonicTime now) const {
  common::MonotonicTime oldest = now - age_max_;
  const int64_t wanted = std::min(rif, kRifMax);
  int64_t found = Nearest(wanted, oldest);
  if (found < 0) {
    oldest = common::MonotonicTime::FromMicros(INT64_MIN);
    found = Nearest(wanted, oldest);
  }
  if (found < 0) return absl::ZeroDuration();
  const Samples& samples = by_rif_[found];
  std::array<int64_t, kSamples> fresh;
  size_t count = 0;
  for (size_t i = 0; i < std::min<size_t>(samples.count, kSamples); ++i) {
    if (samples.at[i] >= oldest) fresh[count++] = samples.micros[i];
  }
  std::nth_element(fresh.begin(), fresh.begin() + count / 2, fresh.begin() + count);
  return absl::Microseconds(fresh[count / 2]);
}

}  // namespace pointsman::sim
