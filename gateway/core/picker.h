#pragma once

// Chooses the endpoint of one try: two candidates drawn by weight from a priority's alias table,
// the one with the smaller (in flight + 1) / weight wins, the first when it has nothing in flight
// or both have as many: so shares follow the weights also when little is in flight, and an endpoint
// of little weight gets what is its. The priority is drawn by its share; when it has nothing left
// to try, the next ones are used in order.
//
// Left out are endpoints already tried, those at their limit of requests in flight, and those this
// worker avoids at the moment, unless all that is left is avoided. A pure function of table,
// counters and chance: O(1), no allocation, returns a value. Only when a bounded number of draws
// meets none that may be used, the endpoints are walked once from a random place (O(endpoints), in
// practice a few steps). Thread-compatible.

#include <cstdint>
#include <span>

#include "absl/random/bit_gen_ref.h"
#include "common/core/time.h"
#include "gateway/core/cells.h"
#include "gateway/core/local_avoidance.h"
#include "gateway/core/routing_table.h"

namespace pointsman::gateway {

// What a pick looks at besides the table.
struct CountersView {
  const WorkerCells& cells;
  const LocalAvoidance& avoidance;
  common::MonotonicTime now;
};

struct PickResult {
  enum class Status : uint8_t {
    kPicked,
    kNoEndpoints,  // Nothing routable in the table.
    kAllTried,     // Every routable endpoint is among `tried`.
    kAtLimit,      // Every one left has max_in_flight_per_endpoint requests.
  };
  Status status = Status::kNoEndpoints;
  // kPicked only; lives as long as the table.
  const Endpoint* endpoint = nullptr;
  // kPicked: avoidance let it through as a probe; the caller calls OnProbeStarted.
  bool probe = false;
};

// `tried`: cells of the request's earlier tries, at most a handful.
PickResult Pick(const ServiceTable& service, const CountersView& view,
                std::span<const CellRef> tried, absl::BitGenRef random);

// The same, and begins the try at the cell of the endpoint that was picked. Another worker may take
// the last of its limit in between; then it is another endpoint, or kAtLimit after a few of those.
// REQUIRES: `cells` is what `view` looks at.
PickResult PickAndStart(const ServiceTable& service, const CountersView& view, WorkerCells* cells,
                        std::span<const CellRef> tried, absl::BitGenRef random);

}  // namespace pointsman::gateway
