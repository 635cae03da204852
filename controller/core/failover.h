#pragma once

// Which share of a service's requests each priority admits. A priority keeps all traffic until its
// healthy capacity times the overprovisioning factor falls under 1; the rest spills to the next.
// Pure. Thread-safe.

#include <cstdint>
#include <vector>

#include "controller/core/slice_frame.h"

namespace pointsman::controller {

struct PriorityRow {
  uint32_t priority = 0;
  double capacity = 1;     // Hint.
  bool counted = false;    // Proven and not taken away by a person: belongs to the whole.
  bool available = false;  // Receives requests.
};

// Index: priority, parts of kShareParts that sum to it; all zero: none available. Empty when only
// priority 0 has endpoints (the proto's default says the same). Where the available capacity of
// all priorities together is short, they share in its proportion. O(rows).
std::vector<uint32_t> PriorityShares(double overprovisioning, const std::vector<PriorityRow>& rows);

}  // namespace pointsman::controller
