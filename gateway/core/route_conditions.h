#pragma once

// Whether the conditions of a route hold for a request, and which one does not. Thread-safe (no
// state).

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "gateway/core/route.h"

namespace pointsman::gateway {

// The outcome for one route whose host and path match.
struct ConditionResult {
  enum class Kind : uint8_t {
    kHolds,
    kMethod,
    kHeader,
    kQuery,
    kCookie,
    kClient,
    kScheme,
    kJson,
    kNeedsBody,      // Only those on the body are left, and it is not known.
    kAmbiguousBody,  // A field of the body that decides comes twice.
  };
  Kind kind = Kind::kHolds;
  // Of the condition that does not hold, among those of its kind.
  size_t index = 0;
};

// How many the route has.
size_t ConditionCount(const RouteEntry& route);
// Those on the body come last. O(conditions).
ConditionResult CheckConditions(const RouteEntry& route, const RouteRequest& request);
// Compiles patterns, lowers names of headers. InvalidArgument, with the route's name: a pattern
// does not parse.
absl::Status CompileConditions(RouteEntry* route);

}  // namespace pointsman::gateway
