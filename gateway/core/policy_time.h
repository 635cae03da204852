#pragma once

// Durations of policies, moved to the nearest end where they are out of range. Thread-safe (no
// state).

#include <algorithm>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace pointsman::gateway {

inline absl::Duration DurationOf(const google::protobuf::Duration& message) {
  return absl::Seconds(message.seconds()) + absl::Nanoseconds(message.nanos());
}

// 1 ms to 24 h.
inline absl::Duration Bounded(const google::protobuf::Duration& message) {
  return std::clamp(DurationOf(message), absl::Milliseconds(1), absl::Hours(24));
}

// Of a whole request: zero says that there is no limit.
inline absl::Duration RequestTimeoutOf(const google::protobuf::Duration& message) {
  if (message.seconds() == 0 && message.nanos() == 0) return absl::InfiniteDuration();
  return Bounded(message);
}

}  // namespace pointsman::gateway
