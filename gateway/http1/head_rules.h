#pragma once

// What the fields of a complete HTTP/1 head mean: host, framing, persistence, and which fields are
// not forwarded. Thread-compatible; no I/O.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

// Checks and fills in authority, body, content_length, expects_continue, keep_alive and protocols,
// and marks the fields that belong to this connection only. Returns why the request is refused, or
// kNone.
Reason ApplyRequestRules(RequestHead* head);

// The same for a response to a request of `request_method`. kUpstreamProtocol when its framing is
// not certain. `legacy`: the response is HTTP/1.0. `asked`: what the request asked to change to; a
// 101 to nothing is refused. Whether another says the right thing is for TakeHandshake() to tell.
Reason ApplyResponseRules(Method request_method, Upgrade asked, bool legacy, ResponseHead* head);

}  // namespace pointsman::gateway
