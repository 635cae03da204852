#include "gateway/core/failing_share.h"

#include <random>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

class FailingShareTest : public ::testing::Test {
 protected:
  void Try(bool failed) { share_ = share_.After(failed, now_); }
  double Share() const { return share_.At(now_) / static_cast<double>(FailingShare::kAll); }

  FailingShare share_;
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
};

TEST_F(FailingShareTest, IsNothingWhileNothingFails) {
  for (int i = 0; i < 10; ++i) Try(false);
  EXPECT_EQ(share_.packed(), 0u);
  EXPECT_EQ(share_.At(now_), 0u);
}

TEST_F(FailingShareTest, OneFailureCountsAnEighthAndSuccessesTakeItAway) {
  Try(true);
  EXPECT_NEAR(Share(), 0.125, 0.001);
  for (int i = 0; i < 5; ++i) Try(false);
  EXPECT_NEAR(Share(), 0.125 * 0.513, 0.001);
  for (int i = 0; i < 40; ++i) Try(false);
  EXPECT_EQ(share_.packed(), 0u) << "what is left of it is forgotten";
}

TEST_F(FailingShareTest, ReachesAllWhenEveryTryFails) {
  for (int i = 0; i < 200; ++i) Try(true);
  EXPECT_EQ(share_.At(now_), FailingShare::kAll);
}

TEST_F(FailingShareTest, FollowsTheShareOfFailures) {
  std::mt19937_64 random(3);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    Try(random() % 10 < 3);
    sum += Share();
  }
  EXPECT_NEAR(sum / 10'000, 0.3, 0.02);
}

TEST_F(FailingShareTest, HalvesInItsHalfLifeWithoutTries) {
  for (int i = 0; i < 200; ++i) Try(true);
  now_ = now_ + FailingShare::kHalfLife / 2;
  EXPECT_NEAR(Share(), 0.75, 0.001) << "straight between two halves";
  now_ = now_ + FailingShare::kHalfLife / 2;
  EXPECT_NEAR(Share(), 0.5, 0.001);
  now_ = now_ + 2 * FailingShare::kHalfLife;
  EXPECT_NEAR(Share(), 0.125, 0.001);
  now_ = now_ + FailingShare::kForgotten;
  EXPECT_EQ(share_.At(now_), 0u);
  Try(false);
  EXPECT_EQ(share_.packed(), 0u);
}

TEST_F(FailingShareTest, ATimeBeforeTheLastTryIsThatTry) {
  Try(true);
  const double then = Share();
  now_ = now_ - absl::Milliseconds(500);
  EXPECT_EQ(Share(), then);
  now_ = common::MonotonicTime();
  EXPECT_EQ(Share(), then);
  Try(true);
  EXPECT_GT(Share(), then);
}

}  // namespace
}  // namespace pointsman::gateway
