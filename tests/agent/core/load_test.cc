#include "agent/core/load.h"

#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

using common::MonotonicTime;

MonotonicTime At(int millis) { return MonotonicTime::FromMicros(millis * 1000LL); }

CpuReading Used(double seconds, double limit = 1, uint64_t source = 1) {
  return {.used_seconds = seconds, .available_seconds = {}, .limit_cpus = limit, .source = source};
}

TEST(CpuMeterTest, DividesByTheLimitOverTheWindow) {
  CpuMeter meter;
  EXPECT_FALSE(meter.Take(Used(10), At(0)).has_value());
  EXPECT_DOUBLE_EQ(*meter.Take(Used(10.5), At(1000)), 0.5);
  EXPECT_DOUBLE_EQ(*meter.Take(Used(11.5, 2), At(2000)), 0.5);
}

TEST(CpuMeterTest, UsesTheHostsOwnTimeWhenItIsGiven) {
  CpuMeter meter;
  meter.Take(CpuReading{.used_seconds = 10, .available_seconds = 100}, At(0));
  EXPECT_DOUBLE_EQ(*meter.Take(CpuReading{.used_seconds = 11, .available_seconds = 104}, At(1000)),
                   0.25);
}

TEST(CpuMeterTest, KeepsTheLastShareInAShortWindowAndLosesNothing) {
  CpuMeter meter;
  meter.Take(Used(0), At(0));
  EXPECT_DOUBLE_EQ(*meter.Take(Used(0.5), At(1000)), 0.5);
  EXPECT_DOUBLE_EQ(*meter.Take(Used(0.6), At(1100)), 0.5);
  // The short window's work is in the next one.
  EXPECT_DOUBLE_EQ(*meter.Take(Used(1.0), At(2000)), 0.5);
}

TEST(CpuMeterTest, TakesNoDifferenceAcrossSourcesOrBackwards) {
  CpuMeter meter;
  meter.Take(Used(100, 1, 1), At(0));
  EXPECT_FALSE(meter.Take(Used(200, 1, 2), At(1000)).has_value());
  EXPECT_FALSE(meter.Take(Used(10, 1, 2), At(2000)).has_value());
  EXPECT_DOUBLE_EQ(*meter.Take(Used(10.25, 1, 2), At(3000)), 0.25);
  EXPECT_FALSE(meter.Take(std::nullopt, At(4000)).has_value());
}

TEST(CpuMeterTest, HasNoShareWhereNoTimePassed) {
  CpuMeter meter;
  meter.Take(CpuReading{.used_seconds = 1, .available_seconds = 100}, At(0));
  EXPECT_FALSE(
      meter.Take(CpuReading{.used_seconds = 1, .available_seconds = 100}, At(1000)).has_value());
}

TEST(CarriedCounterTest, GrowsOverRestartsOfTheService) {
  CarriedCounter counter;
  EXPECT_FALSE(counter.total().has_value());
  for (const uint64_t value : {5u, 9u, 2u, 4u}) counter.Take(value);
  EXPECT_EQ(*counter.total(), 13u);
  // Continues after a restart of the agent, whatever happened meanwhile.
  CarriedCounter continued(counter.Save());
  EXPECT_EQ(*continued.total(), 13u);
  continued.Take(1);
  EXPECT_EQ(*continued.total(), 14u);
}

TEST(MetricsWindowTest, AveragesGaugesAndForgetsThemWithTheWindow) {
  MetricsWindow window;
  ServiceMetrics metrics;
  metrics.in_flight = 2;
  metrics.queue_delay = absl::Milliseconds(10);
  metrics.requests = 100;
  window.Take(metrics);
  metrics.in_flight = 4;
  metrics.queue_delay = absl::Milliseconds(30);
  window.Take(metrics);
  const ServiceMetrics first = window.Close();
  EXPECT_DOUBLE_EQ(*first.in_flight, 3);
  EXPECT_EQ(*first.queue_delay, absl::Milliseconds(20));
  EXPECT_EQ(*first.requests, 100u);
  EXPECT_FALSE(first.utilisation.has_value());
  const ServiceMetrics second = window.Close();
  EXPECT_FALSE(second.in_flight.has_value());
  EXPECT_EQ(*second.requests, 100u);
}

}  // namespace
}  // namespace pointsman::agent
