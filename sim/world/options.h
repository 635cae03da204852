#pragma once

// What a simulated world is made of, and what happens to it: plain values that a scenario fills in.
// Times of events count from the end of the warm-up, when measuring begins. Thread-compatible.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "sim/server.h"
#include "sim/world/link.h"

namespace pointsman::sim {

// One host: a server and the agent beside it.
struct EndpointSpec {
  double speed = 1;
  uint32_t concurrency = 4;
  double error_share = 0;  // Of its answers, when nothing else is wrong.
  // The agent knows the process: it tells at once when it is gone. Otherwise only checks tell.
  bool process_watched = false;
  // The agent may restart the process; it runs again kRestartTakes (host.h) later.
  bool restartable = false;
  // The agent's monotonic clock: how fast it runs, and how far ahead of the others'.
  double clock_rate = 1;
  absl::Duration clock_ahead = absl::ZeroDuration();
  // What the agent tells of the host's CPU and of requests in flight, by what is true.
  double told_load = 1;
  // Of its CPU alone: a host whose requests wait for a disk.
  double told_cpu = 1;
};

struct FaultSpec {
  std::vector<uint32_t> endpoints;  // By index, ascending.
  absl::Duration begins;
  absl::Duration lasts = absl::InfiniteDuration();
  // How the server fails (crash, black hole, slow, fast failures, grey errors).
  ServerFaults server;
  // Neither gateways nor the controller reach the host, nor it them; it does not notice itself.
  bool unreachable = false;
  // Only these gateways cannot reach it, by index; empty: all, and neither does the controller.
  std::vector<uint32_t> gateways;
  // The agent says so long before that the endpoint leaves, and takes it back when it is over.
  absl::Duration announced;
  // The process ends again so long after a restart. Infinite: it does not.
  absl::Duration ends_again = absl::InfiniteDuration();

  bool IsOf(uint32_t endpoint) const {
    return std::find(endpoints.begin(), endpoints.end(), endpoint) != endpoints.end();
  }
  // The endpoint has it at this time, or had until `after` ago.
  bool Has(uint32_t endpoint, absl::Duration at, absl::Duration after = {}) const {
    return IsOf(endpoint) && at >= begins && at < begins + lasts + after;
  }
};

// Infinite: never. Times between two are exponential with this mean.
struct NoiseSpec {
  absl::Duration pause_every = absl::InfiniteDuration();  // Of each endpoint.
  absl::Duration pause_least = absl::Milliseconds(50);
  absl::Duration pause_most = absl::Milliseconds(900);
  // A neighbour takes another part of an endpoint's speed, at most all but `neighbour_leaves`.
  absl::Duration neighbour_every = absl::InfiniteDuration();
  double neighbour_leaves = 0.3;
  absl::Duration burst_every = absl::InfiniteDuration();  // Of all clients together.
  absl::Duration burst_lasts = absl::Seconds(5);
  int burst_factor = 2;
};

struct ControllerOutage {
  absl::Duration begins;
  absl::Duration lasts = absl::Seconds(2);
};

// The service's policy as far as the world needs it; what is not here has its default.
struct ServiceSpec {
  absl::Duration check_interval = absl::Seconds(2);
  absl::Duration connect_timeout = absl::Seconds(1);
  absl::Duration first_byte_timeout = absl::Seconds(1);
  absl::Duration per_try_timeout = absl::InfiniteDuration();  // Infinite: none.
  uint32_t max_retries = 2;
};

struct WorldOptions {
  std::vector<EndpointSpec> endpoints;
  uint32_t gateways = 4;
  double requests_per_second = 1000;  // Through all gateways, Poisson at each.
  double work_mean_ms = 20;           // Exponential; time in a slot at speed 1.
  ServiceSpec service;
  LinkOptions control;  // Agents and gateways to the controller and back.
  LinkOptions data;     // Gateways to endpoints and back; `loss` is not used.
  // Of these messages, lost altogether (a conflating queue, a full mailbox).
  double report_loss = 0;
  // Reports of agents take so much longer.
  absl::Duration report_delay;
  double observation_loss = 0;
  std::vector<FaultSpec> faults;
  NoiseSpec noise;
  std::optional<ControllerOutage> controller_outage;
  // A published policy (policies/catalogue.h) that picks in all gateways instead of the real
  // picker; empty: the real one.
  std::string policy;
  absl::Duration warmup = absl::Seconds(60);
  absl::Duration duration = absl::Seconds(60);
  uint64_t seed = 1;
};

}  // namespace pointsman::sim
