#pragma once

// Turns by weight without a queue: static stride scheduling, as gRPC's weighted round robin does it
// (gRFC A58; algorithms reference 2.2). Thread-safe (no state but the caller's).

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/random/bit_gen_ref.h"
#include "common/core/alias_table.h"
#include "gateway/core/cells.h"

namespace pointsman::gateway {

// The index whose turn it is. `*turn` counts on over changes of the table: all that is kept. Each
// index comes in a share of its rounds that is its weight over the largest, spread evenly, shifted
// against its neighbours'. O(largest / mean weight) steps; beyond kStrideStepsMax it is drawn by
// weight instead. REQUIRES: the table's total is above 0.
inline constexpr int kStrideStepsMax = 64;
size_t NextTurn(const common::AliasTable& table, uint64_t* turn, absl::BitGenRef random);

// Where a worker is in the turns of each service and priority; begins anywhere, so that workers and
// gateways with one table are not in step. Thread-compatible.
class PickTurns {
 public:
  // O(1).
  uint64_t* Of(CellRef service, uint8_t priority, absl::BitGenRef random);
  // Forgets all when there are more than kKeptMax: turns begin anywhere anyway.
  static constexpr size_t kKeptMax = 65'536;

 private:
  absl::flat_hash_map<uint64_t, uint64_t> turns_;
};

}  // namespace pointsman::gateway
