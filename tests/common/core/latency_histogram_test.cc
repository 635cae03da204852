#include "common/core/latency_histogram.h"

#include <vector>

#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

TEST(LatencyHistogramTest, BucketsArePowersOfTwoFrom64Microseconds) {
  EXPECT_EQ(LatencyHistogram::BucketOf(absl::Microseconds(-5)), 0u);
  EXPECT_EQ(LatencyHistogram::BucketOf(absl::Microseconds(63)), 0u);
  EXPECT_EQ(LatencyHistogram::BucketOf(absl::Microseconds(64)), 1u);
  EXPECT_EQ(LatencyHistogram::BucketOf(absl::Microseconds(127)), 1u);
  EXPECT_EQ(LatencyHistogram::BucketOf(absl::Microseconds(128)), 2u);
  EXPECT_EQ(LatencyHistogram::BucketOf(absl::Hours(1)), 19u);
  EXPECT_EQ(LatencyHistogram::UpperBound(0), absl::Microseconds(64));
  EXPECT_EQ(LatencyHistogram::UpperBound(19), absl::InfiniteDuration());
}

TEST(LatencyHistogramTest, QuantilesAreExactToTheirBucket) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.Quantile(0.5), absl::ZeroDuration());
  histogram.Add(absl::Milliseconds(1), 99);
  histogram.Add(absl::Milliseconds(100), 1);
  EXPECT_GE(histogram.Quantile(0.5), absl::Microseconds(512));
  EXPECT_LE(histogram.Quantile(0.5), absl::Microseconds(1024));
  EXPECT_GE(histogram.Quantile(1), absl::Milliseconds(65));
  EXPECT_EQ(histogram.total(), 100u);
}

TEST(LatencyHistogramTest, MergesShortAndLongLists) {
  LatencyHistogram histogram;
  const uint32_t few[] = {1, 2};
  histogram.Merge(few);
  const std::vector<uint32_t> many(25, 1);
  histogram.Merge(many);
  EXPECT_EQ(histogram.counts()[0], 2u);
  EXPECT_EQ(histogram.counts()[1], 3u);
  EXPECT_EQ(histogram.counts()[19], 6u);
}

}  // namespace
}  // namespace pointsman::common
