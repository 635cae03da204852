#pragma once

// The only door to the system's clocks. Shells hold a Clock; cores are given `now`.

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::common {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Steady (CLOCK_MONOTONIC); never goes back. About 20 ns.
  virtual MonotonicTime Now() const = 0;
  // Wall time, to show to people and to stamp events; never decides anything.
  virtual absl::Time WallNow() const = 0;
};

// The process's real clock; lives for ever.
const Clock& SystemClock();

}  // namespace pointsman::common
