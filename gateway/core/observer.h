#pragma once

// Turns the cells into Observations: for each endpoint that was used, counters cumulative for this
// boot, and what the last window looked like. An endpoint keeps its counts when its cell changes
// (another address) and for as long as the table has it. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "gateway/core/cells.h"
#include "gateway/core/routing_table.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::gateway {

class Observer {
 public:
  static constexpr size_t kEndpointsMax = 4096;

  // `cells` must outlive this.
  explicit Observer(const EndpointCells& cells) : cells_(cells) {}

  // What happened since the last call. The first call's window is the time since `start`. When more
  // than kEndpointsMax were used, the next call begins where this one found no more room.
  // O(endpoints of the table).
  v1::Observations Collect(const RoutingTable& table, common::MonotonicTime now);

  // Counting begins here.
  void Start(common::MonotonicTime now) { last_ = now; }
  // Another controller, or the same one again, has not seen the windows sent before; counters go
  // on.
  uint64_t sequence() const { return sequence_; }

 private:
  struct Seen {
    CellRef cell;
    CellTotals before;   // Of cells this endpoint had earlier, ended.
    CellTotals current;  // Of `cell`, at the last look.
    CellTotals sent;     // Sum when last sent.
    common::MonotonicTime sent_at;
    uint64_t round = 0;  // Last round in which the table had it.
  };
  // Of one service: endpoint ID to what was seen.
  using SeenService = std::map<std::string, Seen>;

  static CellTotals Sum(const CellTotals& a, const CellTotals& b);
  static bool Used(const CellTotals& now, const CellTotals& before);
  void Look(const Endpoint& endpoint, Seen* seen) const;
  static void Write(const Endpoint& endpoint, const Seen& seen, common::MonotonicTime now,
                    v1::EndpointObservation* out);
  void CollectService(const ServiceTable& service, size_t begin, common::MonotonicTime now,
                      v1::Observations* out);

  const EndpointCells& cells_;
  std::map<std::string, SeenService> services_;
  common::MonotonicTime last_;
  uint64_t sequence_ = 0;
  uint64_t round_ = 0;
  size_t written_ = 0;
  // Where the next round begins, so that a full message starves nobody.
  size_t first_service_ = 0;
  size_t first_position_ = 0;
  std::optional<size_t> full_at_;  // Position of the first one that found no room.
};

}  // namespace pointsman::gateway
