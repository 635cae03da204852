// Every decision can be repeated from the record it left, and from nothing else: a random fleet
// runs for minutes, and each record is computed again.

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "controller/core/explain.h"
#include "controller/core/shard_state.h"
#include "gtest/gtest.h"
#include "tests/controller/core/shard_world.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

// What may happen to one endpoint, drawn anew now and then.
struct Mood {
  double failing = 0;  // Share of its tries that end with 5xx.
  bool gone = false;   // Nothing is answered.
  bool idle = false;   // Nothing is asked.
  bool slow = false;
  double in_flight = 1;
};

class RandomFleet {
 public:
  explicit RandomFleet(uint64_t seed) : random_(seed) {
    world_.Configure();
    for (int i = 0; i < kEndpoints; ++i) world_.Hello(Id(i));
    for (const char* gateway : {"g1", "g2", "g3"}) world_.GatewayHello(gateway);
    moods_.resize(kEndpoints);
  }

  // The inputs of so many seconds, in order.
  const std::vector<std::pair<Input, MonotonicTime>>& Run(int seconds) {
    for (int second = 0; second < seconds; ++second) {
      for (int i = 0; i < kEndpoints; ++i) Change(i);
      world_.RunWithReports(absl::Seconds(1));
      for (const char* gateway : {"g1", "g2", "g3"}) {
        Observe(gateway);
        if (Chance(0.9)) world_.AckAll(gateway);
      }
    }
    return world_.journal;
  }

 private:
  static constexpr int kEndpoints = 8;
  static std::string Id(int i) { return absl::StrCat("web-", i); }
  bool Chance(double p) { return std::bernoulli_distribution(p)(random_); }
  double Between(double a, double b) {
    return std::uniform_real_distribution<double>(a, b)(random_);
  }

  void Change(int i) {
    ShardWorld::Agent& agent = world_.agents[Id(i)];
    if (Chance(0.02)) {
      agent.check = Chance(0.5)   ? v1::CHECK_STATUS_PASSING
                    : Chance(0.5) ? v1::CHECK_STATUS_FAILING
                                  : v1::CHECK_STATUS_DEGRADED;
      agent.failure = agent.check == v1::CHECK_STATUS_FAILING && Chance(0.5)
                          ? v1::CHECK_FAILURE_REFUSED
                          : v1::CHECK_FAILURE_UNSPECIFIED;
      agent.check_since = world_.now;
    }
    if (Chance(0.02)) agent.live = !agent.live;
    if (Chance(0.01)) {
      agent.process = agent.process == v1::PROCESS_STATE_GONE ? v1::PROCESS_STATE_RUNNING
                                                              : v1::PROCESS_STATE_GONE;
    }
    if (Chance(0.02)) {
      Mood& mood = moods_[static_cast<size_t>(i)];
      mood.failing = Chance(0.5) ? 0 : Between(0, 0.6);
      mood.gone = Chance(0.2);
      mood.idle = Chance(0.3);
      mood.slow = Chance(0.3);
      mood.in_flight = Between(0.2, 6);
    }
  }

  void Observe(const std::string& gateway) {
    std::map<std::string, ShardWorld::Traffic> traffic;
    for (int i = 0; i < kEndpoints; ++i) {
      const Mood& mood = moods_[static_cast<size_t>(i)];
      ShardWorld::Traffic& one = traffic[Id(i)];
      one.requests = mood.idle ? 0 : static_cast<uint64_t>(Between(0, 30));
      const auto requests = static_cast<int>(one.requests);
      one.server_errors =
          static_cast<uint64_t>(std::binomial_distribution<int>(requests, mood.failing)(random_));
      if (mood.gone) {
        one.server_errors = 0;
        (Chance(0.5) ? one.timeouts : one.connect_failures) = one.requests;
      }
      one.in_flight = mood.in_flight;
      one.latency = absl::Milliseconds(mood.slow ? 50 : 10);
    }
    world_.Observe(gateway, traffic);
  }

  std::mt19937_64 random_;
  ShardWorld world_;
  std::vector<Mood> moods_;
};

