#include "controller/core/unanswered.h"

#include "controller/core/traffic.h"
#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

const MonotonicTime kStart = MonotonicTime::FromMicros(1'000'000'000);

TEST(UnansweredTest, ACleanHistoryNeedsTwoRefusalsOrThreeTimeouts) {
  AnswerHistory history;
  EXPECT_GE(UnansweredNats({2, 0}, history.Shares(kStart)), kUnreachableNats);
  EXPECT_LT(UnansweredNats({1, 0}, history.Shares(kStart)), kUnreachableNats);
  history.AddUnanswered(100'000, {}, kStart);
  EXPECT_GE(UnansweredNats({2, 0}, history.Shares(kStart)), kUnreachableNats);
  EXPECT_GE(UnansweredNats({0, 3}, history.Shares(kStart)), kUnreachableNats);
  EXPECT_LT(UnansweredNats({0, 2}, history.Shares(kStart)), kUnreachableNats);
}

TEST(UnansweredTest, WhereAnswersAreMissedOftenMoreAreNeeded) {
  AnswerHistory history;
  history.AddUnanswered(1000, {20, 50}, kStart);
  const UnansweredShares shares = history.Shares(kStart);
  EXPECT_NEAR(shares.unreachable, 20.1 / 2000, 1e-6);
  EXPECT_NEAR(shares.timeouts, 51.0 / 1200, 1e-6);
  EXPECT_LT(UnansweredNats({3, 0}, shares), kUnreachableNats);
  EXPECT_GE(UnansweredNats({4, 0}, shares), kUnreachableNats);
  EXPECT_LT(UnansweredNats({0, 5}, shares), kUnreachableNats);
  EXPECT_GE(UnansweredNats({0, 6}, shares), kUnreachableNats);
}

TEST(UnansweredTest, HistoryHalvesInFiveMinutes) {
  AnswerHistory history;
  history.AddUnanswered(1000, {100, 0}, kStart);
  history.AddFailures(1000, 200, kStart);
  EXPECT_NEAR(history.Shares(kStart + absl::Minutes(5)).unreachable, 50.1 / 1500, 1e-6);
  EXPECT_EQ(history.Shares(kStart + absl::Hours(10)).unreachable, 1e-4);
  EXPECT_NEAR(history.FailureShare(kStart), 202.0 / 1004, 1e-9);
  EXPECT_NEAR(history.FailureShare(kStart + absl::Minutes(5)), 102.0 / 504, 1e-9);
  EXPECT_EQ(AnswerHistory().FailureShare(kStart), 0.5);
}

}  // namespace
}  // namespace pointsman::controller
