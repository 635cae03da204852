#include "controller/core/traffic.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/core/ewma.h"
#include "common/core/guard.h"

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
// Unreachability needs this many tries in a row.
constexpr uint32_t kUnreachableTries = 2;
// Suspicion needs this many failures, and others to compare with.
constexpr uint32_t kFailingFailures = 5;
constexpr uint32_t kOthersRequests = 20;
// A gateway agrees that has so many, and more than would be expected.
constexpr uint32_t kAgreeingFailures = 2;
constexpr absl::Duration kRecentHalfLife = absl::Seconds(1);
// The first values of an unknown gateway are taken as differences only below this.
constexpr uint64_t kFirstRequestsMax = 1000;

uint32_t Saturate(uint64_t value) {
  return static_cast<uint32_t>(std::min<uint64_t>(value, std::numeric_limits<uint32_t>::max() / 4));
}

bool Fresh(MonotonicTime at, MonotonicTime now, absl::Duration age) {
  return at != MonotonicTime() && now - at <= age;
}

// Of `all` those that are not among `part`.
UnansweredCounts Without(const UnansweredCounts& all, const UnansweredCounts& part) {
  return {all.unreachable - std::min(part.unreachable, all.unreachable),
          all.timeouts - std::min(part.timeouts, all.timeouts)};
}

// Of failures, above which a gateway agrees: half way from what is expected to what is suspected.
double AgreeingShare(double others_share) {
  const SuspicionOdds odds = OddsOf(others_share);
  return (odds.expected + odds.suspected) / 2;
}

bool None(const UnansweredCounts& counts) { return counts == UnansweredCounts{}; }

// `counted`: of the row, what is evidence.
bool Unreachable(const TrafficOpinion& opinion, const UnansweredCounts& counted,
                 bool agent_refused) {
  const int gateways =
      counted.timeouts > 0 ? opinion.gateways_unreachable : opinion.gateways_refused;
  const int observers = gateways + (agent_refused ? 1 : 0);
  const bool sole = opinion.gateways_service <= 1 && gateways == 1;
  if (gateways == 0 || (observers < 2 && !sole)) return false;
  // More gateways that get answers: it is the others' own way to it that fails.
  if (observers <= opinion.gateways_answered) return false;
  if (counted.unreachable + counted.timeouts < kUnreachableTries) return false;
  const bool lasts = opinion.in_a_row_until - opinion.in_a_row_since >= kUnreachableLasts;
  return (lasts || agent_refused) && opinion.unreachable_nats >= kUnreachableNats;
}

bool Failing(const TrafficOpinion& opinion) {
  const bool sole = opinion.gateways_service <= 1 && opinion.gateways_failing == 1;
  return opinion.suspected.failures >= kFailingFailures &&
         opinion.others.requests >= kOthersRequests && (opinion.gateways_failing >= 2 || sole) &&
         opinion.failing_nats >= kSuspicionAlarm;
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
    view.in_a_row = {};
    view.dismissed = fresh ? UnansweredCounts{} : o.in_a_row;
  }
  if (back) {
    delta.went_back = true;
  } else if (same || (fresh && o.requests <= kFirstRequestsMax)) {
    delta.requests = o.requests - view.requests;
    const uint64_t unreachable =
        (o.connect_failures - view.connect_failures) + (o.resets - view.resets);
    const uint64_t timeouts = o.timeouts - view.timeouts;
    delta.failures = unreachable + timeouts + (o.server_errors - view.server_errors);
    delta.failures = std::min(delta.failures, delta.requests);
    delta.unanswered = std::min(unreachable + timeouts, delta.failures);
    // What was in a row and what came since, less what is in a row now: chance, if an answer came.
    const UnansweredCounts held = Without(view.in_a_row, view.dismissed);
    if (delta.requests > delta.unanswered) {
      delta.excused =
          Without({Saturate(held.unreachable + unreachable), Saturate(held.timeouts + timeouts)},
                  o.in_a_row);
    }
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
  TrafficDelta delta = Difference(view, input, observation, fresh_counters);
  view.observed = now;
  view.in_flight = observation.in_flight;
  if (now - input.window < forgotten_until_) {
    view.in_a_row = view.dismissed = observation.in_a_row;
    return {};
  }
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
  recent_ = Recent(now);
  recent_.requests += static_cast<double>(delta.requests);
  recent_.failures += static_cast<double>(delta.failures);
  recent_at_ = now;
  if (delta.requests > delta.failures) view.last_success = now;
  CountInARow(view, observation, input.window, now, delta);
  AddLatencies(observation, now);
  delta.answers =
      slowness_.Observe({observation.latency_buckets.data(), observation.latency_buckets.size()});
  recent_.answers.all += delta.answers.all;
  recent_.answers.nearly += delta.answers.nearly;
  return delta;
}

