#pragma once

// Rules that hold after every step of a world, whatever fails: no more removals within a window
// than the cap allows; nobody leaves a gateway's picks without an event that says why; no try
// begins at an endpoint that the gateway's table has taken out of use (drained ones among them);
// restarts keep to the budget of their host, and the actions under way to the share of the service
// that may restart at once. Others are checked where they could break: the cores' own, and what a
// gateway refuses of a controller (controller.cc). Thread-compatible; borrows the clock.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/core/time.h"
#include "gateway/core/routing_table.h"
#include "pointsman/v1/model.pb.h"
#include "sim/event_queue.h"
#include "sim/world/options.h"

namespace pointsman::sim {

// A verdict that an event told of.
struct VerdictChange {
  uint32_t endpoint = 0;
  v1::Verdict from = v1::VERDICT_UNSPECIFIED;
  v1::Verdict to = v1::VERDICT_UNSPECIFIED;
  v1::Reason reason = v1::REASON_UNSPECIFIED;
  bool confirmed = false;  // What several observers agree on.
};

// Of an endpoint's ID.
uint32_t EndpointIndex(absl::string_view id);

class Invariants {
 public:
  // `broken` is told what does not hold.
  Invariants(const EventQueue& queue, const WorldOptions& options,
             std::function<void(absl::string_view)> broken);

  void OnTable(size_t gateway, const gateway::ServiceTable& table);
  void OnTry(size_t gateway, uint32_t endpoint);
  void OnVerdict(const VerdictChange& change);
  // An agent's action begins, or has ended.
  void OnRestart(uint32_t endpoint, bool begins);

 private:
  // What events say of an endpoint, and what a gateway's tables do with it.
  struct Told {
    v1::Verdict verdict = v1::VERDICT_STARTING;
    uint64_t left = 0;  // How often it went from serving to anything else.
  };
  struct Watched {
    bool known = false;
    bool routable = false;
    uint64_t left = 0;
  };

  void CheckCap(v1::Reason reason);

  const EventQueue& queue_;
  const WorldOptions& options_;
  const std::function<void(absl::string_view)> broken_;
  std::map<uint32_t, Told> told_;               // By endpoint.
  std::vector<std::vector<Watched>> watched_;   // By gateway and endpoint.
  std::deque<common::MonotonicTime> removals_;  // That the cap is for, of the last window.
  std::map<uint32_t, std::deque<common::MonotonicTime>> restarts_;  // Of the last window.
  std::set<uint32_t> restarting_;
};

}  // namespace pointsman::sim
