#include "sim/latency_by_rif.h"

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

common::MonotonicTime At(int64_t millis) {
  return common::MonotonicTime::FromMicros(millis * 1000);
}

TEST(LatencyByRifTest, AnswersTheMedianAtTheRif) {
  LatencyByRif latencies;
  EXPECT_EQ(latencies.Estimate(3, At(0)), absl::ZeroDuration());
  for (const int millis : {5, 900, 7}) latencies.Add(3, absl::Milliseconds(millis), At(1));
  latencies.Add(4, absl::Milliseconds(50), At(1));
  EXPECT_EQ(latencies.Estimate(3, At(2)), absl::Milliseconds(7));
  EXPECT_EQ(latencies.Estimate(4, At(2)), absl::Milliseconds(50));
}

TEST(LatencyByRifTest, TakesTheNearestRifThatHasSamples) {
  LatencyByRif latencies;
  latencies.Add(2, absl::Milliseconds(20), At(1));
  latencies.Add(8, absl::Milliseconds(80), At(1));
  EXPECT_EQ(latencies.Estimate(0, At(2)), absl::Milliseconds(20));
  EXPECT_EQ(latencies.Estimate(4, At(2)), absl::Milliseconds(20));
  EXPECT_EQ(latencies.Estimate(5, At(2)), absl::Milliseconds(80)) << "the higher of two as near";
  EXPECT_EQ(latencies.Estimate(5000, At(2)), absl::Milliseconds(80));
}

TEST(LatencyByRifTest, ForgetsTheOldWhereThereIsNewer) {
  LatencyByRif latencies(absl::Milliseconds(100));
  latencies.Add(1, absl::Milliseconds(10), At(0));
  latencies.Add(6, absl::Milliseconds(60), At(500));
  EXPECT_EQ(latencies.Estimate(1, At(550)), absl::Milliseconds(60));
  EXPECT_EQ(latencies.Estimate(1, At(5000)), absl::Milliseconds(10)) << "better than nothing";
  for (size_t i = 0; i < LatencyByRif::kSamples; ++i) {
    latencies.Add(1, absl::Milliseconds(30), At(6000));
  }
  EXPECT_EQ(latencies.Estimate(1, At(6000)), absl::Milliseconds(30));
}

}  // namespace
}  // namespace pointsman::sim
