#include "agent/core/restart_policy.h"

#include <random>

#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

using common::MonotonicTime;
using Act = RestartPolicy::Act;
using State = RestartPolicy::State;

MonotonicTime At(double seconds) {
  return MonotonicTime::FromMicros(static_cast<int64_t>(seconds * 1e6));
}

RestartView Gone(bool connected) {
  RestartView view;
  view.allowed = true;
  view.gone = true;
  view.connected = connected;
  view.alone_for = connected ? absl::ZeroDuration() : absl::Hours(1);
  return view;
}

RestartView Good(bool connected) {
  RestartView view = Gone(connected);
  view.gone = false;
  view.good = true;
  return view;
}

class RestartPolicyTest : public testing::Test {
 protected:
  Act Decide(const RestartView& view, double seconds) {
    return policy_.Decide(view, 77, budget_, At(seconds));
  }

  std::mt19937_64 random_{1};
  RestartBudget budget_;
  RestartPolicy policy_;
};

TEST_F(RestartPolicyTest, AsksThenStartsThenFinishesWhenChecksPass) {
  EXPECT_EQ(Decide(Gone(true), 1), Act::kAsk);
  EXPECT_EQ(policy_.request_id(), 77u);
  EXPECT_EQ(policy_.cause(), "process gone");
  EXPECT_EQ(Decide(Gone(true), 2), Act::kNone);
  policy_.OnGranted(77, absl::Seconds(60), At(3));
  EXPECT_TRUE(policy_.Leased(At(3)));
  EXPECT_EQ(Decide(Gone(true), 3), Act::kStart);
  EXPECT_EQ(Decide(Gone(true), 4), Act::kNone);
  policy_.OnDone(true, "", At(5));
  EXPECT_EQ(Decide(Gone(true), 6), Act::kNone);  // Settling.
  EXPECT_EQ(Decide(Good(true), 7), Act::kFinish);
  EXPECT_TRUE(policy_.succeeded());
  EXPECT_TRUE(policy_.OwesResult());
  policy_.Close(random_, At(7));
  EXPECT_EQ(policy_.state(), State::kIdle);
  EXPECT_FALSE(policy_.Leased(At(7)));
}

TEST_F(RestartPolicyTest, AFailingCheckWaitsAProcessGoneDoesNot) {
  RestartView view = Good(true);
  view.good = false;
  view.failing = true;
  view.failing_for = absl::Seconds(4);
  EXPECT_EQ(Decide(view, 10), Act::kNone);
  view.failing_for = absl::Seconds(5);
  EXPECT_EQ(Decide(view, 11), Act::kAsk);
}

TEST_F(RestartPolicyTest, DoesNothingWhereItMayNot) {
  RestartView view = Gone(true);
  view.allowed = false;
  EXPECT_EQ(Decide(view, 10), Act::kNone);
}

TEST_F(RestartPolicyTest, RefusalWaitsAtLeastAsLongAsTold) {
  EXPECT_EQ(Decide(Gone(true), 1), Act::kAsk);
  policy_.OnRefused(77, absl::Seconds(10), At(1));
  EXPECT_EQ(Decide(Gone(true), 10.9), Act::kNone);
  EXPECT_EQ(Decide(Gone(true), 11), Act::kAsk);
}

TEST_F(RestartPolicyTest, AsksAgainWhenNoAnswerComes) {
  EXPECT_EQ(Decide(Gone(true), 1), Act::kAsk);
  EXPECT_EQ(Decide(Gone(true), 10.9), Act::kNone);
  EXPECT_EQ(Decide(Gone(true), 11), Act::kNone);
  EXPECT_EQ(policy_.state(), State::kIdle);
  EXPECT_EQ(Decide(Gone(true), 11.1), Act::kAsk);
}

TEST_F(RestartPolicyTest, AGrantForAnotherRequestIsNotTaken) {
  EXPECT_EQ(Decide(Gone(true), 1), Act::kAsk);
  policy_.OnGranted(78, absl::Seconds(60), At(1));
  EXPECT_EQ(policy_.state(), State::kAsked);
}

TEST_F(RestartPolicyTest, AnEndedLeaseStartsNothing) {
  EXPECT_EQ(Decide(Gone(true), 1), Act::kAsk);
  policy_.OnGranted(77, absl::Seconds(5), At(1));
  EXPECT_EQ(Decide(Gone(true), 6), Act::kFinish);
  EXPECT_FALSE(policy_.succeeded());
}

