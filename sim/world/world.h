#pragma once

// A whole system in one simulated world: hosts with servers and real agent cores, a controller
// around a real shard core, gateways with the real table, picker, avoidance and retry budget, and
// clients; between them a network that delays, loses and can be cut. A run is a function of its
// options. Thread-compatible; runs share nothing.

#include "sim/world/options.h"
#include "sim/world/record.h"

namespace pointsman::sim {

// Warm-up and measured time, then what was measured. REQUIRES: at least one endpoint and one
// gateway; faults name existing endpoints, and those of one endpoint do not overlap.
// O(requests + endpoints * seconds).
WorldResult RunWorld(const WorldOptions& options);

}  // namespace pointsman::sim
