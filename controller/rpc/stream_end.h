#pragma once

// How a stream of an agent or a gateway ends with an error: under one stable reason that the peer
// gets as google.rpc.ErrorInfo, the program counts and the log shows. Thread-safe: no state.

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "controller/rpc/refusals.h"

namespace pointsman::controller {

// Of a name that a stream only claims to have, so much is shown.
inline constexpr size_t kClaimedBytesMax = 127;

// Whose stream it is.
struct StreamPeer {
  absl::string_view event;  // Of the log line: "agent.stream_ended".
  absl::string_view kind;   // "agent", "gateway".
  absl::string_view name;   // As claimed, verified or not; may be any bytes, or empty.
  absl::string_view peer;   // Its address.
};

// `status` with its reason: the one it carries, else the code that begins its text, else the name
// of its status. OK stays OK.
absl::Status WithStreamReason(const absl::Status& status);

// Counts and logs the end and returns the status for the peer. Of OK nothing is told.
absl::Status TellStreamEnd(const StreamPeer& who, const absl::Status& status,
                           RefusalCounts& refusals);

}  // namespace pointsman::controller
