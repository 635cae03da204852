#include "sim/policies/prequal.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

common::MonotonicTime At(int64_t millis) {
  return common::MonotonicTime::FromMicros(millis * 1000);
}

// Probes that are not used up nor removed, so that the rule alone decides.
PrequalOptions Plain() {
  return {.pool = 16, .probes_per_query = 1, .removals_per_query = 0, .delta = 50};
}

class ProbePoolTest : public ::testing::Test {
 protected:
  void Add(ProbePool& pool, uint32_t endpoint, uint32_t rif, int millis, int64_t at = 0) {
    pool.Add(endpoint, {rif, absl::Milliseconds(millis)}, At(at), random);
  }
  std::mt19937_64 random{1};
};

// The values that algorithms reference 1.3 gives for pool 16, n 100, delta 1.
TEST(PrequalReuseBudgetTest, IsThePublishedOne) {
  const auto budget = [](double probes, double removals) {
    return PrequalReuseBudget({.probes_per_query = probes, .removals_per_query = removals}, 100);
  };
  EXPECT_NEAR(budget(3, 1), 1.32, 0.005);
  EXPECT_NEAR(budget(2, 0.25), 1.40, 0.005);
  EXPECT_NEAR(budget(1, 0.25), 3.39, 0.005);
  EXPECT_NEAR(budget(0.5, 0.25), 11.76, 0.005);
  EXPECT_EQ(budget(10, 1), 1) << "never less than one use";
  EXPECT_EQ(PrequalReuseBudget({}, 10), kReuseMax) << "a pool larger than the service";
}

TEST_F(ProbePoolTest, TakesTheFastestColdOne) {
  ProbePool pool(4, Plain());
  Add(pool, 0, 1, 30);
  Add(pool, 1, 2, 10);
  Add(pool, 2, 3, 20);
  Add(pool, 3, 9, 1);
  PrequalOptions options = Plain();
  options.q_rif = 0.75;
  ProbePool strict(4, options);
  Add(strict, 0, 1, 30);
  Add(strict, 1, 2, 10);
  Add(strict, 2, 3, 20);
  Add(strict, 3, 9, 1);
  EXPECT_EQ(pool.HotAbove(), 9u);
  EXPECT_EQ(pool.Take(At(1), random), 3u);
  EXPECT_EQ(strict.HotAbove(), 3u);
  EXPECT_EQ(strict.Take(At(1), random), 1u);
}

TEST_F(ProbePoolTest, TheQuantileIsOverEndpointsNotProbes) {
  PrequalOptions options = Plain();
  options.q_rif = 0.5;
  ProbePool pool(4, options);
  for (int i = 0; i < 8; ++i) Add(pool, 0, 9, 1);
  Add(pool, 1, 1, 10);
  Add(pool, 2, 2, 5);
  Add(pool, 3, 3, 10);
  EXPECT_EQ(pool.HotAbove(), 2u);
  EXPECT_EQ(pool.Take(At(0), random), 2u);
}

TEST_F(ProbePoolTest, CountsItsOwnQueriesAndThenByRifWhenAllAreHot) {
  PrequalOptions options = Plain();
  options.q_rif = 0.25;
  ProbePool pool(2, options);
  Add(pool, 0, 5, 1);
  Add(pool, 1, 7, 1);
  // theta 5: endpoint 0 is cold once, then hot with 6, 7 and, the first of equals, 8.
  std::vector<size_t> taken;
  taken.reserve(5);
  for (int i = 0; i < 5; ++i) taken.push_back(pool.Take(At(0), random));
  EXPECT_EQ(taken, (std::vector<size_t>{0, 0, 0, 1, 0}));
}

TEST_F(ProbePoolTest, DropsTheOldAndTheUsedUp) {
  PrequalOptions options = Plain();
  options.delta = 1;  // Two uses: 2 / (1 - 16/1e6).
  options.q_rif = 1;  // By latency.
  ProbePool pool(1'000'000, options);
  Add(pool, 7, 1, 1, 0);
  Add(pool, 8, 1, 2, 500);
  Add(pool, 9, 1, 3, 500);
  EXPECT_EQ(pool.Take(At(1000), random), 7u);
  EXPECT_EQ(pool.size(), 3u);
  // Endpoint 7's is too old; its second use is lost.
  EXPECT_EQ(pool.Take(At(1001), random), 8u);
  EXPECT_EQ(pool.size(), 2u);
  pool.Take(At(1001), random);
  EXPECT_EQ(pool.size(), 1u) << "used up";
  // Under the minimum occupancy: anyone at random, the probe is kept.
  EXPECT_NE(pool.Take(At(1001), random), 9u);
  EXPECT_EQ(pool.size(), 1u);
}

TEST_F(ProbePoolTest, AFullPoolForgetsTheOldest) {
  PrequalOptions options = Plain();
  options.pool = 2;
  ProbePool pool(10, options);
  Add(pool, 1, 1, 1);
  Add(pool, 2, 1, 5);
  Add(pool, 3, 1, 6);
  EXPECT_EQ(pool.size(), 2u);
  EXPECT_EQ(pool.Take(At(0), random), 2u);
}

TEST_F(ProbePoolTest, RemovesTheOldestAndTheWorstInTurn) {
  PrequalOptions options = Plain();
  options.removals_per_query = 1;
  options.delta = 200;
  options.probes_per_query = 3;
  options.q_rif = 0.75;
  ProbePool pool(4, options);
  Add(pool, 0, 2, 1);
  Add(pool, 1, 9, 2);  // Hot.
  Add(pool, 2, 2, 8);
  Add(pool, 3, 2, 3);
  pool.Clean(At(0), random);  // The oldest, 0.
  EXPECT_EQ(pool.Take(At(0), random), 3u);
  pool.Clean(At(0), random);  // The worst: 1, which is hot; or 3, hot by the query it got.
  EXPECT_EQ(pool.size(), 2u);
  pool.Clean(At(0), random);  // The oldest again.
  EXPECT_EQ(pool.size(), 1u);
}

TEST(PrequalPolicyTest, ProbesDifferentEndpointsEvenly) {
  std::mt19937_64 random(SeedOr(1));
  PrequalPolicy policy(10, {.probes_per_query = 2.5});
  std::vector<int> counts(10);
  size_t sent = 0;
  std::vector<uint32_t> targets;
  for (int i = 0; i < 20'000; ++i) {
    targets.clear();
    policy.TakeProbes(targets, random);
    sent += targets.size();
    EXPECT_EQ(std::set<uint32_t>(targets.begin(), targets.end()).size(), targets.size());
    for (const uint32_t target : targets) ++counts[target];
  }
  EXPECT_NEAR(static_cast<double>(sent) / 20'000, 2.5, 0.02);
  for (const int count : counts) EXPECT_NEAR(count, 5000, 350);
}

TEST(PrequalPolicyTest, IsRandomUntilProbesAnswer) {
  std::mt19937_64 random(SeedOr(2));
  PrequalPolicy policy(3);
  std::vector<int> counts(3);
  const std::vector<uint32_t> in_flight(3);
  for (int i = 0; i < 3000; ++i) ++counts[policy.Pick({At(0), in_flight}, random)];
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

}  // namespace
}  // namespace pointsman::sim
