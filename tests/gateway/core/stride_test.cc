#include "gateway/core/stride.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

class StrideTest : public ::testing::Test {
 protected:
  std::vector<int> Counts(const common::AliasTable& table, int picks) {
    std::vector<int> counts(table.size());
    for (int i = 0; i < picks; ++i) ++counts[NextTurn(table, &turn_, random_)];
    return counts;
  }

  uint64_t turn_ = 12'345;
  std::mt19937_64 random_{1};
};

TEST_F(StrideTest, EqualWeightsTakeTurns) {
  const common::AliasTable table(std::vector<uint32_t>{7, 7, 7, 7});
  const size_t first = NextTurn(table, &turn_, random_);
  for (size_t i = 1; i <= 40; ++i) EXPECT_EQ(NextTurn(table, &turn_, random_), (first + i) % 4);
}

TEST_F(StrideTest, SharesFollowWeightsCloserThanChance) {
  const std::vector<uint32_t> weights = {65'536, 32'768, 16'384, 6'554, 131'072};
  const common::AliasTable table(weights);
  const std::vector<int> counts = Counts(table, 100'000);
  for (size_t i = 0; i < weights.size(); ++i) {
    const double expected = 100'000.0 * weights[i] / static_cast<double>(table.total());
    EXPECT_NEAR(counts[i], expected, 12)
        << i << ": chance alone strays by " << 3 * std::sqrt(expected);
  }
}

TEST_F(StrideTest, TurnsOfOneAreSpreadOut) {
  const common::AliasTable table(std::vector<uint32_t>{3, 1, 1, 1});
  int since = 0;
  int longest = 0;
  for (int i = 0; i < 6'000; ++i) {
    const bool heavy = NextTurn(table, &turn_, random_) == 0;
    since = heavy ? 0 : since + 1;
    longest = std::max(longest, since);
  }
  EXPECT_LE(longest, 3) << "half of all are its own";
}

TEST_F(StrideTest, ZeroWeightsHaveNoTurn) {
  std::vector<uint32_t> weights(1000, 0);
  weights[3] = 5;
  weights[700] = 5;
  const std::vector<int> counts = Counts(common::AliasTable(weights), 4'000);
  EXPECT_EQ(counts[3] + counts[700], 4'000);
  EXPECT_NEAR(counts[3], 2'000, 250);
}

// A table that is replaced again and again must not begin with the same ones each time.
TEST_F(StrideTest, ChangesOfTheTableStartNothingAnew) {
  std::vector<uint32_t> weights(100, 65'536);
  std::vector<int> counts(weights.size());
  for (int update = 0; update < 1'000; ++update) {
    weights[update % 100] = 65'536 + static_cast<uint32_t>(update % 7);
    const common::AliasTable table(weights);
    for (int i = 0; i < 10; ++i) ++counts[NextTurn(table, &turn_, random_)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 100, 12);
}

TEST(PickTurnsTest, WorkersAndPrioritiesBeginElsewhere) {
  std::mt19937_64 random(3);
  std::set<uint64_t> begins;
  for (uint32_t service = 1; service <= 20; ++service) {
    PickTurns turns;
    for (const uint8_t priority : {0, 1}) {
      uint64_t* const turn = turns.Of({service, 1}, priority, random);
      EXPECT_EQ(turn, turns.Of({service, 1}, priority, random));
      begins.insert(*turn % 1'000'003);
    }
  }
  EXPECT_EQ(begins.size(), 40u);
}

TEST(PickTurnsTest, KeepsABoundedNumber) {
  std::mt19937_64 random(3);
  PickTurns turns;
  for (uint32_t i = 0; i < PickTurns::kKeptMax + 10; ++i) *turns.Of({i, 1}, 0, random) = i;
  EXPECT_NE(*turns.Of({5, 1}, 0, random), 5u) << "forgotten with the others";
}

}  // namespace
}  // namespace pointsman::gateway
