#pragma once

// What gateways' observations say of one endpoint: cumulative counters become counts of the last
// 5 to 10 seconds per gateway, and these become an opinion. Decides two things: is the endpoint
// unreachable (no try at it is answered any more; unanswered.h says what that is worth), and does
// it fail far more than the service's other endpoints (suspicion.h).
//
// Counters survive lost messages (differences of cumulative values), a new boot of the gateway
// (they start at 0) and going backwards (the difference is dropped and told). Whether its answers
// became slow is slowness.h's. Thread-compatible.

#include <array>
#include <cstdint>
#include <vector>

#include "common/core/latency_histogram.h"
#include "common/core/time.h"
#include "controller/core/inputs.h"
#include "controller/core/slowness.h"
#include "controller/core/suspicion.h"
#include "controller/core/unanswered.h"

namespace pointsman::controller {

inline constexpr absl::Duration kTrafficBucket = absl::Seconds(5);
// A gateway's last request is evidence for this long.
inline constexpr absl::Duration kTrafficFresh = absl::Seconds(10);

struct TrafficCounts {
  uint32_t requests = 0;  // Tries that ended.
  uint32_t failures = 0;  // Of these: no connection, reset, timeout, 5xx.
  friend bool operator==(const TrafficCounts&, const TrafficCounts&) = default;
};

// The same, fading.
struct RecentCounts {
  double requests = 0;
  double failures = 0;
  SlowCounts answers;  // See SlowCounts::nearly.
};

// What one observation added.
struct TrafficDelta {
  uint64_t requests = 0;
  uint64_t failures = 0;
  uint64_t unanswered = 0;   // Of the failures: all but 5xx.
  UnansweredCounts excused;  // Tries without an answer that an answer has followed by now.
  absl::Duration latency_sum;
  SlowCounts answers;
  bool went_back = false;
};

// Why Judge() thinks what it thinks of an endpoint's traffic; numbers for Explain.
struct TrafficOpinion {
  bool alive = false;                 // EndpointTraffic::alive().
  bool unreachable = false;           // Confirmed.
  bool failing = false;               // Statistically.
  uint16_t gateways = 0;              // With fresh traffic to the endpoint.
  uint16_t gateways_service = 0;      // With fresh traffic to the service.
  uint16_t gateways_unreachable = 0;  // Of these: whose last try was not answered.
  uint16_t gateways_refused = 0;      // Of those: not only by time-outs.
  uint16_t gateways_answered = 0;     // Told of answers after the first unanswered try was told.
  uint16_t gateways_failing = 0;      // That saw failures since there is suspicion.
  TrafficCounts own;
  TrafficCounts others;
  // Unreachable: tries in a row without an answer through all gateways, and the evidence in them.
  UnansweredCounts in_a_row;
  UnansweredShares shares;
  common::MonotonicTime in_a_row_since;  // When a gateway first told of them.
  common::MonotonicTime in_a_row_until;  // When one told of the newest.
  // Of the other endpoints with traffic, those that answered after all could have fallen silent; 0
  // where nothing timed out.
  float others_answering = 0;
  float unreachable_nats = 0;
  // Failing: tries and failures since there is suspicion, and the evidence in them.
  TrafficCounts suspected;
  float others_share = 0;  // Of failures, when it was last added to.
  float failing_nats = 0;
  // Slow: answers and slow ones since there is suspicion, the share of slow ones that is usual, and
  // the evidence in them: while it is slow, that of the alarm.
  bool slow = false;  // Slowness::slow().
  SlowCounts slow_suspected;
  float usually_slow = 0;
  float slow_nats = 0;
  absl::Duration slow_limit = absl::InfiniteDuration();
};

// Evidence that an endpoint is unreachable, and what the agent's own refused check adds to it.
inline constexpr double kUnreachableNats = 18;
inline constexpr double kAgentRefusedNats = 11.5;
// The newest of them must have been told so much later than the first: what resets all connections
// of a moment is over then.
inline constexpr absl::Duration kUnreachableLasts = absl::Milliseconds(150);
// Time-outs count while at least this share of the other endpoints answers: what all of them wait
// for may be what is slow. Others may fall silent up to kOnsetSkew later than this endpoint and be
// as silent: the answers must be later than that, counted from when the first try that timed out
// began.
inline constexpr double kOthersAnswering = 0.1;
inline constexpr absl::Duration kOnsetSkew = absl::Seconds(1);

// One endpoint's traffic through all gateways. About 200 bytes a gateway that uses it.
class EndpointTraffic {
 public:
  // `fresh_counters`: the gateway cannot have counted this endpoint before we knew it, so that the
  // first values are differences themselves.
  TrafficDelta Observe(uint32_t gateway, const ObservationsInput& input,
                       const EndpointObservation& observation, bool fresh_counters,
                       common::MonotonicTime now);
  void ForgetGateway(uint32_t gateway);
  // Weighs what Observe() returned against the others' share of failures.
  void Suspect(uint32_t gateway, const TrafficDelta& delta, double others_share,
               common::MonotonicTime now);
  // The same of its answers against the others' share of slow ones.
  void SuspectSlow(const TrafficDelta& delta, double others_share, common::MonotonicTime now) {
    slowness_.Suspect(delta.answers, others_share, now);
  }
  // The endpoint serves again: what was seen before is no evidence against it, nor is what comes
  // later from a window that began before.
  void ForgetEvidence(common::MonotonicTime now);
  // It is another host: nothing is known of how long its answers usually take.
  void ForgetUsual();

