#include "controller/core/slowness.h"

#include <algorithm>

#include "common/core/ewma.h"

namespace pointsman::controller {
namespace {

using common::LatencyHistogram;
using common::MonotonicTime;

constexpr absl::Duration kRecentHalfLife = absl::Seconds(1);
constexpr double kCountMax = 1e9;

uint32_t Count(double value) { return static_cast<uint32_t>(std::min(value, kCountMax)); }

}  // namespace

SlowCounts Slowness::Observe(std::span<const uint32_t> buckets, MonotonicTime now) {
  SlowCounts counts;
  for (size_t i = 0; i < std::min(buckets.size(), usual_.size()); ++i) {
    counts.answers += buckets[i];
    if (i >= first_slow_) counts.slow += buckets[i];
  }
  if (counts.answers == 0) return counts;
  recent_ = Recent(now);
  recent_.answers += counts.answers;
  recent_.slow += counts.slow;
  recent_at_ = now;
  return counts;
}

void Slowness::Learn(std::span<const uint32_t> buckets, MonotonicTime now) {
  const double kept = common::HalfLifeDecay(now - learned_at_, kUsualHalfLife);
  const double weight = alarmed_ ? kSlowLearning : 1;
  learned_at_ = now;
  for (size_t i = 0; i < usual_.size(); ++i) {
    const double more = i < buckets.size() ? weight * buckets[i] : 0;
    usual_[i] = static_cast<float>(usual_[i] * kept + more);
  }
  FindLimit();
}

void Slowness::FindLimit() {
  double total = 0;
  for (const float count : usual_) total += count;
  first_slow_ = usual_.size();
  own_share_ = 0;
  if (total < kUsualAnswers) return;
  size_t median = 0;
  for (double below = usual_[0]; below < total / 2; below += usual_[++median]) {
  }
  double slow = 0;
  while (first_slow_ > median + kSlowBuckets &&
         slow + usual_[first_slow_ - 1] <= kUsuallySlow * total) {
    slow += usual_[--first_slow_];
  }
  own_share_ = slow / total;
}

void Slowness::Suspect(const SlowCounts& counts, double others_share, MonotonicTime now) {
  usual_share_ = std::max(own_share_, others_share);
  const uint32_t answers = Count(counts.answers);
  suspicion_.Add(answers, std::min(Count(counts.slow), answers), OddsOf(usual_share_), now);
  alarmed_ = suspected() && (alarmed_ || Nats(now) >= kSuspicionAlarm);
  if (alarmed_) suspicion_.CapAt(kSlowKept, now);
}

void Slowness::Forget() {
  suspicion_.Clear();
  alarmed_ = false;
  recent_ = {};
}

absl::Duration Slowness::limit() const {
  if (first_slow_ >= usual_.size()) return absl::InfiniteDuration();
  return LatencyHistogram::UpperBound(first_slow_ - 1);
}

SlowCounts Slowness::Recent(MonotonicTime now) const {
  const double kept = common::HalfLifeDecay(now - recent_at_, kRecentHalfLife);
  return {recent_.answers * kept, recent_.slow * kept};
}

}  // namespace pointsman::controller
