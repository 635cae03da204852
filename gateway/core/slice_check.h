#pragma once

// The rules a frame must obey by itself, whatever is held: finite and in range, handles ascending
// and unique, within the producer's limits. Thread-safe (no state).

#include <optional>

#include "gateway/core/slice_state.h"
#include "pointsman/v1/slice.pb.h"

namespace pointsman::gateway {

// Refusal with INVALID or TOO_LARGE, or nothing. O(frame).
std::optional<Refusal> CheckFrame(const v1::SliceFrame& frame);

// A refusal whose detail is cut to what a Nack may carry.
Refusal Refuse(absl::string_view code, absl::string_view detail);

}  // namespace pointsman::gateway
