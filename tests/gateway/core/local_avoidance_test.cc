#include "gateway/core/local_avoidance.h"

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Verdict = LocalAvoidance::Verdict;

class LocalAvoidanceTest : public ::testing::Test {
 protected:
  absl::Duration Avoided() { return absl::Microseconds(cells_.Totals(ref_).avoided_micros); }
  void Fail(TryOutcome outcome) { avoidance_.OnOutcome(ref_, outcome, now_); }

  EndpointCells cells_{1};
  CellRef ref_ = *cells_.Allocate();
  LocalAvoidance avoidance_{cells_.worker(0)};
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
};

TEST_F(LocalAvoidanceTest, KnownGoodEndpointIsUsed) {
  EXPECT_EQ(avoidance_.Judge(ref_, now_), Verdict::kUse);
  avoidance_.OnOutcome(ref_, TryOutcome::kResponse, now_);
  EXPECT_EQ(avoidance_.entries(), 0u);
}

TEST_F(LocalAvoidanceTest, RefusedEndpointIsAvoidedAtOnceAndProbedByOneAtATime) {
  Fail(TryOutcome::kConnectFailure);
  EXPECT_EQ(avoidance_.Judge(ref_, now_), Verdict::kAvoid);
  now_ = now_ + LocalAvoidance::kFirst;
  EXPECT_EQ(avoidance_.Judge(ref_, now_), Verdict::kProbe);
  avoidance_.OnProbeStarted(ref_, now_);
  EXPECT_EQ(avoidance_.Judge(ref_, now_), Verdict::kAvoid) << "one probe at a time";
  avoidance_.OnOutcome(ref_, TryOutcome::kResponse, now_);
  EXPECT_EQ(avoidance_.Judge(ref_, now_), Verdict::kUse);
  EXPECT_EQ(Avoided(), LocalAvoidance::kFirst);
}

TEST_F(LocalAvoidanceTest, PeriodsDoubleUpToTheLongest) {
  absl::Duration period = LocalAvoidance::kFirst;
  absl::Duration sum;
  for (int i = 0; i < 10; ++i) {
    Fail(TryOutcome::kConnectFailure);
    EXPECT_EQ(avoidance_.Judge(ref_, now_ + period - absl::Microseconds(1)), Verdict::kAvoid);
    EXPECT_EQ(avoidance_.Judge(ref_, now_ + period), Verdict::kProbe);
    now_ = now_ + period;
    sum += period;
    avoidance_.OnProbeStarted(ref_, now_);
    period = std::min(period * 2, LocalAvoidance::kLongest);
  }
  EXPECT_EQ(Avoided(), sum) << "the slow loop learns how long it got no evidence";
}

TEST_F(LocalAvoidanceTest, FailuresAlreadyUnderWayCountOnce) {
  for (int i = 0; i < 50; ++i) Fail(TryOutcome::kConnectFailure);
  EXPECT_EQ(avoidance_.Judge(ref_, now_ + LocalAvoidance::kFirst), Verdict::kProbe);
}

TEST_F(LocalAvoidanceTest, ResetsAndTimeoutsCountAfterThreeInARow) {
  Fail(TryOutcome::kReset);
  Fail(TryOutcome::kTimeout);
  EXPECT_EQ(avoidance_.Judge(ref_, now_), Verdict::kUse);
  avoidance_.OnOutcome(ref_, TryOutcome::kServerError, now_);
  Fail(TryOutcome::kReset);
  Fail(TryOutcome::kReset);
  EXPECT_EQ(avoidance_.Judge(ref_, now_), Verdict::kUse) << "an answer between them starts over";
  Fail(TryOutcome::kTimeout);
  EXPECT_EQ(avoidance_.Judge(ref_, now_), Verdict::kAvoid);
}

TEST_F(LocalAvoidanceTest, AbandonedProbeLeavesTheNextOneToProbe) {
  Fail(TryOutcome::kConnectFailure);
  now_ = now_ + absl::Seconds(1);
  avoidance_.OnProbeStarted(ref_, now_);
  avoidance_.OnOutcome(ref_, TryOutcome::kAbandoned, now_);
  EXPECT_EQ(avoidance_.Judge(ref_, now_), Verdict::kProbe);
}

TEST_F(LocalAvoidanceTest, SlotOfANewOwnerIsNotBlamed) {
  Fail(TryOutcome::kConnectFailure);
  const CellRef next{ref_.index, ref_.generation + 1};
  EXPECT_EQ(avoidance_.Judge(next, now_), Verdict::kUse);
}

TEST_F(LocalAvoidanceTest, SweepForgetsWhatIsQuiet) {
  Fail(TryOutcome::kConnectFailure);
  avoidance_.Sweep(now_ + absl::Seconds(59));
  EXPECT_EQ(avoidance_.entries(), 1u);
  avoidance_.Sweep(now_ + absl::Seconds(61));
  EXPECT_EQ(avoidance_.entries(), 0u);
}

}  // namespace
}  // namespace pointsman::gateway
