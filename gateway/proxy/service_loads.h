#pragma once

// What one worker knows of the load of services whose policy asks for it (watches_load): the line
// of requests that wait for their turn, the limit that was learned, and how long answers take. A
// line's first request is told whenever one of its service ends here, and every few milliseconds,
// because other workers' end too. Thread-compatible; owned by its worker.

#include <cstdint>

#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "gateway/core/concurrency_limit.h"
#include "gateway/core/recent_percentile.h"
#include "gateway/core/routing_table.h"
#include "gateway/core/waiting_line.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

struct ServiceLoad {
  WaitingLine line;
  ConcurrencyLimit limit;
  RecentPercentile answers;  // Times to the first byte, of tries.
  uint32_t in_flight = 0;    // Requests that refer to this.
};

class ServiceLoads final : public TimerEntry {
 public:
  static constexpr absl::Duration kLook = absl::Milliseconds(5);

  explicit ServiceLoads(WorkerContext* context) : context_(context) {}

  // Of the service with this cell; made on first use, and there while a request refers to it or
  // waits. O(1).
  ServiceLoad& Of(CellRef service) { return loads_[service.key()]; }
  // The first of the line may try whether it has its turn. O(1).
  void Wake(const ServiceLoad& load);
  // Somebody waits in this line: it is looked at from now on, while anybody does. O(1).
  void LookSoon(CellRef service);
  // Forgets services of which `table` does not ask for this. False: some have requests still.
  // O(services).
  bool KeepOnly(const RoutingTable& table);

  void OnTimer() override;

 private:
  WorkerContext* const context_;
  // Looked up and walked, never ordered by.
  absl::node_hash_map<uint64_t, ServiceLoad> loads_;
  // Those with lines that are not empty.
  absl::flat_hash_set<uint64_t> waiting_;
};

}  // namespace pointsman::gateway
