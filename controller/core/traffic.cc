#include "controller/core/traffic.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

constexpr absl::Duration kInFlightFresh = absl::Seconds(3);
// A rate is taken over at least this, once there is so much.
constexpr absl::Duration kRateSpanMin = absl::Seconds(2);
// That none of so many expected requests comes is no chance (e^-10).
constexpr double kEndedRequests = 10;
// Gateways send what they saw about this often.
constexpr absl::Duration kObservePeriod = absl::Seconds(1);
// A gateway calls an endpoint unreachable after this many tries in a row without a connection.
constexpr uint32_t kUnreachableTries = 2;
// Statistical evidence needs this many tries and failures, and a failure share this far above the
// others'; the odds against chance are e^kFailingNats : 1 (one in a million).
constexpr uint32_t kFailingRequests = 10;
constexpr uint32_t kFailingFailures = 5;
constexpr uint32_t kOthersRequests = 20;
constexpr double kFailingMargin = 0.2;
constexpr double kFailingNats = 13.8;
// The first values of an unknown gateway are taken as differences only below this.
constexpr uint64_t kFirstRequestsMax = 1000;

uint32_t Saturate(uint64_t value) {
  return static_cast<uint32_t>(std::min<uint64_t>(value, std::numeric_limits<uint32_t>::max() / 4));
}

bool Fresh(MonotonicTime at, MonotonicTime now, absl::Duration age) {
  return at != MonotonicTime() && now - at <= age;
}

}  // namespace

EndpointTraffic::View& EndpointTraffic::ViewOf(uint32_t gateway, bool& created) {
  auto it = std::lower_bound(views_.begin(), views_.end(), gateway,
                             [](const View& view, uint32_t g) { return view.gateway < g; });
  created = it == views_.end() || it->gateway != gateway;
  if (created) {
    it = views_.insert(it, View{});
    it->gateway = gateway;
  }
  return *it;
}

TrafficDelta EndpointTraffic::Difference(View& view, const ObservationsInput& input,
                                         const EndpointObservation& o, bool fresh) {
  TrafficDelta delta;
  const bool same = view.boot == input.boot;
  if (!same && view.boot != 0) fresh = true;  // A new boot counts from 0.
  const bool back =
      same && (o.requests < view.requests || o.resets < view.resets ||
               o.connect_failures < view.connect_failures || o.timeouts < view.timeouts ||
               o.server_errors < view.server_errors || o.latency_sum < view.latency_sum);
  if (!same) {
    view.boot = input.boot;
    view.requests = view.connect_failures = view.resets = view.timeouts = view.server_errors = 0;
    view.latency_sum = absl::ZeroDuration();
    view.unreachable_streak = 0;
  }
  if (back) {
    delta.went_back = true;
  } else if (same || (fresh && o.requests <= kFirstRequestsMax)) {
    delta.requests = o.requests - view.requests;
    delta.unreachable = (o.connect_failures - view.connect_failures) + (o.resets - view.resets);
    delta.failures =
        delta.unreachable + (o.timeouts - view.timeouts) + (o.server_errors - view.server_errors);
    delta.failures = std::min(delta.failures, delta.requests);
    delta.unreachable = std::min(delta.unreachable, delta.failures);
    delta.latency_sum = o.latency_sum - view.latency_sum;
  }
  view.requests = o.requests;
  view.connect_failures = o.connect_failures;
  view.resets = o.resets;
  view.timeouts = o.timeouts;
  view.server_errors = o.server_errors;
  view.latency_sum = o.latency_sum;
  return delta;
}

TrafficDelta EndpointTraffic::Observe(uint32_t gateway, const ObservationsInput& input,
                                      const EndpointObservation& observation, bool fresh_counters,
                                      MonotonicTime now) {
  bool created = false;
  View& view = ViewOf(gateway, created);
  const TrafficDelta delta = Difference(view, input, observation, fresh_counters);
  view.observed = now;
  view.in_flight = observation.in_flight;
  if (now - input.window < forgotten_until_) return {};
  if (now - view.bucket_start > kTrafficBucket) {
    const bool adjacent = now - view.bucket_start <= 2 * kTrafficBucket;
    view.previous = adjacent ? view.current : TrafficCounts{};
    view.previous_from = view.current_from;
    view.current = {};
    view.current_from = now - input.window;
    view.bucket_start = now;
  }
  view.current.requests = Saturate(uint64_t{view.current.requests} + delta.requests);
  view.current.failures = Saturate(uint64_t{view.current.failures} + delta.failures);
  if (delta.requests > 0) view.last_request = now;
  if (delta.requests > delta.unreachable) view.unreachable_streak = 0;
  if (delta.requests > delta.failures) view.last_success = now;
  if (delta.unreachable > 0 && delta.requests == delta.unreachable) {
    view.unreachable_streak = Saturate(view.unreachable_streak + delta.unreachable);
  }
  AddLatencies(observation, now);
  return delta;
}

void EndpointTraffic::AddLatencies(const EndpointObservation& observation, MonotonicTime now) {
  if (observation.latency_buckets.empty()) return;
  if (now - latencies_start_ > kTrafficBucket) {
    const bool adjacent = now - latencies_start_ <= 2 * kTrafficBucket;
    latencies_[1] = adjacent ? latencies_[0] : common::LatencyHistogram();
    latencies_[0].Clear();
    latencies_start_ = now;
  }
  latencies_[0].Merge({observation.latency_buckets.data(), observation.latency_buckets.size()});
}

void EndpointTraffic::ForgetGateway(uint32_t gateway) {
  std::erase_if(views_, [gateway](const View& view) { return view.gateway == gateway; });
}

