#pragma once

// From configuration messages to what the table holds: policies with every default filled in
// (route_convert has the routes). Values out of range are moved to the nearest end: the controller
// has refused them already, and a gateway must not fall over one. Thread-safe (no state).

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/core/routing_table.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::gateway {

ServicePolicy PolicyOf(const v1::Service& service);
PickerPolicy PickerOf(const v1::Picker& picker);

// The TLS that policies name by key; null: none does.
std::shared_ptr<const UpstreamTlsMap> UpstreamTlsOf(const v1::Config& config);

// Bare IDs of all services, ascending. InvalidArgument: an ID is wrong or comes twice;
// ResourceExhausted: more than 10,000 services or routes.
absl::StatusOr<std::vector<std::string>> ServiceIds(const v1::Config& config);

}  // namespace pointsman::gateway
