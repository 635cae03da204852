#include "controller/core/liveness.h"

#include <random>

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

constexpr absl::Duration kSilentAfter = absl::Seconds(5);

ReportGaps Of(double mean, double deviation, int reports) {
  ReportGaps gaps;
  std::mt19937_64 random(1);
  std::normal_distribution<double> gap(mean, deviation);
  for (int i = 0; i < reports; ++i) {
    gaps.Add(absl::Seconds(std::max(0.01, gap(random))), kSilentAfter);
  }
  return gaps;
}

TEST(LivenessTest, TheConfiguredTimeAndThreeIntervalsAreTheLeast) {
  EXPECT_EQ(SilenceLimit(kSilentAfter, absl::Seconds(1), {}), kSilentAfter);
  EXPECT_EQ(SilenceLimit(kSilentAfter, absl::Seconds(10), {}), absl::Seconds(30));
  EXPECT_EQ(SilenceLimit(kSilentAfter, absl::Seconds(1), Of(1, 0.02, 100)), kSilentAfter);
}

TEST(LivenessTest, UnevenReportsProlongIt) {
  const ReportGaps uneven = Of(2, 0.9, 1000);
  EXPECT_NEAR(absl::ToDoubleSeconds(uneven.mean()), 2, 0.5);
  EXPECT_NEAR(absl::ToDoubleSeconds(uneven.deviation()), 0.9, 0.35);
  const absl::Duration limit = SilenceLimit(kSilentAfter, absl::Seconds(1), uneven);
  EXPECT_GT(limit, absl::Seconds(5));
  EXPECT_LT(limit, absl::Seconds(10));
  EXPECT_NEAR(
      absl::ToDoubleSeconds(uneven.Limit()),
      absl::ToDoubleSeconds(uneven.mean()) + 5.612 * absl::ToDoubleSeconds(uneven.deviation()),
      1e-4);
}

TEST(LivenessTest, AFewGapsSayNothing) {
  EXPECT_EQ(Of(4, 2, ReportGaps::kSamplesMin - 1).Limit(), absl::ZeroDuration());
  EXPECT_GT(Of(4, 2, ReportGaps::kSamplesMin).Limit(), absl::ZeroDuration());
}

TEST(LivenessTest, OneOutageDoesNotBlindIt) {
  ReportGaps gaps = Of(1, 0.02, 100);
  gaps.Add(absl::Minutes(10), kSilentAfter);
  EXPECT_LT(SilenceLimit(kSilentAfter, absl::Seconds(1), gaps), absl::Seconds(8));
  for (int i = 0; i < 30; ++i) gaps.Add(absl::Seconds(1), kSilentAfter);
  EXPECT_EQ(SilenceLimit(kSilentAfter, absl::Seconds(1), gaps), kSilentAfter);
}

TEST(LivenessTest, NoUnevennessProlongsItForEver) {
  ReportGaps wild;
  for (int i = 0; i < 100; ++i) {
    wild.Add(i % 2 == 0 ? absl::Milliseconds(1) : absl::Minutes(1), absl::Minutes(2));
  }
  EXPECT_EQ(SilenceLimit(kSilentAfter, absl::Seconds(1), wild), absl::Seconds(20));
}

}  // namespace
}  // namespace pointsman::controller
