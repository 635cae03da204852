#include "gateway/core/age.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using common::MonotonicTime;

MonotonicTime At(absl::Duration t) { return MonotonicTime::FromMicros(1) + t; }

class AgeTest : public ::testing::Test {
 protected:
  std::mt19937_64 random_{7};
  ConnectionLife life_;
};

TEST_F(AgeTest, IsUpToAFifthLessThanTheMost) {
  absl::Duration least = absl::InfiniteDuration();
  absl::Duration most = absl::ZeroDuration();
  for (int i = 0; i < 10'000; ++i) {
    const absl::Duration age = DrawAge(absl::Seconds(100), random_);
    least = std::min(least, age);
    most = std::max(most, age);
  }
  EXPECT_GE(least, absl::Seconds(80));
  EXPECT_LE(least, absl::Seconds(81));
  EXPECT_GE(most, absl::Seconds(99));
  EXPECT_LE(most, absl::Seconds(100));
}

TEST_F(AgeTest, WithoutOneNothingEnds) {
  EXPECT_EQ(DrawAge(absl::InfiniteDuration(), random_), absl::InfiniteDuration());
  EXPECT_EQ(DrawAge(absl::ZeroDuration(), random_), absl::ZeroDuration());
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_FALSE(life_.OnRequest({}, At(absl::Hours(i)), random_));
    EXPECT_FALSE(life_.IsOver(At(absl::Hours(i))));
  }
  EXPECT_FALSE(life_.limited());
  EXPECT_EQ(life_.ends_at(), MonotonicTime::Infinite());
}

TEST_F(AgeTest, AConnectionTakesSoManyRequests) {
  const ConnectionLimits limits{.requests_max = 3};
  for (int i = 1; i <= 3; ++i) {
    EXPECT_FALSE(life_.IsOver(At(absl::ZeroDuration())));
    EXPECT_FALSE(life_.OnRequest(limits, At(absl::ZeroDuration()), random_));
  }
  EXPECT_TRUE(life_.limited());
  EXPECT_TRUE(life_.IsOver(At(absl::ZeroDuration())));
}

TEST_F(AgeTest, AConnectionsAgeBeginsWithItsFirstRequest) {
  const ConnectionLimits limits{.age_max = absl::Seconds(100)};
  EXPECT_TRUE(life_.OnRequest(limits, At(absl::Hours(1)), random_));
  const MonotonicTime end = life_.ends_at();
  EXPECT_GE(end, At(absl::Hours(1) + absl::Seconds(80)));
  EXPECT_LE(end, At(absl::Hours(1) + absl::Seconds(100)));
  EXPECT_FALSE(life_.OnRequest(limits, At(absl::Hours(1) + absl::Seconds(50)), random_));
  EXPECT_EQ(life_.ends_at(), end);
  EXPECT_FALSE(life_.IsOver(end - absl::Microseconds(1)));
  EXPECT_TRUE(life_.IsOver(end));
}

TEST_F(AgeTest, OtherLimitsHoldFromTheNextRequestOn) {
  EXPECT_FALSE(life_.OnRequest({}, At(absl::ZeroDuration()), random_));
  EXPECT_TRUE(life_.OnRequest({.age_max = absl::Seconds(10)}, At(absl::Hours(1)), random_));
  EXPECT_TRUE(life_.IsOver(At(absl::Hours(1)))) << "it is an hour old";
  EXPECT_TRUE(life_.OnRequest({}, At(absl::Hours(1)), random_));
  EXPECT_FALSE(life_.IsOver(At(absl::Hours(1))));
  EXPECT_FALSE(life_.OnRequest({.requests_max = 2}, At(absl::Hours(1)), random_));
  EXPECT_TRUE(life_.IsOver(At(absl::Hours(1)))) << "it had four";
}

}  // namespace
}  // namespace pointsman::gateway
