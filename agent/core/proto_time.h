#pragma once

// Durations between messages and absl. Thread-safe.

#include <algorithm>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace pointsman::agent {

inline absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// Negative durations become zero: the contract has none.
inline void ToProto(absl::Duration duration, google::protobuf::Duration* out) {
  duration = std::clamp(duration, absl::ZeroDuration(), absl::Hours(24 * 365 * 100));
  absl::Duration rest;
  out->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

}  // namespace pointsman::agent
