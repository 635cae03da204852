// Earliest deadline first after a rebuild (algorithms reference 10; envoy PR 10064, issue 31378).
// When every first deadline is a full period away, a fresh heap yields all heavy endpoints before
// the first light one: of 1000 with weight 128 and 100 with weight 10 the light ones come after 12
// rounds of the heavy, and with rebuilds more often than that they are never used.

#include <memory>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sim/policies/schedule.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

constexpr size_t kHeavy = 1000, kLight = 100;
constexpr double kFairShare = 10.0 * kLight / (128.0 * kHeavy + 10.0 * kLight);  // 0.775 %.

std::vector<double> Weights() {
  std::vector<double> weights(kHeavy, 128);
  weights.resize(kHeavy + kLight, 10);
  return weights;
}

// Share of picks that light endpoints get when the list is rebuilt after every `picks`.
double LightShare(ScheduleKind kind, int picks, int rebuilds) {
  std::mt19937_64 random(SeedOr(1));
  const auto schedule = MakeSchedule(kind);
  int light = 0;
  for (int rebuild = 0; rebuild < rebuilds; ++rebuild) {
    schedule->SetWeights(Weights(), random);
    for (int i = 0; i < picks; ++i) light += schedule->Next(random) >= kHeavy;
  }
  return double(light) / (double(picks) * rebuilds);
}

TEST(EdfBurstTest, AFreshHeapBeginsWithTwelveRoundsOfTheHeavy) {
  std::mt19937_64 random(1);
  const auto schedule = MakeSchedule(ScheduleKind::kEdfFullPeriod);
  schedule->SetWeights(Weights(), random);
  int first_light = 0;
  while (schedule->Next(random) < kHeavy) ++first_light;
  // Deadlines k / 128 before 1 / 10: k up to 12.
  EXPECT_EQ(first_light, 12 * 1000);
}

TEST(EdfBurstTest, FrequentRebuildsStarveTheLight) {
  EXPECT_EQ(LightShare(ScheduleKind::kEdfFullPeriod, 12'000, 50), 0);
  EXPECT_EQ(LightShare(ScheduleKind::kEdfFullPeriod, 100, 500), 0);
  // With none they have their share.
  EXPECT_NEAR(LightShare(ScheduleKind::kEdfFullPeriod, 258'000, 1) / kFairShare, 1, 0.1);
}

// 10 %: three standard deviations of what chance decides (about 900 light picks).
TEST(EdfBurstTest, OthersKeepTheSharesThroughRebuilds) {
  for (const ScheduleKind kind :
       {ScheduleKind::kEdf, ScheduleKind::kStaticStride, ScheduleKind::kAlias}) {
    EXPECT_NEAR(LightShare(kind, 1000, 120) / kFairShare, 1, 0.1) << int(kind);
  }
  // Light ones are picked in a row there; 64,500 picks are one whole cycle.
  EXPECT_NEAR(LightShare(ScheduleKind::kSmooth, 645, 100) / kFairShare, 1, 0.01);
}

}  // namespace
}  // namespace pointsman::sim
