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

TEST_F(LocalAvoidanceTest, CountsTheShareThatFails) {
  const auto failing = [&] { return cells_.worker(0).Failing(ref_, now_); };
  for (const TryOutcome silent : {TryOutcome::kAbandoned, TryOutcome::kDeadline}) Fail(silent);
  EXPECT_EQ(failing(), 0u) << "they say nothing of the endpoint";
  uint32_t before = 0;
  for (const TryOutcome outcome :
       {TryOutcome::kServerError, TryOutcome::kReset, TryOutcome::kTimeout,
        TryOutcome::kConnectFailure, TryOutcome::kConnectTimeout}) {
    Fail(outcome);
    EXPECT_GT(failing(), before);
    before = failing();
  }
  avoidance_.OnOutcome(ref_, TryOutcome::kResponse, now_);
  EXPECT_LT(failing(), before);
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

class RetryAfterTest : public LocalAvoidanceTest {
 protected:
  // The endpoint answers 503 and asks for `wait`.
  void Ask(absl::Duration wait) {
    Answer(TryOutcome::kServerError);
    avoidance_.OnRetryAfter(ref_, wait, now_);
  }
  void Answer(TryOutcome outcome) { avoidance_.OnOutcome(ref_, outcome, now_); }
  void Pass(absl::Duration time) { now_ = now_ + time; }
  Verdict Judge() { return avoidance_.Judge(ref_, now_); }
};

constexpr absl::Duration kMicro = absl::Microseconds(1);

TEST_F(RetryAfterTest, AnEndpointThatAsksIsLeftAloneForSoLong) {
  Ask(absl::Seconds(5));
  EXPECT_EQ(Judge(), Verdict::kAvoid);
  Pass(absl::Seconds(5) - kMicro);
  EXPECT_EQ(Judge(), Verdict::kAvoid);
  Pass(kMicro);
  EXPECT_EQ(Judge(), Verdict::kProbe);
  EXPECT_EQ(Avoided(), absl::Seconds(5));
}

TEST_F(RetryAfterTest, AnswersToEarlierRequestsDoNotEndIt) {
  Ask(absl::Seconds(5));
  for (const TryOutcome outcome :
       {TryOutcome::kResponse, TryOutcome::kServerError, TryOutcome::kAbandoned}) {
    Pass(absl::Seconds(1));
    Answer(outcome);
    EXPECT_EQ(Judge(), Verdict::kAvoid);
  }
  Pass(absl::Seconds(2) - kMicro);
  Answer(TryOutcome::kResponse);
  EXPECT_EQ(Judge(), Verdict::kAvoid);
  Pass(kMicro);
  EXPECT_EQ(Judge(), Verdict::kProbe);
  Answer(TryOutcome::kResponse);
  EXPECT_EQ(Judge(), Verdict::kUse) << "an answer when the time is over does";
  EXPECT_EQ(Avoided(), absl::Seconds(5));
}

TEST_F(RetryAfterTest, FailuresOfEarlierRequestsDoNotChangeIt) {
  Ask(absl::Seconds(5));
  for (const TryOutcome outcome :
       {TryOutcome::kConnectFailure, TryOutcome::kReset, TryOutcome::kReset, TryOutcome::kReset}) {
    Pass(absl::Seconds(1));
    Answer(outcome);
    EXPECT_EQ(Judge(), Verdict::kAvoid);
  }
  Pass(absl::Seconds(1));
  EXPECT_EQ(Judge(), Verdict::kProbe);
  EXPECT_EQ(Avoided(), absl::Seconds(5));
}

TEST_F(RetryAfterTest, NobodyIsLeftAloneForLonger) {
  Ask(absl::Hours(1));
  Pass(LocalAvoidance::kRetryAfterMax - kMicro);
  EXPECT_EQ(Judge(), Verdict::kAvoid);
  Pass(kMicro);
  EXPECT_EQ(Judge(), Verdict::kProbe);
  EXPECT_EQ(Avoided(), absl::Seconds(30));
  Ask(absl::InfiniteDuration());
  EXPECT_EQ(Avoided(), absl::Seconds(60));
}

TEST_F(RetryAfterTest, NoTimeAtAllIsNotRemembered) {
  Ask(absl::ZeroDuration());
  Ask(absl::Seconds(-5));
  Ask(-absl::InfiniteDuration());
  EXPECT_EQ(Judge(), Verdict::kUse);
  EXPECT_EQ(avoidance_.entries(), 0u);
  EXPECT_EQ(Avoided(), absl::ZeroDuration());
}

TEST_F(RetryAfterTest, ThenOneProbeAtATimeTells) {
  Ask(absl::Seconds(5));
  Pass(absl::Seconds(5));
  avoidance_.OnProbeStarted(ref_, now_);
  EXPECT_EQ(Judge(), Verdict::kAvoid) << "one probe at a time";
  Answer(TryOutcome::kAbandoned);
  EXPECT_EQ(Judge(), Verdict::kProbe);
  avoidance_.OnProbeStarted(ref_, now_);
  Answer(TryOutcome::kResponse);
  EXPECT_EQ(Judge(), Verdict::kUse);
  EXPECT_EQ(avoidance_.entries(), 0u);
}

TEST_F(RetryAfterTest, AProbeThatFailsBeginsAPeriodAsAfterAnyFailure) {
  Ask(absl::Seconds(5));
  Pass(absl::Seconds(5));
  avoidance_.OnProbeStarted(ref_, now_);
  Fail(TryOutcome::kReset);
  EXPECT_EQ(Judge(), Verdict::kAvoid);
  EXPECT_EQ(Avoided(), absl::Seconds(5) + LocalAvoidance::kFirst);
  Answer(TryOutcome::kResponse);
  EXPECT_EQ(Judge(), Verdict::kUse) << "the endpoint asked for nothing more";
}

TEST_F(RetryAfterTest, AProbeMayBeAskedToComeAgain) {
  Ask(absl::Seconds(5));
  Pass(absl::Seconds(5));
  avoidance_.OnProbeStarted(ref_, now_);
  Ask(absl::Seconds(2));
  EXPECT_EQ(Judge(), Verdict::kAvoid);
  Pass(absl::Seconds(2));
  EXPECT_EQ(Judge(), Verdict::kProbe) << "that probe is over";
  EXPECT_EQ(Avoided(), absl::Seconds(7));
}

TEST_F(RetryAfterTest, AvoidedTimeIsNotCountedTwice) {
  Ask(absl::Seconds(5));
  Pass(absl::Seconds(2));
  Ask(absl::Seconds(5));
  EXPECT_EQ(Avoided(), absl::Seconds(7)) << "until 5 s, then until 7 s";
  Pass(absl::Seconds(1));
  Ask(absl::Seconds(1));
  EXPECT_EQ(Avoided(), absl::Seconds(7)) << "it is left alone for longer already";
  Ask(absl::Seconds(4));
  EXPECT_EQ(Avoided(), absl::Seconds(7)) << "for as long";
  Pass(absl::Seconds(4) - kMicro);
  EXPECT_EQ(Judge(), Verdict::kAvoid);
  Pass(kMicro);
  EXPECT_EQ(Judge(), Verdict::kProbe);
  Pass(absl::Seconds(10));
  Ask(absl::Seconds(3));
  EXPECT_EQ(Avoided(), absl::Seconds(10)) << "nothing overlaps";
  Pass(absl::Seconds(10));
  Answer(TryOutcome::kAbandoned);
  avoidance_.OnRetryAfter(ref_, absl::Seconds(2), now_);
  EXPECT_EQ(Avoided(), absl::Seconds(12)) << "nor with what is over but not forgotten";
}

TEST_F(RetryAfterTest, APeriodAfterAFailureIsPartOfIt) {
  Fail(TryOutcome::kConnectFailure);
  ASSERT_EQ(Avoided(), LocalAvoidance::kFirst);
  avoidance_.OnRetryAfter(ref_, absl::Seconds(1), now_);
  EXPECT_EQ(Avoided(), absl::Seconds(1));
  Pass(absl::Milliseconds(500));
  Answer(TryOutcome::kResponse);
  EXPECT_EQ(Judge(), Verdict::kAvoid);
  Pass(absl::Milliseconds(500));
  EXPECT_EQ(Judge(), Verdict::kProbe);
}

TEST_F(RetryAfterTest, SlotOfANewOwnerIsNotBlamed) {
  Ask(absl::Seconds(5));
  const CellRef next{ref_.index, ref_.generation + 1};
  EXPECT_EQ(avoidance_.Judge(next, now_), Verdict::kUse);
  avoidance_.OnOutcome(next, TryOutcome::kResponse, now_);
  EXPECT_EQ(Judge(), Verdict::kAvoid) << "the answer was another's";
}

TEST_F(RetryAfterTest, SweepKeepsItUntilItIsOver) {
  Ask(absl::Seconds(30));
  avoidance_.Sweep(now_ + absl::Seconds(30));
  EXPECT_EQ(avoidance_.entries(), 1u);
  avoidance_.Sweep(now_ + absl::Seconds(61));
  EXPECT_EQ(avoidance_.entries(), 0u);
}

class OutlierAvoidanceTest : public LocalAvoidanceTest {
 protected:
  void Find(Outlier outlier) { avoidance_.OnOutlier(ref_, outlier, now_); }
  void Answer(TryOutcome outcome) { avoidance_.OnOutcome(ref_, outcome, now_); }
  void Pass(absl::Duration time) { now_ = now_ + time; }
  Verdict Judge() { return avoidance_.Judge(ref_, now_); }
  // Avoided until `period` is over, and then probed.
  void ExpectPeriod(absl::Duration period) {
    Pass(period - kMicro);
    EXPECT_EQ(Judge(), Verdict::kAvoid);
    Pass(kMicro);
    EXPECT_EQ(Judge(), Verdict::kProbe);
  }
  void Probe(TryOutcome outcome) {
    avoidance_.OnProbeStarted(ref_, now_);
    Answer(outcome);
  }
};

TEST_F(OutlierAvoidanceTest, ItIsAvoidedForASecondAndThenProbed) {
  Find(Outlier::kSlow);
  EXPECT_TRUE(avoidance_.WasOutlier(ref_));
  ExpectPeriod(absl::Seconds(1));
  Probe(TryOutcome::kResponse);
  EXPECT_EQ(Judge(), Verdict::kUse);
  EXPECT_EQ(Avoided(), absl::Seconds(1));
}

TEST_F(OutlierAvoidanceTest, AnswersToEarlierRequestsDoNotEndIt) {
  Find(Outlier::kFailing);
  for (const TryOutcome outcome : {TryOutcome::kResponse, TryOutcome::kServerError,
                                   TryOutcome::kAbandoned, TryOutcome::kReset}) {
    Pass(absl::Milliseconds(100));
    Answer(outcome);
    EXPECT_EQ(Judge(), Verdict::kAvoid);
  }
  ExpectPeriod(absl::Milliseconds(600));
  EXPECT_EQ(Avoided(), absl::Seconds(1));
}

TEST_F(OutlierAvoidanceTest, PeriodsDoubleWhenItIsSoonFoundAgain) {
  absl::Duration period = LocalAvoidance::kOutlierFirst;
  for (int i = 0; i < 8; ++i) {
    Find(Outlier::kSlow);
    ExpectPeriod(period);
    Probe(TryOutcome::kResponse);
    EXPECT_EQ(Judge(), Verdict::kUse);
    Pass(absl::Seconds(50));
    Answer(TryOutcome::kResponse);
    avoidance_.Sweep(now_);
    period = std::min(2 * period, LocalAvoidance::kOutlierLongest);
  }
}

TEST_F(OutlierAvoidanceTest, AMinuteAfterItsReturnItIsForgotten) {
  Find(Outlier::kSlow);
  Pass(absl::Seconds(1));
  Probe(TryOutcome::kResponse);
  Pass(absl::Seconds(60));
  avoidance_.Sweep(now_);
  EXPECT_TRUE(avoidance_.WasOutlier(ref_));
  Pass(kMicro);
  avoidance_.Sweep(now_);
  EXPECT_FALSE(avoidance_.WasOutlier(ref_));
  EXPECT_EQ(avoidance_.entries(), 0u);
}

TEST_F(OutlierAvoidanceTest, OneThatFailedReturnsByAnAnswerThatIsNoFailure) {
  Find(Outlier::kFailing);
  ExpectPeriod(absl::Seconds(1));
  Answer(TryOutcome::kServerError);
  EXPECT_EQ(Judge(), Verdict::kProbe) << "that was no probe";
  Probe(TryOutcome::kServerError);
  ExpectPeriod(absl::Seconds(2));
  Probe(TryOutcome::kReset);
  ExpectPeriod(absl::Seconds(4));
  Probe(TryOutcome::kAbandoned);
  EXPECT_EQ(Judge(), Verdict::kProbe);
  Probe(TryOutcome::kResponse);
  EXPECT_EQ(Judge(), Verdict::kUse);
  EXPECT_EQ(Avoided(), absl::Seconds(7));
}

TEST_F(OutlierAvoidanceTest, ASlowOneReturnsByAnyAnswer) {
  Find(Outlier::kSlow);
  ExpectPeriod(absl::Seconds(1));
  Probe(TryOutcome::kServerError);
  EXPECT_EQ(Judge(), Verdict::kUse);
}

TEST_F(OutlierAvoidanceTest, WhatItDoesAfterItsReturnCountsAsEver) {
  Find(Outlier::kSlow);
  Pass(absl::Seconds(1));
  Probe(TryOutcome::kResponse);
  Fail(TryOutcome::kReset);
  Fail(TryOutcome::kReset);
  EXPECT_EQ(Judge(), Verdict::kUse);
  Fail(TryOutcome::kReset);
  ExpectPeriod(LocalAvoidance::kFirst);
  Answer(TryOutcome::kResponse);
  EXPECT_EQ(Judge(), Verdict::kUse);
  EXPECT_TRUE(avoidance_.WasOutlier(ref_));
}

TEST_F(OutlierAvoidanceTest, ItMayAskToBeLeftAloneForLonger) {
  Find(Outlier::kFailing);
  avoidance_.OnRetryAfter(ref_, absl::Milliseconds(500), now_);
  EXPECT_EQ(Avoided(), absl::Seconds(1)) << "less than that changes nothing";
  avoidance_.OnRetryAfter(ref_, absl::Seconds(3), now_);
  EXPECT_EQ(Avoided(), absl::Seconds(3));
  ExpectPeriod(absl::Seconds(3));
}

TEST_F(OutlierAvoidanceTest, SlotOfANewOwnerIsNotBlamed) {
  Find(Outlier::kSlow);
  const CellRef next{ref_.index, ref_.generation + 1};
  EXPECT_EQ(avoidance_.Judge(next, now_), Verdict::kUse);
  EXPECT_FALSE(avoidance_.WasOutlier(next));
}

TEST_F(LocalAvoidanceTest, ShowsWhyItIsAvoided) {
  const auto shown = [&] { return cells_.Avoided(ref_).reason; };
  const auto let_probe = [&](TryOutcome outcome) {
    now_ = now_ + LocalAvoidance::kOutlierLongest;
    ASSERT_EQ(avoidance_.Judge(ref_, now_), Verdict::kProbe);
    avoidance_.OnProbeStarted(ref_, now_);
    Fail(outcome);
  };
  Fail(TryOutcome::kReset);
  EXPECT_EQ(shown(), AvoidedFor::kNothing) << "not yet";
  Fail(TryOutcome::kConnectFailure);
  EXPECT_EQ(shown(), AvoidedFor::kNoAnswer);
  EXPECT_EQ(cells_.Avoided(ref_).workers, 1u);
  let_probe(TryOutcome::kTimeout);
  EXPECT_EQ(shown(), AvoidedFor::kNoAnswer);
  let_probe(TryOutcome::kResponse);
  EXPECT_EQ(shown(), AvoidedFor::kNothing);
  EXPECT_EQ(cells_.Avoided(ref_).workers, 0u);
  avoidance_.OnRetryAfter(ref_, absl::Seconds(1), now_);
  EXPECT_EQ(shown(), AvoidedFor::kAsked);
  let_probe(TryOutcome::kResponse);
  avoidance_.OnOutlier(ref_, Outlier::kSlow, now_);
  EXPECT_EQ(shown(), AvoidedFor::kSlow);
  let_probe(TryOutcome::kResponse);
  avoidance_.OnOutlier(ref_, Outlier::kFailing, now_);
  let_probe(TryOutcome::kServerError);
  EXPECT_EQ(shown(), AvoidedFor::kFailing) << "a probe that fails likewise";
  EXPECT_GT(cells_.AvoidanceChanges(), 0u);
}

TEST_F(LocalAvoidanceTest, WhatIsForgottenIsShownAsUsed) {
  Fail(TryOutcome::kConnectFailure);
  const uint64_t changes = cells_.AvoidanceChanges();
  avoidance_.Sweep(now_ + absl::Minutes(2));
  EXPECT_EQ(cells_.Avoided(ref_).workers, 0u);
  EXPECT_EQ(cells_.AvoidanceChanges(), changes + 1);
}

TEST_F(LocalAvoidanceTest, ASlotThatIsAnothersBeginsAsUsed) {
  Fail(TryOutcome::kConnectFailure);
  cells_.Retire(ref_);
  ASSERT_EQ(cells_.Recycle(), 1u);
  const CellRef next = *cells_.Allocate();
  ASSERT_EQ(next.index, ref_.index);
  EXPECT_EQ(cells_.Avoided(next).workers, 0u);
}

}  // namespace
}  // namespace pointsman::gateway
