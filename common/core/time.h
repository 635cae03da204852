#pragma once

// The time decisions are made with: integer microseconds on one host's steady clock. Two hosts'
// MonotonicTimes are never compared. absl::Time is for showing to people only. Thread-compatible.

#include <compare>
#include <cstdint>

#include "absl/time/time.h"

namespace pointsman::common {

class MonotonicTime {
 public:
  constexpr MonotonicTime() = default;  // The clock's zero: "never", before every real reading.
  static constexpr MonotonicTime FromMicros(int64_t micros) { return MonotonicTime(micros); }
  static constexpr MonotonicTime Infinite() { return MonotonicTime(INT64_MAX); }

  constexpr int64_t micros() const { return micros_; }

  friend constexpr auto operator<=>(MonotonicTime, MonotonicTime) = default;
  // Saturates at Infinite(); durations are truncated to microseconds.
  friend MonotonicTime operator+(MonotonicTime t, absl::Duration d) {
    const int64_t delta = absl::ToInt64Microseconds(d);
    int64_t sum;
    if (__builtin_add_overflow(t.micros_, delta, &sum)) return Infinite();
    return MonotonicTime(sum);
  }
  friend MonotonicTime operator-(MonotonicTime t, absl::Duration d) { return t + -d; }
  friend absl::Duration operator-(MonotonicTime a, MonotonicTime b) {
    return absl::Microseconds(a.micros_ - b.micros_);
  }

 private:
  explicit constexpr MonotonicTime(int64_t micros) : micros_(micros) {}
  int64_t micros_ = 0;
};

}  // namespace pointsman::common