void EndpointTraffic::CountInARow(View& view, const EndpointObservation& observation,
                                  absl::Duration window, MonotonicTime now, TrafficDelta& delta) {
  const bool answered = delta.requests > delta.unanswered;
  const bool had = !None(Without(view.in_a_row, view.dismissed));
  view.in_a_row = observation.in_a_row;
  if (answered) view.dismissed = {};
  const bool has = !None(Without(view.in_a_row, view.dismissed));
  if (has && (answered || !had)) view.in_a_row_since = now;
  if (has && delta.unanswered > 0) view.in_a_row_until = now;
  if (!answered) return;
  if (!has) view.answers_told = now;
  // The answer is certainly later than what other gateways told of before its window began.
  const MonotonicTime after = now - window;
  answered_after_ = std::max(answered_after_, after);
  for (View& other : views_) {
    if (other.gateway == view.gateway || other.in_a_row_since >= after) continue;
    const UnansweredCounts refuted = Without(other.in_a_row, other.dismissed);
    delta.excused.unreachable += refuted.unreachable;
    delta.excused.timeouts += refuted.timeouts;
    other.dismissed = other.in_a_row;
  }
}

void EndpointTraffic::Suspect(uint32_t gateway, const TrafficDelta& delta, double others_share,
                              MonotonicTime now) {
  if (delta.requests == 0) return;
  suspicion_.Add(Saturate(delta.requests), Saturate(delta.failures), OddsOf(others_share), now);
  others_share_ = static_cast<float>(others_share);
  for (View& view : views_) {
    if (suspicion_.none()) {
      view.suspected = {};
    } else if (view.gateway == gateway) {
      view.suspected.requests = Saturate(view.suspected.requests + delta.requests);
      view.suspected.failures = Saturate(view.suspected.failures + delta.failures);
    }
  }
}

void EndpointTraffic::AddLatencies(const EndpointObservation& observation, MonotonicTime now) {
  if (observation.latency_buckets.empty()) return;
  if (now - latencies_start_ > kTrafficBucket) {
    const bool adjacent = now - latencies_start_ <= 2 * kTrafficBucket;
    slowness_.Learn(latencies_[1].counts(), latencies_slow_[1], now);
    if (!adjacent) slowness_.Learn(latencies_[0].counts(), latencies_slow_[0], now);
    latencies_slow_[1] = latencies_slow_[0];
    latencies_slow_[0] = false;
    latencies_[1] = adjacent ? latencies_[0] : common::LatencyHistogram();
    latencies_[0].Clear();
    latencies_start_ = now;
  }
  latencies_slow_[0] = latencies_slow_[0] || slowness_.slow();
  latencies_[0].Merge({observation.latency_buckets.data(), observation.latency_buckets.size()});
}

void EndpointTraffic::ForgetGateway(uint32_t gateway) {
  std::erase_if(views_, [gateway](const View& view) { return view.gateway == gateway; });
}

void EndpointTraffic::ForgetUsual() {
  slowness_ = Slowness();
  for (common::LatencyHistogram& latencies : latencies_) latencies.Clear();
}

