#include "sim/quantiles.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sim/random.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

TEST(QuantilesTest, AreWithinABucketOfTheSortedValues) {
  std::mt19937_64 random(SeedOr(1));
  Quantiles quantiles, first, second;
  std::vector<int64_t> values;
  double sum = 0;
  for (int i = 0; i < 50'000; ++i) {
    const int64_t value = static_cast<int64_t>(Exponential(1e6, random) * Exponential(1, random));
    values.push_back(value);
    sum += static_cast<double>(value);
    quantiles.Add(value);
    (i % 3 == 0 ? first : second).Add(value);
  }
  first.Merge(second);
  std::sort(values.begin(), values.end());
  for (const double q : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = static_cast<double>(values[static_cast<size_t>(q * values.size()) - 1]);
    EXPECT_NEAR(quantiles.Quantile(q), exact, 0.008 * exact + 1) << q;
    EXPECT_EQ(first.Quantile(q), quantiles.Quantile(q));
  }
  EXPECT_NEAR(quantiles.Mean(), sum / values.size(), 1e-6 * sum / values.size());
  EXPECT_EQ(quantiles.max(), values.back());
  EXPECT_EQ(quantiles.Quantile(1), static_cast<double>(values.back()));
}

TEST(QuantilesTest, KnowsItsEnds) {
  Quantiles quantiles;
  EXPECT_EQ(quantiles.Quantile(0.5), 0);
  EXPECT_EQ(quantiles.Mean(), 0);
  quantiles.Add(-5);
  quantiles.Add(INT64_MAX);
  EXPECT_EQ(quantiles.Quantile(0), 0);
  EXPECT_NEAR(quantiles.Quantile(1) / 9.223372036854775807e18, 1, 0.008);
  EXPECT_EQ(quantiles.count(), 2u);
}

}  // namespace
}  // namespace pointsman::sim
