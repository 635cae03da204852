#pragma once

// What a check's runs usually take: the median of those that passed. The first ones are kept and
// their median taken; from then on each run moves it by 2 % towards itself, so that it settles
// where as many lie above as below, and follows what lasts (by a factor of two in 35 runs). Slow
// runs move it a tenth as far: what is slow becomes usual, but not soon. Pure. Thread-compatible.

#include <array>
#include <cstddef>

#include "absl/time/time.h"

namespace pointsman::agent {

class UsualLatency {
 public:
  // Runs until it is known.
  static constexpr size_t kKnownFrom = 16;
  // Slow is what takes longer than so many times the usual, and so much longer at least.
  static constexpr double kSlowFactor = 5;
  static constexpr absl::Duration kSlowMore = absl::Milliseconds(100);

  UsualLatency() = default;
  // From what usual() was; zero: not known.
  explicit UsualLatency(absl::Duration usual);

  // A run that passed; `slow`: it took longer than SlowAfter().
  void Learn(absl::Duration latency, bool slow);
  // Zero: not known yet.
  absl::Duration usual() const;
  // Infinite: not known yet.
  absl::Duration SlowAfter() const;

 private:
  std::array<float, kKnownFrom> first_{};  // Microseconds.
  size_t learned_ = 0;                     // At most kKnownFrom.
  double usual_us_ = 0;
};

}  // namespace pointsman::agent