void ExpectVerdictFollows(const HealthRecord& record) {
  const HealthEvidence& evidence = record.evidence;
  TrafficOpinion opinion = evidence.traffic;
  DecideTraffic(opinion, evidence.fresh && evidence.check_refused);
  EXPECT_EQ(opinion.unreachable, evidence.traffic.unreachable);
  EXPECT_EQ(opinion.failing, evidence.traffic.failing);
  EXPECT_EQ(evidence.traffic.slow, evidence.traffic.slow_nats >= kSuspicionAlarm);
  EXPECT_EQ(opinion.unreachable_nats, evidence.traffic.unreachable_nats);
  const HealthDecision decision = Judge(evidence, record.before, record.at);
  EXPECT_EQ(decision.verdict, record.decision.verdict);
  EXPECT_EQ(decision.reason, record.decision.reason);
  EXPECT_EQ(decision.confirmed, record.decision.confirmed);
  if (record.reason == v1::REASON_REMOVAL_CAPPED) {
    EXPECT_EQ(record.verdict, record.before.verdict);
    EXPECT_FALSE(decision.confirmed);
    EXPECT_GE(record.removals_used, record.removals_allowed);
  } else if (record.reason == v1::REASON_FROZEN) {
    EXPECT_EQ(decision.reason, v1::REASON_AGENT_SILENT);
    EXPECT_EQ(record.verdict, record.before.verdict);
  } else {
    EXPECT_EQ(record.verdict, decision.verdict);
    EXPECT_EQ(record.reason, decision.reason);
  }
  HealthMemory after = record.before;
  HealthDecision held = decision;
  held.verdict = record.verdict;
  held.reason = record.reason;
  ApplyDecision(held, evidence, record.at, after);
  EXPECT_EQ(after.flap_hold, record.flap_hold);
}

void ExpectWeightFollows(const WeightRecord& record) {
  const WeightRow& row = record.row;
  if (row.usable) {
    const double served = row.load.has_requests ? row.load.requests_per_second : record.before;
    const double good = 1 - row.load.error_share;
    const double capacity =
        served * good * good / std::max(row.utilisation, 1e-4) * row.capacity_scale;
    EXPECT_NEAR(row.measured_capacity, capacity, 1e-9 * capacity);
    const double target = capacity * std::exp(static_cast<double>(row.trim));
    EXPECT_NEAR(row.target, row.error_ceiling ? record.before : target, 1e-6 * target);
  }
  if (row.signal_base > 0 && row.signal == Signal::kInFlight) {
    const double relative = row.load.in_flight / row.capacity / row.signal_mean * row.signal_base;
    EXPECT_NEAR(row.utilisation, relative, 1e-9);
  }
  const double error = std::log(std::max(row.target, 0.01 * record.before) / record.before);
  const bool moves = !row.hold && std::abs(error) >= 0.01;
  const double factor = moves ? std::clamp(std::exp(row.gain * error), kStepDown, kStepUp) : 1;
  EXPECT_NEAR(row.stepped, record.before * factor, 1e-9);
  if (!row.clamped) {
    EXPECT_NEAR(row.weight, row.stepped / record.divisor, 1e-9);
  }
}

TEST(RecomputeTest, ThousandDecisionsFollowFromTheirRecords) {
  int verdicts = 0;
  int weights = 0;
  std::map<v1::Reason, int> reasons;
  for (uint64_t seed = 1; verdicts < 1000 || weights < 1000; ++seed) {
    ASSERT_LT(seed, 50u) << "too little happens: " << verdicts << " verdicts, " << weights;
    RandomFleet fleet(seed);
    ShardState replay{ShardOptions{}};
    for (const auto& [input, at] : fleet.Run(300)) {
      replay.Step(input, at);
      for (const auto& [id, service] : replay.services()) {
        for (const auto& [name, endpoint] : service.endpoints()) {
          SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", name, " at ", at.micros(), " us"));
          if (endpoint.health_record.at == at) {
            ExpectVerdictFollows(endpoint.health_record);
            ++reasons[endpoint.health_record.decision.reason];
            ++verdicts;
          }
          if (endpoint.weight_record.at == at) {
            ExpectWeightFollows(endpoint.weight_record);
            ++weights;
          }
          if (testing::Test::HasFailure()) return;
        }
      }
    }
  }
  for (const v1::Reason reason :
       {v1::REASON_CHECKS_FAILED, v1::REASON_CHECKS_PASSED, v1::REASON_UNREACHABLE,
        v1::REASON_TRAFFIC_FAILURES, v1::REASON_AGENT_SILENT, v1::REASON_CHECK_SLOW,
        v1::REASON_TRAFFIC_SLOW}) {
    EXPECT_GT(reasons[reason], 0) << v1::Reason_Name(reason);
  }
}

}  // namespace
}  // namespace pointsman::controller
