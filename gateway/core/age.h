#pragma once

// How old connections and streams become, and how many requests a connection takes. Each one's age
// is drawn, so that what began together does not end together. Thread-compatible.

#include <cstdint>

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"
#include "common/core/micros.h"
#include "common/core/time.h"

namespace pointsman::gateway {

// Uniform from four fifths of `most` to all of it; InfiniteDuration stays what it is. REQUIRES:
// `most` is not negative.
absl::Duration DrawAge(absl::Duration most, absl::BitGenRef random);

// Of each connection to an endpoint.
struct ConnectionLimits {
  uint32_t requests_max = 0;  // 0: any number.
  // InfiniteDuration: whatever its age.
  common::Micros age_max = common::Micros::Infinite();
  bool any() const { return requests_max != 0 || age_max != common::Micros::Infinite(); }
  friend bool operator==(const ConnectionLimits&, const ConnectionLimits&) = default;
};

// What one connection has used up of its limits. They are those of its last request: others hold
// from the next one on.
class ConnectionLife {
 public:
  // A request begins at `now`; with the first one the life does. True: ends_at() is another.
  bool OnRequest(const ConnectionLimits& limits, common::MonotonicTime now,
                 absl::BitGenRef random) {
    if (requests_++ == 0) begun_ = now;
    const bool same_age = limits.age_max == limits_.age_max;
    limits_ = limits;
    if (!same_age) ends_at_ = begun_ + DrawAge(limits.age_max, random);
    return !same_age;
  }
  // It takes no further request.
  bool IsOver(common::MonotonicTime now) const {
    return now >= ends_at_ || (limits_.requests_max != 0 && requests_ >= limits_.requests_max);
  }
  bool limited() const { return limits_.any(); }
  // By its age; Infinite(): never.
  common::MonotonicTime ends_at() const { return ends_at_; }

 private:
  ConnectionLimits limits_;
  uint64_t requests_ = 0;
  common::MonotonicTime begun_;
  common::MonotonicTime ends_at_ = common::MonotonicTime::Infinite();
};

}  // namespace pointsman::gateway
