#include "sim/world/settling.h"

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

// Ten usual seconds of 100 ms and 1 % errors, then these.
std::vector<SeriesPoint> Series(std::initializer_list<std::pair<double, uint64_t>> after) {
  std::vector<SeriesPoint> series;
  const auto add = [&series](double p99_ms, uint64_t errors) {
    SeriesPoint point;
    point.at_s = static_cast<double>(series.size());
    point.requests = 100;
    point.errors = errors;
    point.p99_ms = p99_ms;
    series.push_back(point);
  };
  for (int i = 0; i < 10; ++i) add(i % 2 == 0 ? 90 : 100, 1);
  for (const auto& [p99_ms, errors] : after) add(p99_ms, errors);
  return series;
}

std::optional<absl::Duration> Settled(std::initializer_list<std::pair<double, uint64_t>> after,
                                      absl::Duration lasts = absl::InfiniteDuration()) {
  return SettledAfter(Series(after), absl::Seconds(10), lasts);
}

TEST(SettlingTest, IsTheEndOfTheLastDisturbedSecond) {
  EXPECT_EQ(Settled({{300, 1}, {100, 1}, {130, 1}, {100, 1}, {110, 1}, {120, 1}}),
            absl::Seconds(3));
  EXPECT_EQ(Settled({{100, 50}, {100, 5}, {100, 2}, {100, 0}, {100, 0}}), absl::Seconds(2));
}

TEST(SettlingTest, ASecondInWhichNobodyIsAnsweredIsDisturbed) {
  EXPECT_EQ(Settled({{0, 100}, {0, 100}, {100, 1}, {100, 1}, {100, 1}}), absl::Seconds(2));
}

TEST(SettlingTest, NothingHappenedIsZero) {
  EXPECT_EQ(Settled({{100, 1}, {120, 2}, {90, 0}, {90, 0}}), absl::ZeroDuration());
}

TEST(SettlingTest, WhatIsStillDisturbedHasNotSettled) {
  EXPECT_EQ(Settled({{100, 1}, {100, 1}, {100, 1}, {300, 1}, {100, 1}}), std::nullopt);
  EXPECT_EQ(Settled({{300, 1}, {100, 1}, {100, 1}}), std::nullopt) << "too soon to say";
}

TEST(SettlingTest, OnlyTheFaultsOwnTimeCounts) {
  EXPECT_EQ(Settled({{300, 1}, {100, 1}, {100, 1}, {100, 1}, {900, 9}}, absl::Seconds(4)),
            absl::Seconds(1));
}

TEST(SettlingTest, WithoutSecondsBeforeNothingIsUsual) {
  EXPECT_EQ(SettledAfter(Series({}), absl::ZeroDuration(), absl::Seconds(5)), std::nullopt);
}

}  // namespace
}  // namespace pointsman::sim
