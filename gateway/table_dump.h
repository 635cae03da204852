#pragma once

// The routing table and its live counters as JSON, for people and scripts (/table). Thread-safe
// (no state).

#include <string>

#include "absl/strings/string_view.h"
#include "gateway/core/cells.h"
#include "gateway/core/routing_table.h"

namespace pointsman::gateway {

// `service`: only this one; empty: all. At most 1,000 endpoints of a service are shown (its counts
// are of all). O(endpoints). REQUIRES: `cells` may be read (ControlLoop::WithCells).
std::string DumpTable(const RoutingTable& table, const EndpointCells& cells,
                      absl::string_view service);

}  // namespace pointsman::gateway
