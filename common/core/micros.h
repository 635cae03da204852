#pragma once

// A duration in the unit of MonotonicTime, truncated to it, for what is added to times again and
// again: the conversion, some 20 instructions, is done once. InfiniteDuration stays so, what
// is longer than 292,000 years becomes so. Converts from and to absl::Duration by itself. A value.

#include <compare>
#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::common {

class Micros {
 public:
  constexpr Micros() = default;
  Micros(absl::Duration d) : count_(absl::ToInt64Microseconds(d)) {}
  static constexpr Micros Infinite() { return Micros(INT64_MAX); }

  constexpr int64_t count() const { return count_; }
  operator absl::Duration() const {
    return count_ == INT64_MAX ? absl::InfiniteDuration() : absl::Microseconds(count_);
  }

  friend constexpr auto operator<=>(Micros, Micros) = default;
  friend constexpr bool operator==(Micros, Micros) = default;
  friend bool operator==(Micros a, absl::Duration b) { return a.count_ == Micros(b).count_; }
  // Saturates at MonotonicTime::Infinite().
  friend constexpr MonotonicTime operator+(MonotonicTime t, Micros d) {
    int64_t sum = 0;
    if (__builtin_add_overflow(t.micros(), d.count_, &sum)) return MonotonicTime::Infinite();
    return MonotonicTime::FromMicros(sum);
  }

 private:
  explicit constexpr Micros(int64_t count) : count_(count) {}
  int64_t count_ = 0;
};

}  // namespace pointsman::common
