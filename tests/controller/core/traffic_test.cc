#include "controller/core/traffic.h"

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

TEST(BinomialTest, BoundsGrowWithEvidence) {
  EXPECT_EQ(BinomialNats(10, 1, 0.5), 0);
  EXPECT_GT(BinomialNats(100, 60, 0.1), BinomialNats(10, 6, 0.1));
  EXPECT_GT(BinomialNats(20, 20, 0.02), 13.8);
  EXPECT_LT(BinomialNats(10, 3, 0.1), 13.8);
}

}  // namespace
}  // namespace pointsman::controller
