#include "common/core/alias_table.h"

#include <cmath>
#include <random>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

// Chi-square distance of `draws` draws from the table's weights, divided by its degrees of freedom:
// near 1 when they agree.
double ReducedChiSquare(const AliasTable& table, int draws, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int> counts(table.size());
  for (int i = 0; i < draws; ++i) ++counts[table.Draw(random)];
  double sum = 0;
  int cells = 0;
  for (size_t i = 0; i < table.size(); ++i) {
    const double expected = double(draws) * table.weight(i) / table.total();
    if (expected == 0) {
      EXPECT_EQ(counts[i], 0) << "drawn without weight: " << i;
      continue;
    }
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    ++cells;
  }
  return cells > 1 ? sum / (cells - 1) : 1;
}

std::vector<uint32_t> RandomWeights(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint32_t> weights(n);
  for (uint32_t& w : weights) w = random() % 5 == 0 ? 0 : 1000 + random() % 100'000;
  weights[n / 2] = 65'536;
  return weights;
}

TEST(AliasTableTest, EmptyAndZeroTablesHaveNothingToDraw) {
  EXPECT_EQ(AliasTable().total(), 0u);
  EXPECT_EQ(AliasTable(std::vector<uint32_t>{0, 0, 0}).total(), 0u);
}

TEST(AliasTableTest, DrawsTheOnlyIndexWithWeight) {
  std::vector<uint32_t> weights(1000);
  weights[777] = 1;
  const AliasTable table(weights);
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(table.Draw(random), 777u);
}

TEST(AliasTableTest, DrawsByWeightInOneBlockAndInMany) {
  for (const size_t n : {1, 2, 3, 255, 256, 257, 1000}) {
    const AliasTable table(RandomWeights(n, n));
    const double chi = ReducedChiSquare(table, 400'000, 42 + n);
    EXPECT_LT(chi, 1.0 + 6.0 / std::sqrt(n)) << n << " weights";
  }
}

TEST(AliasTableTest, LargestWeightsDoNotOverflow) {
  const std::vector<uint32_t> weights(512, UINT32_MAX);
  const AliasTable table(weights);
  EXPECT_EQ(table.total(), 512ull * UINT32_MAX);
  EXPECT_LT(ReducedChiSquare(table, 200'000, 3), 1.3);
}

TEST(AliasTableTest, ChangedTableEqualsARebuiltOne) {
  std::vector<uint32_t> weights = RandomWeights(700, 5);
  const AliasTable before(weights);
  const std::vector<std::pair<size_t, uint32_t>> changes = {
      {3, 0}, {699, 123'456}, {3, 77}, {800, 65'536}};
  const AliasTable after = before.With(changes);
  weights.resize(801);
  weights[3] = 77;
  weights[699] = 123'456;
  weights[800] = 65'536;
  const AliasTable rebuilt(weights);
  ASSERT_EQ(after.size(), rebuilt.size());
  EXPECT_EQ(after.total(), rebuilt.total());
  std::mt19937_64 a(9), b(9);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(after.Draw(a), rebuilt.Draw(b));
  EXPECT_EQ(before.weight(699), RandomWeights(700, 5)[699]) << "the old table stays as it was";
}

TEST(AliasTableTest, BlocksMayBecomeEmptyAndFullAgain) {
  AliasTable table(std::vector<uint32_t>(512, 1));
  std::vector<std::pair<size_t, uint32_t>> zeros;
  for (size_t i = 0; i < 256; ++i) zeros.emplace_back(i, 0);
  table = table.With(zeros);
  EXPECT_EQ(table.total(), 256u);
  std::mt19937_64 random(4);
  for (int i = 0; i < 1000; ++i) EXPECT_GE(table.Draw(random), 256u);
  const std::vector<std::pair<size_t, uint32_t>> one = {{0, 5}};
  EXPECT_EQ(table.With(one).total(), 261u);
}

}  // namespace
}  // namespace pointsman::common
