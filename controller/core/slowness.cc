#include "controller/core/slowness.h"

#include <algorithm>

#include "common/core/ewma.h"

namespace pointsman::controller {
namespace {

using common::LatencyHistogram;
using common::MonotonicTime;

constexpr double kCountMax = 1e9;

uint32_t Count(double value) { return static_cast<uint32_t>(std::min(value, kCountMax)); }

}  // namespace

SlowCounts Slowness::Observe(std::span<const uint32_t> buckets) const {
  SlowCounts counts;
  if (first_slow_ >= usual_.size()) return counts;
  for (size_t i = 0; i < std::min(buckets.size(), usual_.size()); ++i) {
    counts.all += buckets[i];
    if (i >= first_slow_) counts.slow += buckets[i];
    if (i + 1 >= first_slow_) counts.nearly += buckets[i];
  }
  counts.nearly -= own_near_share_ * counts.all;
  return counts;
}

void Slowness::Learn(std::span<const uint32_t> buckets, bool was_slow, MonotonicTime now) {
  const double kept = common::HalfLifeDecay(now - learned_at_, kUsualHalfLife);
  const double weight = was_slow ? kSlowLearning : 1;
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
  own_share_ = own_near_share_ = 0;
  if (total < kUsualAnswers) return;
  size_t median = 0;
  for (double below = usual_[0]; below < total / 2; below += usual_[++median]) {
  }
  double slow = 0;
  while (first_slow_ > median + kSlowBuckets &&
         slow + usual_[first_slow_ - 1] <= kUsuallySlow * total) {
    slow += usual_[--first_slow_];
  }
  if (first_slow_ >= usual_.size()) return;
  own_share_ = slow / total;
  own_near_share_ = (slow + usual_[first_slow_ - 1]) / total;
}

void Slowness::Suspect(const SlowCounts& counts, double others_share, MonotonicTime now) {
  usual_share_ = std::max(own_share_, others_share);
  // What was usual is so long ago that it says nothing.
  if (first_slow_ >= usual_.size()) return Forget();
  const uint32_t answers = Count(counts.all);
  suspicion_.Add(answers, std::min(Count(counts.slow), answers), OddsOf(usual_share_), now);
  if (!slow() && Nats(now) >= kSuspicionAlarm) Begin(now);
  if (!slow()) return;
  suspicion_.CapAt(kSlowKept, now);
  if (!suspicion_.none() || now < hold_until_) return;
  alarm_nats_ = 0;
  ended_at_ = now;
}

void Slowness::Begin(MonotonicTime now) {
  alarm_nats_ = Nats(now);
  const bool again = ended_at_ != MonotonicTime() && now - ended_at_ < kSlowAgain;
  hold_ = again ? std::min(2 * hold_, kSlowHoldMax) : kSlowHold;
  hold_until_ = now + hold_;
}

void Slowness::Forget() {
  suspicion_.Clear();
  alarm_nats_ = 0;
}

absl::Duration Slowness::limit() const {
  if (first_slow_ >= usual_.size()) return absl::InfiniteDuration();
  return LatencyHistogram::UpperBound(first_slow_ - 1);
}

}  // namespace pointsman::controller
