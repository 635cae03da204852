#pragma once

// Frames and endpoints between their plain and their wire form. Thread-safe: no state.

#include "absl/status/statusor.h"
#include "controller/core/slice_frame.h"

namespace pointsman::v1 {
class Endpoint;
class SliceFrame;
}  // namespace pointsman::v1

namespace pointsman::controller {

void FrameToProto(const Frame& frame, v1::SliceFrame& out);

// InvalidArgument with a code of codes.h ("FRAME_...: ...") when the frame breaks a rule of
// slice.proto: no service, entries out of order, handle 0, unknown verdict, weight or share out of
// range, an entry of a full slice without info.
absl::StatusOr<Frame> FrameFromProto(const v1::SliceFrame& message);

// Capacity 0 becomes 1. REQUIRES: valid by ValidateEndpoint (validate.h).
EndpointInfoPtr EndpointFromProto(const v1::Endpoint& message);
void EndpointToProto(const EndpointInfo& info, v1::Endpoint& out);

}  // namespace pointsman::controller
