#pragma once

// The door for what gateways say they hold: pairs that a store can still count beyond, names that
// are names, times that are times. Errors are InvalidArgument, "CODE: where, value, limit" as in
// validate.h. Thread-safe: no state.

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace pointsman::v1 {
class Ack;
class GatewayHello;
}  // namespace pointsman::v1

namespace pointsman::controller {

// Highest epoch and revision that are believed: room is left to count on from there.
inline constexpr uint64_t kPresentedMax = uint64_t{1} << 61;
// Of a Nack's text, so much is kept.
inline constexpr size_t kDetailBytesMax = 255;

// HELLO_INVALID: a presented pair is beyond kPresentedMax. O(slices).
absl::Status ValidateHeld(const v1::GatewayHello& hello);
// ACK_INVALID: too many slices, a name or code that is none, a pair or a time out of range.
// O(slices).
absl::Status ValidateAck(const v1::Ack& ack);

}  // namespace pointsman::controller
