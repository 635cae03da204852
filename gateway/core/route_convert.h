#pragma once

// Routes from their configuration. Values out of range are moved to the nearest end: the controller
// has refused them already, and a gateway must not fall over one. Thread-safe (no state).

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/core/router.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::gateway {

// `indexes`: place of each service, by bare ID, in RoutingTable::services. InvalidArgument: a route
// names a service that is not there, has no action, or a condition without a kind. `before`: routes
// whose filters go on with what they counted, where nothing about them changed; null: there are
// none.
absl::StatusOr<std::vector<RouteEntry>> RoutesOf(const v1::Config& config,
                                                 const std::map<std::string, uint32_t>& indexes,
                                                 const Router* before = nullptr);

}  // namespace pointsman::gateway
