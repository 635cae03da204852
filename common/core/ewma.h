#pragma once

// An average of irregular samples in which a sample's share halves every half-life. Compact (16
// bytes) because there is one for each endpoint and signal. Thread-compatible.

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::common {

class Ewma {
 public:
  Ewma() = default;

  // The first sample is taken as it is. REQUIRES: half_life > 0; `now` does not go back (a sample
  // at the same time as the last one has the same weight as a microsecond's).
  void Add(double sample, MonotonicTime now, absl::Duration half_life);

  // 0 before the first sample.
  double value() const { return value_; }
  bool empty() const { return last_ == MonotonicTime(); }
  // Time of the last sample.
  MonotonicTime last() const { return last_; }

 private:
  double value_ = 0;
  MonotonicTime last_;
};

// Share that is left of something after `elapsed`: 1 at 0, 0.5 at `half_life`. In [0, 1].
double HalfLifeDecay(absl::Duration elapsed, absl::Duration half_life);

}  // namespace pointsman::common
