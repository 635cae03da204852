#pragma once

// The trace that a request says it belongs to, or is given, by the W3C Trace Context
// recommendation. Pure; no state; never fails on any bytes.

#include <cstddef>
#include <cstdint>
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

// What names no valid trace is not forwarded, nor is its "tracestate". True: the request belongs to
// a trace. O(fields).
bool DropInvalidTrace(HeaderBlock* block);

inline constexpr size_t kTraceParentBytes = 55;
inline constexpr size_t kTraceIdAt = 3;
inline constexpr size_t kTraceIdBytes = 32;
// Random numbers, drawn by the caller.
struct NewTrace {
  uint64_t trace_id[2];
  uint64_t parent_id;
};
// A "traceparent" that begins a trace; `out` takes kTraceParentBytes.
void WriteTraceParent(const NewTrace& trace, bool sampled, char* out);

}  // namespace pointsman::gateway
