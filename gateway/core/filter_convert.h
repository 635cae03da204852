#pragma once

// The filters of a route from its configuration. Thread-safe (no state).

#include <memory>

#include "gateway/core/filter.h"
#include "gateway/core/route.h"
#include "pointsman/v1/route.pb.h"

namespace pointsman::gateway {

// Null: the route has none. In the order in which they look at a request. `before`: the route as it
// was, or null; a filter about which nothing changed goes on with what it counted.
std::shared_ptr<const FilterChain> FiltersOf(const v1::Route& message, const RouteEntry* before);

}  // namespace pointsman::gateway
