#pragma once

// Has a worker avoid the outliers among its services' endpoints: takes windows of what it counted
// itself, judges them (local_outliers.h) and tells its LocalAvoidance. A window is over with the
// first look that finds kTriesPerEndpoint tries for each endpoint of the service, on average, and
// after kLooksMax looks in any case. One worker may see too little of a service for that: then the
// slow loop finds what is wrong, by the sums of all workers and gateways.
//
// Where the picker goes by a hash or a cookie, what an endpoint gets is not what the others get:
// one key that always fails would have them avoided one after another. There only tries without an
// answer count, and nobody is slow.
//
// A look reads one counter of each service, and the counters of the endpoints of those whose window
// is over; nothing of services without requests. Groups of more than kEndpointsMax endpoints are
// not judged: no worker sees enough of each of so many. One for each worker; thread-compatible.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/core/time.h"
#include "gateway/core/cells.h"
#include "gateway/core/local_avoidance.h"
#include "gateway/core/local_outliers.h"
#include "gateway/core/routing_table.h"

namespace pointsman::gateway {

class OutlierWatch {
 public:
  static constexpr uint64_t kTriesPerEndpoint = 30;
  static constexpr int kLooksMax = 5;
  static constexpr size_t kEndpointsMax = 4096;

  struct Found {
    uint64_t failing = 0;
    uint64_t slow = 0;
  };

  // REQUIRES: both outlive this; `cells` are the worker's own, and the avoidance's.
  OutlierWatch(const WorkerCells& cells, LocalAvoidance& avoidance)
      : cells_(cells), avoidance_(avoidance) {}

  // Once a second. How many are avoided from now on.
  Found Look(const RoutingTable& table, common::MonotonicTime now);
  // Services with a window.
  size_t windows() const { return windows_.size(); }

 private:
  // An endpoint at the begin of a window.
  struct Before {
    CellRef cell;  // Invalid: the position was empty.
    OwnCounts counts;
    bool slow = false;  // In the window before.
  };
  struct Window {
    CellRef service;
    uint64_t look = 0;      // The last one that found requests.
    uint64_t requests = 0;  // Of the service, at that look,
    uint64_t begun = 0;     // and at the begin.
    int looks = 0;
    std::vector<Before> endpoints;  // By position.
  };

  void LookAt(const ServiceTable& service, common::MonotonicTime now, Found* found);
  void Begin(const ServiceTable& service, Window* window) const;
  void JudgeGroup(const ServiceTable& service, const PriorityGroup& group, Window* window,
                  common::MonotonicTime now, Found* found);
  OutlierSample SampleOf(const ServiceTable& service, size_t position, const Window& window,
                         common::MonotonicTime now) const;

  const WorkerCells& cells_;
  LocalAvoidance& avoidance_;
  uint64_t look_ = 0;
  absl::flat_hash_map<uint32_t, Window> windows_;  // By the service's slot; never ordered by.
  // Of JudgeGroup(), kept for their memory.
  std::vector<OutlierSample> samples_;
  std::vector<size_t> positions_;
};

}  // namespace pointsman::gateway
