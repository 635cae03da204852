#pragma once

// The closed experiment that queueing theory is compared with: Poisson arrivals, exponential work
// of mean 1, servers in order of arrival, and a policy in each dispatcher. Nothing fails and
// nothing takes time but service, unless the options say so. All times given and returned are in
// mean service times at speed 1, each a second of the simulated clock.
//
// Arrivals, work and policies draw from generators of their own, so two policies with one seed
// meet the same requests. Thread-safe: runs share nothing.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "sim/policy.h"

namespace pointsman::sim {

// What a dispatcher is shown as in flight.
enum class InFlightView : uint8_t {
  kTrue,          // What is in flight at the servers now.
  kOwn,           // What this dispatcher has sent and not got back.
  kBoard,         // The true numbers as they were when the board was refreshed, the same for all.
  kBoardPlusOwn,  // The board plus what this dispatcher has sent since, done or not.
  // The board plus that times the number of dispatchers: the others are taken to do as it does.
  kBoardExtrapolated,
};

struct QueueingOptions {
  std::vector<double> speeds = {};  // One for each server; above 0.
  uint32_t concurrency = 1;         // Slots of each server.
  double load = 0.5;                // Arriving work per work that all servers can do; above 0.
  size_t dispatchers = 1;           // Each request comes to one of them at random.
  InFlightView view = InFlightView::kTrue;
  double board_period = 1;   // For the boards; above 0.
  double probe_delay = 0;    // From a pick to the answers of the probes it caused.
  double report_period = 0;  // Of LoadReports to all dispatchers; 0: none.
  double warmup = 100;       // Not measured.
  double duration = 1000;
  uint64_t seed = 1;
};

struct QueueingResult {
  uint64_t finished = 0;  // While measured.
  // Time in system of those.
  double mean = 0, p50 = 0, p90 = 0, p99 = 0, p999 = 0;
  double utilisation_mean = 0;  // Busy share of the servers.
  double utilisation_max = 0;
  double in_flight_mean = 0;  // For each server.
  // In flight for each server in the middle and at the end of the measured time: what grows in
  // proportion to time is not stable.
  double in_flight_middle = 0, in_flight_end = 0;
  uint64_t events = 0;  // The event queue's, warm-up included.
};

// Called once for each dispatcher.
using PolicyMaker =
    std::function<std::unique_ptr<Policy>(size_t endpoints, absl::BitGenRef random)>;

// REQUIRES: options in their ranges. O(requests * cost of a pick).
QueueingResult RunQueueing(const QueueingOptions& options, const PolicyMaker& make_policy);

}  // namespace pointsman::sim