  // Counts of the last 5 to 10 s, all gateways.
  TrafficCounts Counts(common::MonotonicTime now) const;
  // Fills what one endpoint's traffic says by itself.
  void Describe(TrafficOpinion& opinion, common::MonotonicTime now) const;
  // Counts in which what is a second old counts half.
  RecentCounts Recent(common::MonotonicTime now) const;
  // It was certainly answering after this; zero: no answer was seen.
  common::MonotonicTime answered_after() const { return answered_after_; }
  bool suspected() const { return !suspicion_.none(); }
  const Slowness& slowness() const { return slowness_; }
  bool fresh(common::MonotonicTime now) const;  // A try ended within kTrafficFresh.
  bool alive(common::MonotonicTime now) const;  // One succeeded within it.

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
    uint64_t boot = 0;
    UnansweredCounts in_a_row;   // As the gateway told last.
    UnansweredCounts dismissed;  // Of these: no evidence any more.
    common::MonotonicTime in_a_row_since;
    common::MonotonicTime in_a_row_until;
    common::MonotonicTime answers_told;  // When it last told of an answer, and of none in a row.
    TrafficCounts suspected;             // Since there is suspicion.
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
  void CountInARow(View& view, const EndpointObservation& observation, absl::Duration window,
                   common::MonotonicTime now, TrafficDelta& delta);
  static TrafficCounts WindowOf(const View& view, common::MonotonicTime now);
  void AddLatencies(const EndpointObservation& observation, common::MonotonicTime now);

  std::vector<View> views_;  // By gateway.
  common::MonotonicTime forgotten_until_;
  common::MonotonicTime answered_after_;
  RecentCounts recent_;
  common::MonotonicTime recent_at_;
  Suspicion suspicion_;
  float others_share_ = 0;
  Slowness slowness_;
  common::LatencyHistogram latencies_[2];
  bool latencies_slow_[2] = {};  // It was slow meanwhile.
  common::MonotonicTime latencies_start_;
};

// Decides `unreachable` and `failing` from what Describe() filled in, gateways_service, `others`,
// `shares`, `others_answering`, and whether the agent's own check was refused or reset (one more
// observer). A function of the opinion alone: Explain shows it, and who has it can decide again.
void DecideTraffic(TrafficOpinion& opinion, bool agent_refused);

// A share of failures less one standard deviation of its chance; 0 without requests.
double CertainShare(double requests, double failures);

}  // namespace pointsman::controller