void EndpointTraffic::ForgetEvidence(MonotonicTime now) {
  forgotten_until_ = now;
  suspicion_.Clear();
  slowness_.Forget();
  recent_ = {};
  for (View& view : views_) {
    view.current = view.previous = {};
    view.bucket_start = MonotonicTime();
    view.dismissed = view.in_a_row;
    view.suspected = {};
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

RecentCounts EndpointTraffic::Recent(MonotonicTime now) const {
  const double kept = common::HalfLifeDecay(now - recent_at_, kRecentHalfLife);
  return {recent_.requests * kept,
          recent_.failures * kept,
          {.all = recent_.answers.all * kept, .nearly = recent_.answers.nearly * kept}};
}

bool EndpointTraffic::fresh(MonotonicTime now) const {
  for (const View& view : views_) {
    if (Fresh(view.last_request, now, kTrafficFresh)) return true;
  }
  return false;
}

bool EndpointTraffic::alive(MonotonicTime now) const {
  for (const View& view : views_) {
    if (Fresh(view.last_success, now, kTrafficFresh)) return true;
  }
  return false;
}

void EndpointTraffic::Describe(TrafficOpinion& opinion, MonotonicTime now) const {
  opinion.alive = alive(now);
  opinion.own = Counts(now);
  opinion.suspected = {suspicion_.requests(), suspicion_.failures()};
  opinion.others_share = others_share_;
  opinion.failing_nats = static_cast<float>(suspicion_.Nats(now));
  opinion.slow = slowness_.slow();
  opinion.slow_suspected = slowness_.suspected_counts();
  opinion.usually_slow = static_cast<float>(slowness_.usual_share());
  opinion.slow_nats =
      static_cast<float>(slowness_.slow() ? slowness_.alarm_nats() : slowness_.Nats(now));
  opinion.slow_limit = slowness_.limit();
  opinion.in_a_row_since = MonotonicTime::Infinite();
  const double agreeing = suspected() ? AgreeingShare(others_share_) : 1;
  for (const View& view : views_) {
    if (!Fresh(view.last_request, now, kTrafficFresh)) continue;
    ++opinion.gateways;
    if (view.suspected.failures >= kAgreeingFailures &&
        view.suspected.failures > agreeing * view.suspected.requests) {
      ++opinion.gateways_failing;
    }
    const UnansweredCounts in_a_row = Without(view.in_a_row, view.dismissed);
    if (None(in_a_row)) continue;
    ++opinion.gateways_unreachable;
    if (in_a_row.unreachable > 0) ++opinion.gateways_refused;
    opinion.in_a_row.unreachable += in_a_row.unreachable;
    opinion.in_a_row.timeouts += in_a_row.timeouts;
    opinion.in_a_row_since = std::min(opinion.in_a_row_since, view.in_a_row_since);
    opinion.in_a_row_until = std::max(opinion.in_a_row_until, view.in_a_row_until);
  }
  for (const View& view : views_) {
    const bool answers = None(Without(view.in_a_row, view.dismissed));
    if (answers && view.answers_told > opinion.in_a_row_since) ++opinion.gateways_answered;
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

double CertainShare(double requests, double failures) {
  if (requests <= 0) return 0;
  const double share = std::clamp(failures / requests, 0.0, 1.0);
  return std::max(0.0, share - std::sqrt(share * (1 - share) / requests));
}

void DecideTraffic(TrafficOpinion& opinion, bool agent_refused) {
  UnansweredCounts counted = opinion.in_a_row;
  const bool all_silent = opinion.others_answering < kOthersAnswering;
  if (all_silent && common::Holds(common::Guard::kOthersAnswer)) counted.timeouts = 0;
  const double agent = agent_refused ? kAgentRefusedNats : 0;
  opinion.unreachable_nats = static_cast<float>(UnansweredNats(counted, opinion.shares) + agent);
  opinion.unreachable = Unreachable(opinion, counted, agent_refused);
  opinion.failing = Failing(opinion);
}

}  // namespace pointsman::controller
