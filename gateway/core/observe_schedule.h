#pragma once

// When a gateway tells the controller what it saw: each interval, and at once after a try got no
// answer, 100 ms apart. Such urgent messages are a burst of 10, one more with each interval: a
// fault is told in detail while it is new, and one that stays costs one message an interval more.
// Pure. Thread-compatible.

#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::gateway {

class ObserveSchedule {
 public:
  static constexpr absl::Duration kUrgentGap = absl::Milliseconds(100);
  static constexpr int kUrgentBurst = 10;

  // The first message is due at `first`. REQUIRES: interval > 0.
  ObserveSchedule(absl::Duration interval, common::MonotonicTime first)
      : interval_(interval), next_(first) {}

  // `failures`: EndpointCells::HardFailures().
  bool Due(uint64_t failures, common::MonotonicTime now) const;
  // The next regular one; an urgent one may be due before.
  common::MonotonicTime next() const { return next_; }
  // The turn that was due is over. `told`: a message was sent, so that `failures` are known.
  void Done(uint64_t failures, bool told, common::MonotonicTime now);

 private:
  absl::Duration interval_;
  common::MonotonicTime next_;
  common::MonotonicTime told_at_;
  uint64_t failures_told_ = 0;
  int urgent_left_ = kUrgentBurst;
  common::MonotonicTime refilled_at_;
};

}  // namespace pointsman::gateway