TEST_F(RestartPolicyTest, WithoutAControllerTheBudgetIsStricter) {
  const RestartLimits limits;
  double now = 10;
  int starts = 0;
  for (int i = 0; i < 1000; ++i, now += 0.5) {
    if (Decide(Gone(false), now) != Act::kStart) continue;
    ++starts;
    policy_.OnDone(false, "exit status 1", At(now));
    EXPECT_EQ(Decide(Gone(false), now), Act::kFinish);
    policy_.Close(random_, At(now));
  }
  EXPECT_EQ(starts, limits.budget_alone);
  // The controller's budget is larger, and what was done alone counts in it.
  EXPECT_EQ(Decide(Gone(true), now), Act::kAsk);
  // The window ends.
  policy_.OnRefused(77, absl::ZeroDuration(), At(now));
  EXPECT_EQ(Decide(Gone(false), now + 700), Act::kStart);
}

TEST_F(RestartPolicyTest, AShortLossOfTheControllerIsWaitedFor) {
  RestartView view = Gone(false);
  view.alone_for = absl::Seconds(4);
  EXPECT_EQ(Decide(view, 1), Act::kNone);
  view.alone_for = absl::Seconds(5);
  EXPECT_EQ(Decide(view, 2), Act::kStart);
}

TEST_F(RestartPolicyTest, BacksOffBetweenRestartsAndForgetsAfterACalmTime) {
  for (int i = 0; i < 3; ++i) {
    RestartPolicy::Saved saved = policy_.Save();
    EXPECT_EQ(saved.tries, static_cast<uint32_t>(i));
    const double now = 1000.0 * (i + 1);
    EXPECT_EQ(Decide(Gone(false), now), Act::kStart);
    policy_.OnDone(true, "", At(now));
    EXPECT_EQ(Decide(Good(false), now), Act::kFinish);
    policy_.Close(random_, At(now));
    EXPECT_EQ(Decide(Gone(false), now + 0.1), Act::kNone);
  }
  EXPECT_EQ(Decide(Good(false), 4000), Act::kNone);
  EXPECT_EQ(Decide(Good(false), 4300), Act::kNone);
  EXPECT_EQ(policy_.Save().tries, 0u);
}

TEST_F(RestartPolicyTest, SettlingEndsInFailureWhenChecksStayBad) {
  EXPECT_EQ(Decide(Gone(false), 10), Act::kStart);
  policy_.OnDone(true, "", At(11));
  EXPECT_EQ(Decide(Gone(false), 30), Act::kNone);
  EXPECT_EQ(Decide(Gone(false), 31), Act::kFinish);
  EXPECT_FALSE(policy_.succeeded());
  EXPECT_EQ(policy_.detail(), "the process is gone again");
}

TEST_F(RestartPolicyTest, AHeldLeaseSurvivesTheAgent) {
  EXPECT_EQ(Decide(Gone(true), 1), Act::kAsk);
  policy_.OnGranted(77, absl::Seconds(60), At(1));
  EXPECT_EQ(Decide(Gone(true), 1), Act::kStart);
  RestartPolicy next;
  next.Restore(policy_.Save(), At(20));
  EXPECT_TRUE(next.Leased(At(20)));
  EXPECT_EQ(next.LeaseLeft(At(20)), absl::Seconds(41));
  EXPECT_EQ(next.Decide(Good(true), 80, budget_, At(21)), Act::kFinish);
  EXPECT_EQ(next.request_id(), 77u);
}

TEST_F(RestartPolicyTest, DisconnectionDropsAnOpenQuestionAndKeepsAGrant) {
  EXPECT_EQ(Decide(Gone(true), 1), Act::kAsk);
  policy_.OnDisconnected();
  EXPECT_EQ(policy_.state(), State::kIdle);
  EXPECT_EQ(Decide(Gone(true), 2), Act::kAsk);
  policy_.OnGranted(77, absl::Seconds(60), At(2));
  policy_.OnDisconnected();
  EXPECT_EQ(policy_.state(), State::kGranted);
}

}  // namespace
}  // namespace pointsman::agent
