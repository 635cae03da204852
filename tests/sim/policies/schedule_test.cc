#include "sim/policies/schedule.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

constexpr ScheduleKind kAll[] = {ScheduleKind::kAlias, ScheduleKind::kSmooth,
                                 ScheduleKind::kStaticStride, ScheduleKind::kEdf,
                                 ScheduleKind::kEdfFullPeriod};

std::vector<int> Counts(Schedule& schedule, size_t endpoints, int picks, std::mt19937_64& random) {
  std::vector<int> counts(endpoints);
  for (int i = 0; i < picks; ++i) ++counts[schedule.Next(random)];
  return counts;
}

TEST(ScheduleTest, EachKindGivesSharesByWeight) {
  std::mt19937_64 random(SeedOr(1));
  const std::vector<double> weights = {1, 0.5, 0, 2, 1.5, 0.01};
  constexpr int kPicks = 100'200;
  for (const ScheduleKind kind : kAll) {
    const auto schedule = MakeSchedule(kind);
    schedule->SetWeights(weights, random);
    const auto counts = Counts(*schedule, weights.size(), kPicks, random);
    // All but the alias table are even: within a round or two of the exact share.
    const double slack = kind == ScheduleKind::kAlias ? 5 * std::sqrt(0.4 * kPicks) : 5;
    for (size_t i = 0; i < weights.size(); ++i) {
      EXPECT_NEAR(counts[i], kPicks * weights[i] / 5.01, slack) << int(kind) << " " << i;
    }
    EXPECT_EQ(counts[2], 0);
  }
}

TEST(ScheduleTest, SmoothSpreadsTheHeavyOnesPicks) {
  std::mt19937_64 random(1);
  const auto schedule = MakeSchedule(ScheduleKind::kSmooth);
  schedule->SetWeights(std::vector<double>{5, 1, 1}, random);
  std::vector<size_t> picks;
  picks.reserve(7);
  for (int i = 0; i < 7; ++i) picks.push_back(schedule->Next(random));
  EXPECT_EQ(picks, (std::vector<size_t>{0, 0, 1, 0, 2, 0, 0}));
}

// Rebuilding after every few picks leaves the shares alone where the position is kept.
TEST(ScheduleTest, PositionSurvivesAChangeOfWeights) {
  std::mt19937_64 random(SeedOr(2));
  const std::vector<double> weights = {3, 1, 1, 1};
  for (const ScheduleKind kind : {ScheduleKind::kSmooth, ScheduleKind::kStaticStride}) {
    const auto schedule = MakeSchedule(kind);
    std::vector<int> counts(weights.size());
    for (int i = 0; i < 20'000; ++i) {
      schedule->SetWeights(weights, random);
      for (int k = 0; k < 3; ++k) ++counts[schedule->Next(random)];
    }
    for (size_t i = 0; i < weights.size(); ++i) {
      EXPECT_NEAR(counts[i], 10'000 * weights[i], 3) << int(kind) << " " << i;
    }
  }
}

TEST(ScheduleTest, StaticStrideTakesTheHeaviestInEveryRound) {
  std::mt19937_64 random(SeedOr(3));
  const auto schedule = MakeSchedule(ScheduleKind::kStaticStride);
  std::vector<double> weights(50, 1);
  weights[17] = 40;
  schedule->SetWeights(weights, random);
  int since = 0, longest = 0;
  for (int i = 0; i < 100'000; ++i) {
    since = schedule->Next(random) == 17 ? 0 : since + 1;
    longest = std::max(longest, since);
  }
  // A round has one of it and 49/40 of the others on average; but phases are half a period apart,
  // so that every other one of them, 25, may come in the same round.
  EXPECT_LE(longest, 25);
  EXPECT_GT(longest, 5);
}

TEST(ScheduleTest, WholeWeightsKeepProportionsAndWhatIsLittle) {
  EXPECT_EQ(WholeWeights(std::vector<double>{0, 1e-9, 1, 2}, 1000),
            (std::vector<uint32_t>{0, 1, 500, 1000}));
}

}  // namespace
}  // namespace pointsman::sim
