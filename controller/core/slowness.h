#pragma once

// Is an endpoint slower than it used to be, while the service's others are not? What is usual for
// it is learned from its answers of the last minutes, bucket by bucket; an answer is slow when it
// takes longer than nearly all of them took, and at least twice the usual. Slow answers are then
// weighed like failures (suspicion.h) against how many slow ones there usually are, of this
// endpoint and, by their own measure, of the others now. So a slow host in a mixed fleet is nothing
// special, and neither is a database that all wait for. Pure. Thread-compatible.

#include <array>
#include <cstdint>
#include <span>

#include "absl/time/time.h"
#include "common/core/latency_histogram.h"
#include "common/core/time.h"
#include "controller/core/suspicion.h"

namespace pointsman::controller {

// Of its usual answers so many at most are slow.
inline constexpr double kUsuallySlow = 0.05;
// Buckets, each a factor of two, between the usual median's and the first that is slow.
inline constexpr size_t kSlowBuckets = 2;
// What is usual is known from so many answers on.
inline constexpr double kUsualAnswers = 100;
// Of what is usual, older answers count half.
inline constexpr absl::Duration kUsualHalfLife = absl::Minutes(10);
// Of an endpoint that is slow for now, answers count so much: what lasts becomes usual, later.
inline constexpr double kSlowLearning = 0.1;

// Of the evidence at an alarm so much is kept: about 20 answers that are as usual outweigh it.
inline constexpr double kSlowKept = 4;
// It is slow for so long at least; twice as long each time when it was so within kSlowAgain before:
// less work may be all that made it fast again.
inline constexpr absl::Duration kSlowHold = absl::Seconds(2);
inline constexpr absl::Duration kSlowHoldMax = absl::Minutes(2);
inline constexpr absl::Duration kSlowAgain = absl::Minutes(2);

// Answers of some time.
struct SlowCounts {
  double all = 0;
  double slow = 0;
  // For others to compare with: those that were nearly slow (half as long), beyond what is usual
  // here, so perhaps fewer than none. So what makes all slower shows, wherever in their buckets
  // they lie.
  double nearly = 0;
};

class Slowness {
 public:
  // Answers of one window by latency, as LatencyHistogram's counts. None is counted before the
  // usual is known.
  SlowCounts Observe(std::span<const uint32_t> buckets) const;
  // Answers of some seconds ago: what is usual is learned late, so that the first seconds of a
  // fault do not become usual before they are noticed. `was_slow`: slow() when they came.
  void Learn(std::span<const uint32_t> buckets, bool was_slow, common::MonotonicTime now);
  // Weighs what Observe() returned against the others' share of slow answers.
  void Suspect(const SlowCounts& counts, double others_share, common::MonotonicTime now);
  // What was seen is no evidence any more; what is usual stays.
  void Forget();

  // From an alarm on until its time is over and nothing is left of the suspicion (kSlowKept).
  bool slow() const { return alarm_nats_ > 0; }
  // The evidence at the alarm (kSuspicionAlarm at least); 0: it is not slow.
  double alarm_nats() const { return alarm_nats_; }
  double Nats(common::MonotonicTime now) const { return suspicion_.Nats(now); }
  bool suspected() const { return slow() || !suspicion_.none(); }
  // Since there is suspicion.
  SlowCounts suspected_counts() const {
    return {.all = static_cast<double>(suspicion_.requests()),
            .slow = static_cast<double>(suspicion_.failures())};
  }
  // Against which they were weighed last.
  double usual_share() const { return usual_share_; }
  // Answers that take longer are slow. Infinite: not known yet.
  absl::Duration limit() const;

 private:
  void Begin(common::MonotonicTime now);
  // Finds first_slow_ and the shares.
  void FindLimit();

  std::array<float, common::LatencyHistogram::kBuckets> usual_{};
  common::MonotonicTime learned_at_;
  size_t first_slow_ = common::LatencyHistogram::kBuckets;
  double own_near_share_ = 0;
  double own_share_ = 0;  // Of slow answers among the usual ones.
  double usual_share_ = 0;
  Suspicion suspicion_;
  double alarm_nats_ = 0;
  absl::Duration hold_;
  common::MonotonicTime hold_until_;
  common::MonotonicTime ended_at_;  // The last time it was slow.
};

}  // namespace pointsman::controller
