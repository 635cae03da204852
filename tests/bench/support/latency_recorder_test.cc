#include "bench/support/latency_recorder.h"

#include <gtest/gtest.h>

namespace pointsman::bench {
namespace {

TEST(LatencyRecorderTest, IsZeroWhenEmpty) {
  const LatencyRecorder recorder;
  EXPECT_EQ(recorder.QuantileMicros(0.99), 0);
  EXPECT_EQ(recorder.max_micros(), 0);
}

TEST(LatencyRecorderTest, NeverReportsTooLowAndAtMostOneBucketTooHigh) {
  for (int64_t value = 1; value < 400'000'000; value = value * 5 / 4 + 1) {
    LatencyRecorder recorder;
    recorder.Add(value);
    recorder.Add(int64_t{1} << 29);  // So that the maximum does not hide the bucket's edge.
    const int64_t reported = recorder.QuantileMicros(0.5);
    EXPECT_GE(reported, value);
    EXPECT_LE(static_cast<double>(reported), static_cast<double>(value) * 1.016 + 1);
  }
}

TEST(LatencyRecorderTest, CountsEverySampleBelowTheQuantile) {
  LatencyRecorder recorder;
  for (int i = 1; i <= 60; ++i) recorder.Add(i);
  EXPECT_EQ(recorder.QuantileMicros(0.5), 30);
  EXPECT_EQ(recorder.QuantileMicros(0), 1);
  EXPECT_EQ(recorder.QuantileMicros(1), 60);
}

TEST(LatencyRecorderTest, KeepsWhatLiesBeyondItsRange) {
  LatencyRecorder recorder;
  recorder.Add(int64_t{1} << 60);
  recorder.Add(-5);
  EXPECT_EQ(recorder.count(), 2u);
  EXPECT_EQ(recorder.max_micros(), int64_t{1} << 60);
}

}  // namespace
}  // namespace pointsman::bench
