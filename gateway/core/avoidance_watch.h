#pragma once

// Tells when workers begin to avoid an endpoint and when none does any more, for a log: what the
// fast loop decided, and why. What was over within a look is not told, nor are ends that last less
// than kSettle: an endpoint that fails again and again is told once. Endpoints that leave the table
// are forgotten without a word.
//
// Pure; takes `now`. While the workers change nothing and the table stays, a look reads one counter
// of each worker and the endpoints that are avoided; else O(endpoints of the table).
// Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/core/address.h"
#include "common/core/time.h"
#include "gateway/core/cells.h"
#include "gateway/core/routing_table.h"

namespace pointsman::gateway {

struct AvoidanceChange {
  std::string service;
  std::string endpoint;
  common::Address address;
  // Workers 0: nobody avoids it any more.
  AvoidedNow now;
  // Of an end: how long some worker avoided it, and the answers it gave since the begin was seen.
  // Without any nobody asked it, until what was known of it was too old.
  absl::Duration lasted;
  uint64_t answers = 0;
};

class AvoidanceWatch {
 public:
  static constexpr absl::Duration kSettle = absl::Seconds(3);
  // Of one look; more are counted.
  static constexpr size_t kToldMax = 20;

  struct Found {
    std::vector<AvoidanceChange> changes;  // In order of the table.
    size_t untold = 0;
  };
  // REQUIRES: nobody frees cells of `table` meanwhile.
  Found Look(const RoutingTable& table, const EndpointCells& cells, common::MonotonicTime now);

  // Endpoints that are avoided, or were until a moment ago.
  size_t endpoints() const { return avoided_.size(); }

 private:
  struct Avoided {
    common::MonotonicTime since;
    common::MonotonicTime ended = common::MonotonicTime::Infinite();  // Not yet.
    uint64_t answers = 0;                                             // Until it began.
    uint64_t look = 0;  // The last one that met it in the table.
  };

  // Follows the endpoint; true: there is something to tell, and `change` has it but for the names.
  bool Changed(const Endpoint& endpoint, const EndpointCells& cells, common::MonotonicTime now,
               AvoidanceChange* change);
  bool AnySettled(common::MonotonicTime now) const;

  // By CellRef::key(); looked up and walked, never ordered by.
  absl::flat_hash_map<uint64_t, Avoided> avoided_;
  uint64_t looks_ = 0;
  uint64_t changes_ = 0;       // EndpointCells::AvoidanceChanges() of the last look.
  uint64_t table_serial_ = 0;  // Of its table.
};

}  // namespace pointsman::gateway
