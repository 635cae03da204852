#include "controller/pacer.h"

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

Pacer::Measurement Second(absl::Duration cpu, uint64_t reports, uint64_t agents) {
  return {cpu, absl::Seconds(1), reports, agents};
}

// A pacer whose agents arrived long ago.
Pacer SettledWith(uint64_t agents) {
  Pacer pacer({});
  for (int i = 0; i < 15; ++i) pacer.Update(Second(absl::Milliseconds(900), 200, agents));
  return pacer;
}

TEST(PacerTest, WhatArrivingAgentsCostIsNoCostOfReports) {
  Pacer pacer({});
  const absl::Duration assumed = pacer.cost();
  EXPECT_EQ(pacer.Update(Second(absl::Seconds(2), 500, 4000)), absl::Seconds(1));
  EXPECT_EQ(pacer.Update(Second(absl::Seconds(2), 500, 8000)), absl::Seconds(1));
  for (int i = 0; i < 14; ++i) {
    EXPECT_EQ(pacer.Update(Second(absl::Milliseconds(900), 200, 8000)), absl::Seconds(1));
  }
  EXPECT_EQ(pacer.cost(), assumed);
  pacer.Update(Second(absl::Milliseconds(800), 8000, 8000));
  EXPECT_EQ(pacer.cost(), absl::Microseconds(100));
}

TEST(PacerTest, PacesAnArrivingFleetByWhatIsAssumed) {
  Pacer pacer({});
  EXPECT_EQ(pacer.Update(Second(absl::Seconds(2), 500, 16'000)), absl::Seconds(2));
}

TEST(PacerTest, ASettledFleetStaysSettledWhileAFewComeAndGo) {
  Pacer pacer = SettledWith(1000);
  pacer.Update(Second(absl::Milliseconds(100), 1000, 1015));
  EXPECT_EQ(pacer.cost(), absl::Microseconds(100));
}

TEST(PacerTest, KeepsTheShortestIntervalWhileReportsFit) {
  Pacer pacer = SettledWith(1000);
  EXPECT_EQ(pacer.Update(Second(absl::Milliseconds(500), 1000, 1000)), absl::Seconds(1));
  EXPECT_EQ(pacer.cost(), absl::Microseconds(500));
}

TEST(PacerTest, StretchesAtOnceWhenReportsNeedMoreThanTheirCores) {
  Pacer pacer = SettledWith(5000);
  EXPECT_EQ(pacer.Update(Second(absl::Milliseconds(1000), 1000, 5000)), absl::Seconds(5));
}

TEST(PacerTest, NeverStretchesBeyondTheLongestInterval) {
  Pacer pacer = SettledWith(50'000);
  EXPECT_EQ(pacer.Update(Second(absl::Seconds(100), 100, 50'000)), absl::Minutes(5));
}

TEST(PacerTest, MeasuresAgainAlthoughAStretchedFleetReportsSeldom) {
  Pacer pacer = SettledWith(1000);
  ASSERT_EQ(pacer.Update(Second(absl::Seconds(100), 100, 1000)), absl::Minutes(5));
  // 1,000 agents every 5 minutes: 3 reports a second, a millisecond each.
  absl::Duration interval;
  for (int i = 0; i < 1000; ++i) interval = pacer.Update(Second(absl::Milliseconds(3), 3, 1000));
  EXPECT_LE(interval, absl::Seconds(2));
}

TEST(PacerTest, DoesNotPaceAHandfulOfAgents) {
  Pacer pacer = SettledWith(99);
  EXPECT_EQ(pacer.Update(Second(absl::Seconds(8), 100, 99)), absl::Seconds(1));
}

TEST(PacerTest, LeavesChangesUnderATenthAlone) {
  Pacer pacer = SettledWith(10'000);
  ASSERT_EQ(pacer.Update(Second(absl::Milliseconds(1000), 1000, 10'000)), absl::Seconds(10));
  EXPECT_EQ(pacer.Update(Second(absl::Milliseconds(1000), 1000, 10'500)), absl::Seconds(10));
}

}  // namespace
}  // namespace pointsman::controller
