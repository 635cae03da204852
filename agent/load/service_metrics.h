#pragma once

// What a service says about itself over HTTP: one JSON object of at most 64 KiB. Known fields, all
// optional, all numbers, finite and not negative; other fields are ignored:
//
//   {"in_flight": 3, "queue_delay_seconds": 0.002, "utilisation": 0.4,
//    "requests": 1200, "errors": 7}
//
// `requests` and `errors` count since the service started (whole numbers). Thread-safe.

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/core/load.h"

namespace pointsman::agent {

// InvalidArgument: not one JSON object, or a known field is not such a number; then nothing of it
// is used. Anything may be given.
absl::StatusOr<ServiceMetrics> ParseServiceMetrics(absl::string_view text);

}  // namespace pointsman::agent
