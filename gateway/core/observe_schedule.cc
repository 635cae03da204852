#include "gateway/core/observe_schedule.h"

#include <algorithm>

namespace pointsman::gateway {

bool ObserveSchedule::Due(uint64_t failures, common::MonotonicTime now) const {
  if (now >= next_) return true;
  return failures != failures_told_ && urgent_left_ > 0 && now >= told_at_ + kUrgentGap;
}

void ObserveSchedule::Done(uint64_t failures, bool told, common::MonotonicTime now) {
  if (now >= refilled_at_ + interval_) {
    const int64_t intervals = (now - refilled_at_) / interval_;
    urgent_left_ = static_cast<int>(std::min<int64_t>(urgent_left_ + intervals, kUrgentBurst));
    refilled_at_ = now;
  }
  const bool regular = now >= next_;
  next_ = now + interval_;
  if (!told) return;
  if (!regular) --urgent_left_;
  failures_told_ = failures;
  told_at_ = now;
}

}  // namespace pointsman::gateway
