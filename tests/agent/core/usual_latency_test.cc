#include "agent/core/usual_latency.h"

#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

constexpr absl::Duration kMs = absl::Milliseconds(1);

UsualLatency After(size_t runs, absl::Duration latency) {
  UsualLatency usual;
  for (size_t i = 0; i < runs; ++i) usual.Learn(latency, /*slow=*/false);
  return usual;
}

TEST(UsualLatencyTest, IsNotKnownBeforeEnoughRuns) {
  EXPECT_EQ(After(UsualLatency::kKnownFrom - 1, kMs).SlowAfter(), absl::InfiniteDuration());
  EXPECT_EQ(After(UsualLatency::kKnownFrom - 1, kMs).usual(), absl::ZeroDuration());
  EXPECT_EQ(After(UsualLatency::kKnownFrom, kMs).usual(), kMs);
}

TEST(UsualLatencyTest, BeginsWithTheMedian) {
  UsualLatency usual;
  for (size_t i = 0; i < UsualLatency::kKnownFrom; ++i) usual.Learn((i * 7 % 16 + 1) * kMs, false);
  EXPECT_GE(usual.usual(), 8 * kMs);
  EXPECT_LE(usual.usual(), 9 * kMs);
}

TEST(UsualLatencyTest, SlowIsFarMoreThanUsual) {
  EXPECT_EQ(After(20, kMs).SlowAfter(), 101 * kMs) << "a fast check may hesitate";
  EXPECT_EQ(After(20, 40 * kMs).SlowAfter(), 200 * kMs);
}

TEST(UsualLatencyTest, StaysAmongRunsThatScatter) {
  UsualLatency usual;
  // 5 to 20 ms, the median 10: one of ten takes 300.
  for (int i = 0; i < 5000; ++i) {
    const int at = i * 7 % 10;
    usual.Learn(at == 9 ? 300 * kMs : at < 5 ? (5 + at) * kMs : (10 + at) * kMs, false);
  }
  EXPECT_GE(usual.usual(), 8 * kMs);
  EXPECT_LE(usual.usual(), 17 * kMs);
}

TEST(UsualLatencyTest, FollowsWhatLastsAndSlowRunsLater) {
  UsualLatency usual = After(20, 10 * kMs);
  for (int i = 0; i < 40; ++i) usual.Learn(20 * kMs, /*slow=*/false);
  EXPECT_EQ(usual.usual(), 20 * kMs);
  const absl::Duration limit = usual.SlowAfter();
  int runs = 0;
  while (usual.SlowAfter() < 400 * kMs && runs < 10'000) {
    usual.Learn(400 * kMs, /*slow=*/true);
    ++runs;
  }
  EXPECT_EQ(limit, 120 * kMs);
  EXPECT_GT(runs, 500) << "a quarter of an hour, with a run each two seconds";
  EXPECT_LT(runs, 2000);
}

TEST(UsualLatencyTest, SurvivesARestart) {
  const UsualLatency before = After(20, 40 * kMs);
  const UsualLatency after(before.usual());
  EXPECT_EQ(after.SlowAfter(), before.SlowAfter());
  EXPECT_EQ(UsualLatency(absl::ZeroDuration()).SlowAfter(), absl::InfiniteDuration());
}

TEST(UsualLatencyTest, NothingTakesNoTime) {
  UsualLatency usual = After(20, absl::ZeroDuration());
  for (int i = 0; i < 1000; ++i) usual.Learn(10 * kMs, false);
  EXPECT_EQ(usual.usual(), 10 * kMs);
}

}  // namespace
}  // namespace pointsman::agent
