#pragma once

// What gateways' observations say of one endpoint: cumulative counters become counts of the last
// 5 to 10 seconds per gateway, and these become an opinion. Decides two things: is the endpoint
// unreachable (several observers, or the only one with traffic, lost every try), and does it fail
// far more than the service's other endpoints (a leave-one-out binomial bound).
//
// Counters survive lost messages (differences of cumulative values), a new boot of the gateway
// (they start at 0) and going backwards (the difference is dropped and told). Thread-compatible.

#include <array>
#include <cstdint>
#include <vector>

#include "common/core/latency_histogram.h"
#include "common/core/time.h"
#include "controller/core/inputs.h"

namespace pointsman::controller {

inline constexpr absl::Duration kTrafficBucket = absl::Seconds(5);
// A gateway's last request is evidence for this long.
inline constexpr absl::Duration kTrafficFresh = absl::Seconds(10);

struct TrafficCounts {
  uint32_t requests = 0;  // Tries that ended.
  uint32_t failures = 0;  // Of these: no connection, reset, timeout, 5xx.
  friend bool operator==(const TrafficCounts&, const TrafficCounts&) = default;
};

// What one observation added.
struct TrafficDelta {
  uint64_t requests = 0;
  uint64_t failures = 0;
  uint64_t unreachable = 0;
  absl::Duration latency_sum;
  bool went_back = false;
};

// Why Judge() thinks what it thinks of an endpoint's traffic; numbers for Explain.
struct TrafficOpinion {
  bool alive = false;             // A try succeeded within kTrafficFresh.
  bool unreachable = false;       // Confirmed.
  bool failing = false;           // Statistically.
  uint16_t gateways = 0;          // With fresh traffic to the endpoint.
  uint16_t gateways_service = 0;  // With fresh traffic to the service.
  uint16_t gateways_unreachable = 0;
  uint16_t gateways_failing = 0;
  TrafficCounts own;
  TrafficCounts others;
  float nats = 0;  // Evidence that the failures are not chance, natural logarithm of the odds.
};

// One endpoint's traffic through all gateways. About 100 bytes a gateway that uses it.
class EndpointTraffic {
 public:
  // `fresh_counters`: the gateway cannot have counted this endpoint before we knew it, so that the
  // first values are differences themselves.
  TrafficDelta Observe(uint32_t gateway, const ObservationsInput& input,
                       const EndpointObservation& observation, bool fresh_counters,
                       common::MonotonicTime now);
  void ForgetGateway(uint32_t gateway);
  // The endpoint serves again: what was seen before is no evidence against it, nor is what comes
  // later from a window that began before.
  void ForgetEvidence(common::MonotonicTime now);

  // Counts of the last 5 to 10 s, all gateways.
  TrafficCounts Counts(common::MonotonicTime now) const;
  // Fills gateways, gateways_unreachable, alive and own; `gateways_failing` by `fail_share`.
  void Describe(TrafficOpinion& opinion, common::MonotonicTime now, double fail_share) const;

  // Rates to show, over the last 2 to 7 s of the time that gateways have told of (10 s where they
  // tell seldom); 0 once a gateway that had much to tell is silent for 3 s.
  double RequestsPerSecond(common::MonotonicTime now) const;
  double FailuresPerSecond(common::MonotonicTime now) const;
  // Sum of the gateways' newest averages that are not older than 3 s.
  double InFlight(common::MonotonicTime now) const;
  bool seen() const { return !views_.empty(); }
  // Of the last 5 to 10 s.
  common::LatencyHistogram Latencies(common::MonotonicTime now) const;

 private:
  struct View {
    uint32_t gateway = 0;
    uint32_t unreachable_streak = 0;  // Unreachable tries since the last that was answered.
    uint64_t boot = 0;
    uint64_t requests = 0;
    uint64_t connect_failures = 0;
    uint64_t resets = 0;
    uint64_t timeouts = 0;
    uint64_t server_errors = 0;
    absl::Duration latency_sum;
    common::MonotonicTime observed;
    common::MonotonicTime last_request;
    common::MonotonicTime last_success;
    common::MonotonicTime bucket_start;
    common::MonotonicTime current_from;  // Where the first window counted in `current` began.
    common::MonotonicTime previous_from;
    TrafficCounts current;
    TrafficCounts previous;
    float in_flight = 0;
  };

  View& ViewOf(uint32_t gateway, bool& created);
  static TrafficDelta Difference(View& view, const ObservationsInput& input,
                                 const EndpointObservation& observation, bool fresh);
  static TrafficCounts WindowOf(const View& view, common::MonotonicTime now);
  void AddLatencies(const EndpointObservation& observation, common::MonotonicTime now);

  std::vector<View> views_;  // By gateway.
  common::MonotonicTime forgotten_until_;
  common::LatencyHistogram latencies_[2];
  common::MonotonicTime latencies_start_;
};

// Decides `unreachable` and `failing` from what Describe() filled in, gateways_service, `others`,
// and whether the agent's own check was refused or reset (one more observer).
void DecideTraffic(TrafficOpinion& opinion, bool agent_refused);

// Lower bound of -ln P[X >= failures] for X ~ Binomial(requests, p) (Chernoff); 0 where failures
// are not more than expected. REQUIRES: 0 < p < 1, failures <= requests.
double BinomialNats(double requests, double failures, double p);

// Share of failures the others have, smoothed so that it is never 0 or 1.
double BaselineShare(const TrafficCounts& others);

}  // namespace pointsman::controller
