#pragma once

// The trace that a request says it belongs to, by the W3C Trace Context recommendation. Pure; no
// state; never fails on any bytes.

#include <optional>

#include "absl/strings/string_view.h"
#include "gateway/http/header_block.h"

namespace pointsman::gateway {

// Views into what was parsed.
struct TraceParent {
  absl::string_view trace_id;   // 32 digits.
  absl::string_view parent_id;  // 16 digits.
  bool sampled = false;
};

// The value of a "traceparent" field: version 00 as it stands there, a later version as far as it
// is like it. Absent: malformed, version ff, or an ID of zeros.
std::optional<TraceParent> ParseTraceParent(absl::string_view value);

// Of a request's head; absent also when it says so more than once. O(fields).
std::optional<TraceParent> TraceParentOf(const HeaderBlock& block);

}  // namespace pointsman::gateway