void EndpointTraffic::ForgetEvidence(MonotonicTime now) {
  forgotten_until_ = now;
  for (View& view : views_) {
    view.current = view.previous = {};
    view.bucket_start = MonotonicTime();
    view.unreachable_streak = 0;
    view.last_request = view.last_success = MonotonicTime();
  }
}

TrafficCounts EndpointTraffic::WindowOf(const View& view, MonotonicTime now) {
  const absl::Duration age = now - view.bucket_start;
  if (age > 2 * kTrafficBucket) return {};
  if (age > kTrafficBucket) return view.current;
  return {view.current.requests + view.previous.requests,
          view.current.failures + view.previous.failures};
}

TrafficCounts EndpointTraffic::Counts(MonotonicTime now) const {
  TrafficCounts sum;
  for (const View& view : views_) {
    const TrafficCounts window = WindowOf(view, now);
    sum.requests = Saturate(uint64_t{sum.requests} + window.requests);
    sum.failures = Saturate(uint64_t{sum.failures} + window.failures);
  }
  return sum;
}

void EndpointTraffic::Describe(TrafficOpinion& opinion, MonotonicTime now,
                               double fail_share) const {
  opinion.own = Counts(now);
  for (const View& view : views_) {
    if (Fresh(view.last_success, now, kTrafficFresh)) opinion.alive = true;
    if (!Fresh(view.last_request, now, kTrafficFresh)) continue;
    ++opinion.gateways;
    if (view.unreachable_streak >= kUnreachableTries) ++opinion.gateways_unreachable;
    const TrafficCounts window = WindowOf(view, now);
    if (window.failures >= 2 && window.failures > fail_share * window.requests) {
      ++opinion.gateways_failing;
    }
  }
}

double EndpointTraffic::RequestsPerSecond(MonotonicTime now) const {
  double sum = 0;
  for (const View& view : views_) {
    const absl::Duration age = now - view.bucket_start;
    if (age > 2 * kTrafficBucket) continue;
    // What happened since the newest observation is not told yet; where nothing comes for longer
    // than the usual second, there were no requests.
    const MonotonicTime until = std::max(view.observed, now - kObservePeriod);
    // The bucket before this one only helps until this one says enough by itself.
    const bool both = age <= kTrafficBucket && view.previous.requests > 0 &&
                      until - view.current_from < kRateSpanMin;
    const double requests = view.current.requests + (both ? view.previous.requests : 0.0);
    const absl::Duration span = until - (both ? view.previous_from : view.current_from);
    const double rate = requests / std::max(absl::ToDoubleSeconds(span), 1.0);
    // A gateway tells of what it uses only: where it would have had many requests to tell of in the
    // meantime, they have ended (an endpoint that drains), and the past is no rate.
    const double missing = rate * absl::ToDoubleSeconds(now - view.observed - kObservePeriod);
    if (Fresh(view.observed, now, kInFlightFresh) || missing < kEndedRequests) sum += rate;
  }
  return sum;
}

double EndpointTraffic::FailuresPerSecond(MonotonicTime now) const {
  const TrafficCounts counts = Counts(now);
  if (counts.requests == 0) return 0;
  return RequestsPerSecond(now) * counts.failures / counts.requests;
}

double EndpointTraffic::InFlight(MonotonicTime now) const {
  double sum = 0;
  for (const View& view : views_) {
    if (Fresh(view.observed, now, kInFlightFresh)) sum += view.in_flight;
  }
  return sum;
}

common::LatencyHistogram EndpointTraffic::Latencies(MonotonicTime now) const {
  common::LatencyHistogram merged;
  const absl::Duration age = now - latencies_start_;
  if (age <= 2 * kTrafficBucket) merged.Merge(latencies_[0].counts());
  if (age <= kTrafficBucket) merged.Merge(latencies_[1].counts());
  return merged;
}

double BinomialNats(double requests, double failures, double p) {
  if (requests <= 0 || failures <= requests * p) return 0;
  const double share = failures / requests;
  double divergence = share * std::log(share / p);
  if (share < 1) divergence += (1 - share) * std::log((1 - share) / (1 - p));
  return requests * divergence;
}

double BaselineShare(const TrafficCounts& others) {
  return (others.failures + 2.0) / (others.requests + 4.0);
}

void DecideTraffic(TrafficOpinion& opinion, bool agent_refused) {
  const uint16_t observers = opinion.gateways_unreachable + (agent_refused ? 1 : 0);
  const bool sole = opinion.gateways_service <= 1 && opinion.gateways_unreachable == 1;
  // A gateway that still gets answers contradicts the others.
  const bool contradicted = opinion.gateways > opinion.gateways_unreachable && opinion.alive;
  opinion.unreachable =
      opinion.gateways_unreachable > 0 && (observers >= 2 || sole) && !contradicted;
  const double baseline = BaselineShare(opinion.others);
  opinion.nats =
      static_cast<float>(BinomialNats(opinion.own.requests, opinion.own.failures, baseline));
  const bool material = opinion.own.requests >= kFailingRequests &&
                        opinion.own.failures >= kFailingFailures &&
                        opinion.others.requests >= kOthersRequests &&
                        opinion.own.failures > (baseline + kFailingMargin) * opinion.own.requests;
  const bool agreed = opinion.gateways_failing >= 2 ||
                      (opinion.gateways_service <= 1 && opinion.gateways_failing == 1);
  opinion.failing = material && agreed && opinion.nats >= kFailingNats;
}

}  // namespace pointsman::controller
