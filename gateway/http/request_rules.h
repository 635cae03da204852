#pragma once

// What holds for a request's head before anything is decided by it, whatever protocol brought it:
// methods that are never forwarded, the one form of its path, fields that would make two servers
// see different requests (docs/design/paths.md). Thread-safe; no state; allocates only when a head
// outgrows its block.

#include "absl/strings/string_view.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

// What a refused method is told (RFC 9110 15.5.6). Which others a path takes its endpoints know.
inline constexpr absl::string_view kForwardedMethods =
    "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

// Makes the head ready to be matched and forwarded: kNone; kTraceRefused for TRACE and
// TRACK in any case, kConnectRefused for CONNECT in any but its own (codecs refuse that one),
// kBadPath for a path without a canonical form. Empty segments are merged. `target`, `path` and
// `path_traits` are set. O(target), O(fields) for the rare ones.
Reason PrepareRequest(RequestHead* head);

// Makes the target from what was sent again, with its empty segments. REQUIRES: PrepareRequest()
// passed.
Reason KeepEmptySegments(RequestHead* head);

}  // namespace pointsman::gateway
