#pragma once

// The field grpc-timeout: how long the client will wait, in at most 8 digits and a unit (gRPC over
// HTTP2, "Timeout"). Pure.

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pointsman::gateway {

inline constexpr size_t kGrpcTimeoutBytesMax = 9;

// "250m" is 250 ms. Absent: malformed.
std::optional<absl::Duration> ParseGrpcTimeout(absl::string_view text);

// The finest unit in which `left` has at most 8 digits, cut off, so that it is never longer.
// Writes to `out` (kGrpcTimeoutBytesMax) and returns the size. REQUIRES: left > 0.
size_t WriteGrpcTimeout(absl::Duration left, char* out);

}  // namespace pointsman::gateway
