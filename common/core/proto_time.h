#pragma once

// Durations and times between their wire form and ours. Thread-safe: no state.

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "absl/time/time.h"

namespace pointsman::common {

// Any seconds and nanoseconds; no range is checked here.
inline absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// Truncated to microseconds, the resolution decisions are made in. REQUIRES: finite.
inline void ToProto(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t micros = absl::ToInt64Microseconds(duration);
  out->set_seconds(micros / 1'000'000);
  out->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
}

// For people. Truncated to microseconds. REQUIRES: finite, not before 1970.
inline void ToProto(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t micros = absl::ToUnixMicros(time);
  out->set_seconds(micros / 1'000'000);
  out->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
}

}  // namespace pointsman::common
