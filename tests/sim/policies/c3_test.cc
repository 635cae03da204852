#include "sim/policies/c3.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

RequestResult Answer(int64_t latency_ms, int64_t served_ms, uint32_t queued) {
  RequestResult result;
  result.latency = absl::Milliseconds(latency_ms);
  result.server_told = true;
  result.served = absl::Milliseconds(served_ms);
  result.queued = queued;
  return result;
}

TEST(C3PolicyTest, RanksAsPublished) {
  C3Policy policy(1, {.clients = 10, .newest = 0.9});
  policy.OnResult(0, Answer(6, 4, 3), {});
  // R - s + (1 + 2 * 10 + 3)^3 s.
  EXPECT_DOUBLE_EQ(policy.Rank(0, 2), 6'000 - 4'000 + 24.0 * 24 * 24 * 4'000);
  policy.OnResult(0, Answer(16, 14, 13), {});
  EXPECT_DOUBLE_EQ(policy.Rank(0, 0), 15'000 - 13'000 + 13.0 * 13 * 13 * 13'000);
}

TEST(C3PolicyTest, APiledUpFastServerLosesToAnEmptySlowOne) {
  std::mt19937_64 random(1);
  C3Policy policy(2, {.clients = 4});
  policy.OnResult(0, Answer(4, 4, 0), {});
  policy.OnResult(1, Answer(20, 20, 0), {});
  EXPECT_EQ(policy.Pick({{}, std::vector<uint32_t>{0, 0}}, random), 0u);
  EXPECT_EQ(policy.Pick({{}, std::vector<uint32_t>{1, 0}}, random), 1u);
}

TEST(C3PolicyTest, OneRequestAtATimeTriesTheUnknown) {
  std::mt19937_64 random(1);
  C3Policy policy(2);
  policy.OnResult(0, Answer(4, 4, 0), {});
  EXPECT_EQ(policy.Pick({{}, std::vector<uint32_t>{0, 0}}, random), 1u);
  EXPECT_EQ(policy.Pick({{}, std::vector<uint32_t>{9, 1}}, random), 0u);
}

TEST(C3PolicyTest, EqualsAreAsLikely) {
  std::mt19937_64 random(1);
  C3Policy policy(4);
  for (size_t i = 0; i < 4; ++i) policy.OnResult(i, Answer(4, 4, 0), {});
  std::vector<int> picks(4);
  for (int i = 0; i < 8000; ++i) ++picks[policy.Pick({{}, std::vector<uint32_t>(4)}, random)];
  for (const int count : picks) EXPECT_NEAR(count, 2000, 200);
}

TEST(C3PolicyTest, WithoutAnAnswerTheTimeItTookCounts) {
  C3Policy policy(1);
  RequestResult lost;
  lost.latency = absl::Seconds(1);
  lost.ok = false;
  policy.OnResult(0, lost, {});
  EXPECT_DOUBLE_EQ(policy.Rank(0, 0), 1e6);
}

}  // namespace
}  // namespace pointsman::sim
