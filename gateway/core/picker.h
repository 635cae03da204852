#pragma once

// Chooses the endpoint of one try (docs/design/pickers.md), by the service's way of picking: drawn
// by weight, in turns, the best of some that are drawn, or by a hash of the request. The priority
// is drawn by its share; when it has nothing left to try, the next ones are used in order. An
// endpoint that the client is to stay with comes before all that.
//
// The best of two is the one with the smaller (in flight + 1) / weight, the first when it has
// nothing in flight or both have as many: so shares follow the weights also when little is in
// flight, and an endpoint of little weight gets what is its. Of two of which one fails clearly more
// of its latest tries, that one is picked only when it was drawn first and the other has more in
// flight, its own counting up to three times: what fails fast, and so has little in flight, never
// looks idle.
//
// By a hash: the hash, and then further ones made of it, name members of a table. A member takes
// the share of its hashes that its weight is of the largest, always the same ones, and none while
// it has much more in flight than its part: hashes move only to and from an endpoint whose weight
// changes.
//
// Left out are endpoints already tried, those at their limit of requests in flight, and those this
// worker avoids at the moment, unless all that is left is avoided. A pure function of table,
// counters and chance: O(1), no allocation, returns a value. Only when a bounded number of draws
// meets none that may be used, the endpoints are walked once from a random place (O(endpoints), in
// practice a few steps). Thread-compatible.
//
// A request that is to leave the localities it was in goes to an endpoint whose locality is known
// and none of these, if one fits that has a part in the traffic: by its weight, and in a priority
// with a share. Looked for by the same draws and a walk of kElsewhereSteps at most; when that finds
// none, and when all of them are avoided, it is picked as ever.

#include <cstdint>
#include <optional>
#include <span>

#include "absl/random/bit_gen_ref.h"
#include "common/core/time.h"
#include "gateway/core/cells.h"
#include "gateway/core/local_avoidance.h"
#include "gateway/core/routing_table.h"
#include "gateway/core/stride.h"

namespace pointsman::gateway {

// What a pick looks at besides the table.
struct CountersView {
  const WorkerCells& cells;
  const LocalAvoidance& avoidance;
  common::MonotonicTime now;
  // Of this worker; null: a turn is drawn by weight.
  PickTurns* turns = nullptr;
};

// What a request brings with it.
struct PickKey {
  std::optional<uint64_t> hash;  // Absent: it has nothing that is hashed.
  uint64_t affinity = 0;         // AffinityOf() the endpoint it is to stay with; 0: any.
  // Endpoint::locality of earlier tries: an endpoint elsewhere is preferred. Empty: any will do.
  std::span<const uint32_t> localities = {};
};

// Endpoints that are walked, beyond the draws, for one in another locality.
inline constexpr size_t kElsewhereSteps = 256;

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
                std::span<const CellRef> tried, const PickKey& key, absl::BitGenRef random);

// The same, and begins the try at the cell of the endpoint that was picked. Another worker may take
// the last of its limit in between; then it is another endpoint, or kAtLimit after a few of those.
// REQUIRES: `cells` is what `view` looks at.
PickResult PickAndStart(const ServiceTable& service, const CountersView& view, WorkerCells* cells,
                        std::span<const CellRef> tried, const PickKey& key, absl::BitGenRef random);

}  // namespace pointsman::gateway
