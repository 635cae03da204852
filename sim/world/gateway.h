#pragma once

// A gateway with one worker: the real table state, cells and observer, driven as
// gateway/control/control_loop.cc drives them, and its clients' requests (exchanges.h). A new table
// is run at once. Names are not resolved (endpoints have addresses), and nothing is kept on disk.
//
// After each bundle it checks what must always hold: versions only rise, weights are within their
// bounds, and what was once routable never becomes an empty set.
// Thread-compatible; borrows what it is given.

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "gateway/core/cells.h"
#include "gateway/core/observe_schedule.h"
#include "gateway/core/observer.h"
#include "gateway/core/table_state.h"
#include "sim/event_queue.h"
#include "sim/world/exchanges.h"
#include "sim/world/wires.h"

namespace pointsman::sim {

class Gateway {
 public:
  // As ControlOptions has them, for one worker.
  static constexpr absl::Duration kSumInterval = absl::Milliseconds(20);
  static constexpr absl::Duration kObserveInterval = absl::Seconds(1);

  struct Parts {
    EventQueue& queue;
    ControlWires& wires;
    DataPath& path;
    Onlooker& onlooker;
    size_t index = 0;
    size_t endpoints = 0;
    uint64_t seed = 1;
    std::unique_ptr<Policy> policy = nullptr;  // See Exchanges.
  };

  explicit Gateway(Parts parts);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  void OnStreamUp();
  void OnStreamDown();
  void OnBundle(const v1::Bundle& bundle);

  Exchanges& exchanges() { return exchanges_; }
  // Of the slice that runs; zeros: none.
  gateway::VersionPair version() const;

 private:
  void Turn();
  void Publish();
  void Observe();
  void SendAck(const gateway::BundleResult& result);
  void Check(const gateway::ServiceTable& table);

  EventQueue& queue_;
  ControlWires& wires_;
  Onlooker& onlooker_;
  const size_t index_;
  const std::string name_;
  const uint64_t boot_;
  std::mt19937_64 random_;
  gateway::EndpointCells cells_;
  gateway::TableState state_;
  gateway::Observer observer_;
  gateway::ObserveSchedule observe_schedule_;
  Exchanges exchanges_;
  std::shared_ptr<const gateway::RoutingTable> table_;
  gateway::VersionPair applied_;
  bool was_routable_ = false;
  bool bundle_seen_ = false;
  common::MonotonicTime summed_at_, sweep_at_;
};

}  // namespace pointsman::sim
