#pragma once

// How long to wait before the next try: exponential back-off with full jitter. The n-th delay is
// drawn evenly from [0, min(max, initial * factor^n)], so that many who failed together do not
// come back together; `floor` keeps a lone drawer from spinning. Pure; thread-compatible.

#include <cstdint>

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"

namespace pointsman::common {

struct BackoffOptions {
  absl::Duration initial = absl::Milliseconds(100);  // Upper end of the first delay; more than 0.
  absl::Duration max = absl::Seconds(30);            // Upper end of every delay; at least initial.
  absl::Duration floor = absl::ZeroDuration();       // No delay is shorter; at most initial.
  double factor = 2.0;                               // Growth per try; at least 1.
};

class Backoff {
 public:
  // REQUIRES: options within the ranges above.
  explicit Backoff(const BackoffOptions& options);

  // The next delay, in [floor, Ceiling()], whole microseconds; the following one has a higher
  // ceiling.
  absl::Duration Next(absl::BitGenRef random);

  // Begins again at `initial`; called once a try succeeded for long enough.
  void Reset() { tries_ = 0; }

  // Continues after `tries` delays, as saved before a restart.
  void Restore(uint32_t tries) { tries_ = tries; }

  // Upper end of the delay Next() would draw. Cost: O(log(max / initial)).
  absl::Duration Ceiling() const;

  // Delays drawn since the last Reset.
  uint32_t tries() const { return tries_; }

 private:
  BackoffOptions options_;
  uint32_t tries_ = 0;
};

}  // namespace pointsman::common
