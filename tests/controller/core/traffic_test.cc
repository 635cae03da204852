#include "controller/core/traffic.h"

#include <cmath>
#include <map>

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

const MonotonicTime kStart = MonotonicTime::FromMicros(1'000'000'000);

EndpointObservation Counts(uint64_t requests, uint64_t errors) {
  EndpointObservation o;
  o.requests = requests;
  o.server_errors = errors;
  return o;
}

TEST(EndpointTrafficTest, CountersSurviveLostMessages) {
  EndpointTraffic traffic;
  ObservationsInput input;
  input.boot = 1;
  EXPECT_EQ(traffic.Observe(1, input, Counts(10, 1), true, kStart).requests, 10u);
  // Two messages in between were lost.
  const TrafficDelta delta = traffic.Observe(1, input, Counts(40, 4), true, kStart);
  EXPECT_EQ(delta.requests, 30u);
  EXPECT_EQ(delta.failures, 3u);
  EXPECT_EQ(traffic.Counts(kStart), (TrafficCounts{40, 4}));
}

TEST(EndpointTrafficTest, ANewBootCountsFromZero) {
  EndpointTraffic traffic;
  ObservationsInput input;
  input.boot = 1;
  traffic.Observe(1, input, Counts(100, 0), true, kStart);
  input.boot = 2;
  EXPECT_EQ(traffic.Observe(1, input, Counts(7, 0), true, kStart).requests, 7u);
}

TEST(EndpointTrafficTest, ACounterThatGoesBackIsToldAndNotCounted) {
  EndpointTraffic traffic;
  ObservationsInput input;
  input.boot = 1;
  traffic.Observe(1, input, Counts(100, 0), true, kStart);
  const TrafficDelta back = traffic.Observe(1, input, Counts(50, 0), true, kStart);
  EXPECT_TRUE(back.went_back);
  EXPECT_EQ(back.requests, 0u);
  EXPECT_EQ(traffic.Observe(1, input, Counts(60, 0), true, kStart).requests, 10u);
}

TEST(EndpointTrafficTest, OldCountersOfAnInheritedEndpointAreOnlyABase) {
  EndpointTraffic traffic;
  ObservationsInput input;
  input.boot = 1;
  EXPECT_EQ(traffic.Observe(1, input, Counts(500, 400), false, kStart).failures, 0u);
  EXPECT_EQ(traffic.Observe(1, input, Counts(510, 401), false, kStart).failures, 1u);
}

TEST(EndpointTrafficTest, FailuresOfBeforeItServedAgainAreNoEvidence) {
  EndpointTraffic traffic;
  ObservationsInput input;
  input.boot = 1;
  input.window = absl::Seconds(1);
  traffic.Observe(1, input, Counts(100, 0), true, kStart);
  traffic.ForgetEvidence(kStart + absl::Seconds(2));
  // Of a window that began before: the endpoint's death, seen late.
  EXPECT_EQ(traffic.Observe(1, input, Counts(110, 10), true, kStart + absl::Seconds(2.5)).failures,
            0u);
  EXPECT_EQ(traffic.Counts(kStart + absl::Seconds(2.5)), TrafficCounts{});
  EXPECT_EQ(traffic.Observe(1, input, Counts(115, 12), true, kStart + absl::Seconds(3.5)).failures,
            2u);
}

TEST(EndpointTrafficTest, CountsAreForgottenAfterTenSeconds) {
  EndpointTraffic traffic;
  ObservationsInput input;
  input.boot = 1;
  traffic.Observe(1, input, Counts(100, 50), true, kStart);
  EXPECT_EQ(traffic.Counts(kStart + absl::Seconds(9)).requests, 100u);
  EXPECT_EQ(traffic.Counts(kStart + absl::Seconds(11)).requests, 0u);
}

// Lets a gateway send `rps` for a while, and looks between its messages too.
void ExpectSteadyRate(double rps, absl::Duration period) {
  EndpointTraffic traffic;
  ObservationsInput input;
  input.boot = 1;
  input.window = period;
  MonotonicTime now = kStart;
  double sent = 0;
  for (int message = 0; message < 60; ++message) {
    now = now + period;
    sent += rps * absl::ToDoubleSeconds(period);
    traffic.Observe(1, input, Counts(static_cast<uint64_t>(sent), 0), true, now);
    if (absl::Seconds(2) > now - kStart) continue;
    for (const double part : {0.0, 0.3, 0.6, 0.99}) {
      EXPECT_NEAR(traffic.RequestsPerSecond(now + period * part), rps, rps * 0.03)
          << "after " << now - kStart << " and " << part << " of a period";
    }
  }
}

TEST(EndpointTrafficTest, ASteadyRateIsShownAsItIsAtEveryMoment) {
  ExpectSteadyRate(100, absl::Seconds(1));
  ExpectSteadyRate(1000, absl::Milliseconds(700));
  ExpectSteadyRate(400, absl::Milliseconds(250));
}

TEST(EndpointTrafficTest, ARateFallsToZeroOnceNothingComes) {
  EndpointTraffic traffic;
  ObservationsInput input;
  input.boot = 1;
  input.window = absl::Seconds(1);
  MonotonicTime now = kStart;
  for (int i = 1; i <= 10; ++i) {
    now = now + absl::Seconds(1);
    traffic.Observe(1, input, Counts(100 * static_cast<uint64_t>(i), 0), true, now);
  }
  double last = traffic.RequestsPerSecond(now);
  for (int second = 2; second <= 12; ++second) {
    const double rate = traffic.RequestsPerSecond(now + absl::Seconds(second));
    EXPECT_LE(rate, last) << second;
    last = rate;
  }
  EXPECT_EQ(last, 0);
}

TEST(EndpointTrafficTest, ARateIsThatOfNowSoonAfterItChanged) {
  ObservationsInput input;
  input.boot = 1;
  input.window = absl::Seconds(1);
  for (int change = 11; change < 16; ++change) {  // Wherever in a bucket it changes.
    EndpointTraffic traffic;
    MonotonicTime now = kStart;
    uint64_t requests = 0;
    for (int i = 1; i <= change + 8; ++i) {
      now = now + absl::Seconds(1);
      requests += i <= change ? 10 : 200;
      traffic.Observe(1, input, Counts(requests, 0), true, now);
    }
    EXPECT_NEAR(traffic.RequestsPerSecond(now), 200, 6) << change;
  }
}

TEST(EndpointTrafficTest, TrafficThatEndedIsNoRateButSeldomTrafficIs) {
  EndpointTraffic busy;
  EndpointTraffic quiet;
  ObservationsInput input;
  input.boot = 1;
  input.window = absl::Seconds(1);
  MonotonicTime now = kStart;
  for (uint64_t i = 1; i <= 10; ++i) {
    now = now + absl::Seconds(1);
    busy.Observe(1, input, Counts(200 * i, 0), true, now);
    quiet.Observe(1, input, Counts(i, 0), true, now);
  }
  EXPECT_NEAR(busy.RequestsPerSecond(now + absl::Seconds(1)), 200, 6);
  EXPECT_EQ(busy.RequestsPerSecond(now + absl::Milliseconds(3100)), 0);
  EXPECT_GT(quiet.RequestsPerSecond(now + absl::Milliseconds(3100)), 0);
}

// One endpoint of a service, seen by gateways that tell of it each 100 ms.
class UnreachableTest : public testing::Test {
 protected:
  struct Gateway {
    uint64_t requests = 0;
    uint64_t resets = 0;
    uint64_t timeouts = 0;
    UnansweredCounts in_a_row;
  };

  void Answers(uint32_t gateway, absl::Duration window = absl::Milliseconds(100)) {
    Tell(gateway, 1, 0, 0, window);
  }
  void Refuses(uint32_t gateway, uint32_t tries = 1) { Tell(gateway, 0, tries, 0); }
  void TimesOut(uint32_t gateway, uint32_t tries = 1) { Tell(gateway, 0, 0, tries); }

  void Later(absl::Duration duration) { now_ = now_ + duration; }

  void Tell(uint32_t gateway, uint32_t answered, uint32_t refused, uint32_t timed_out,
            absl::Duration window = absl::Milliseconds(100)) {
    now_ = now_ + absl::Milliseconds(100);
    Gateway& counts = gateways_[gateway];
    counts.requests += answered + refused + timed_out;
    counts.resets += refused;
    counts.timeouts += timed_out;
    if (answered > 0) counts.in_a_row = {};
    counts.in_a_row.unreachable += refused;
    counts.in_a_row.timeouts += timed_out;
    ObservationsInput input;
    input.boot = 1;
    input.window = window;
    EndpointObservation o;
    o.requests = counts.requests;
    o.resets = counts.resets;
    o.timeouts = counts.timeouts;
    o.in_a_row = counts.in_a_row;
    const TrafficDelta delta = traffic_.Observe(gateway, input, o, true, now_);
    excused_.unreachable += delta.excused.unreachable;
    excused_.timeouts += delta.excused.timeouts;
  }

  TrafficOpinion Opinion(uint16_t gateways, double others_answering = 1,
                         bool agent_refused = false) {
    TrafficOpinion opinion;
    opinion.gateways_service = gateways;
    opinion.others_answering = static_cast<float>(others_answering);
    traffic_.Describe(opinion, now_);
    DecideTraffic(opinion, agent_refused);
    return opinion;
  }

  EndpointTraffic traffic_;
  UnansweredCounts excused_;
  std::map<uint32_t, Gateway> gateways_;
  MonotonicTime now_ = kStart;
};

TEST_F(UnreachableTest, TwoGatewaysThatAreRefusedAreEnough) {
  Answers(1);
  Answers(2);
  Refuses(1, 5);
  EXPECT_FALSE(Opinion(1).unreachable) << "it may be over, as resets of all connections are";
  Later(absl::Milliseconds(100));
  Refuses(1);
  EXPECT_FALSE(Opinion(2).unreachable) << "one gateway's opinion is its own";
  EXPECT_TRUE(Opinion(1).unreachable) << "but for the only one with traffic";
  EXPECT_TRUE(Opinion(2, 1, true).unreachable) << "or the agent";
  Refuses(2);
  EXPECT_TRUE(Opinion(2).unreachable);
  EXPECT_EQ(Opinion(2).in_a_row, (UnansweredCounts{7, 0}));
}

TEST_F(UnreachableTest, AGatewayThatHasNotTriedSinceDoesNotContradict) {
  for (uint32_t gateway = 1; gateway <= 4; ++gateway) Answers(gateway);
  Refuses(1);
  Later(absl::Milliseconds(100));
  Refuses(2);
  EXPECT_TRUE(Opinion(4).unreachable);
}

TEST_F(UnreachableTest, AnAnswerThatIsCertainlyLaterEndsIt) {
  Refuses(1, 5);
  Refuses(2, 5);
  Answers(3);
  const TrafficOpinion opinion = Opinion(3);
  EXPECT_FALSE(opinion.unreachable);
  EXPECT_EQ(opinion.gateways_unreachable, 1) << "the newest may be later than the answer";
  Answers(3);
  EXPECT_EQ(Opinion(3).gateways_unreachable, 0);
  EXPECT_EQ(excused_, (UnansweredCounts{10, 0})) << "they were chance";
  Refuses(1);
  EXPECT_EQ(Opinion(3).in_a_row, (UnansweredCounts{1, 0})) << "the old ones stay dismissed";
}

TEST_F(UnreachableTest, OnesOwnAnswerEndsItAndCountsAsChance) {
  Refuses(1, 3);
  TimesOut(1, 2);
  Answers(1);
  EXPECT_EQ(Opinion(1).gateways_unreachable, 0);
  EXPECT_EQ(excused_, (UnansweredCounts{3, 2}));
}

TEST_F(UnreachableTest, TimeoutsCountOnlyWhileOthersAnswer) {
  TimesOut(1, 3);
  Later(absl::Milliseconds(100));
  TimesOut(2, 3);
  EXPECT_TRUE(Opinion(2, 0.1).unreachable);
  EXPECT_FALSE(Opinion(2, 0.09).unreachable) << "what all wait for is slow";
  EXPECT_FALSE(Opinion(2, 0.09, true).unreachable);
  Refuses(1, 2);
  EXPECT_FALSE(Opinion(2, 0).unreachable) << "the other one's time-outs are no second opinion";
  Refuses(2);
  EXPECT_TRUE(Opinion(2, 0).unreachable) << "who refuses waits for nobody";
}

TEST_F(UnreachableTest, TheirOwnWayToItMayBeWhatFails) {
  // Two of five gateways are refused; the others' windows began before, so nothing is refuted.
  for (uint32_t gateway = 1; gateway <= 2; ++gateway) Refuses(gateway);
  Later(absl::Milliseconds(200));
  Refuses(1);
  EXPECT_TRUE(Opinion(5).unreachable);
  for (uint32_t gateway = 3; gateway <= 5; ++gateway) Answers(gateway, absl::Seconds(1));
  EXPECT_EQ(Opinion(5).gateways_answered, 3);
  EXPECT_FALSE(Opinion(5).unreachable) << "more of them get answers";
  Refuses(3);
  EXPECT_TRUE(Opinion(5).unreachable) << "three against two";
}

TEST_F(UnreachableTest, EvidenceOfBeforeItServedAgainIsNone) {
  Refuses(1, 3);
  Refuses(2, 3);
  traffic_.ForgetEvidence(now_);
  EXPECT_FALSE(Opinion(2).unreachable);
  now_ = now_ + absl::Seconds(1);
  Refuses(1);
  EXPECT_EQ(Opinion(2).in_a_row, (UnansweredCounts{1, 0}));
}

TEST(CertainShareTest, IsLessWhereLittleWasSeen) {
  EXPECT_EQ(CertainShare(0, 0), 0);
  EXPECT_EQ(CertainShare(100, 1), 0.01 - std::sqrt(0.01 * 0.99 / 100));
  EXPECT_EQ(CertainShare(1, 1), 1);
  EXPECT_NEAR(CertainShare(100, 50), 0.45, 1e-9);
  EXPECT_NEAR(CertainShare(10'000, 5000), 0.495, 1e-9);
}

}  // namespace
}  // namespace pointsman::controller
