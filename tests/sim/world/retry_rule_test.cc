#include "sim/world/retry_rule.h"

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

MonotonicTime At(int64_t milliseconds) { return MonotonicTime::FromMicros(milliseconds * 1000); }

gateway::ServicePolicy Policy() {
  gateway::ServicePolicy policy;
  policy.connect_timeout = absl::Milliseconds(100);
  policy.first_byte_timeout = absl::Milliseconds(1000);
  policy.request_timeout = absl::Milliseconds(5000);
  policy.per_try_timeout = absl::Milliseconds(200);
  policy.max_retries = 2;
  return policy;
}

TryState Awaiting() {
  TryState state;
  state.phase = TryPhase::kAwaiting;
  state.request_started = At(0);
  state.phase_started = state.sent = At(50);
  return state;
}

TEST(RetryRuleTest, AConnectionHasItsOwnTime) {
  TryState state;
  state.request_started = At(0);
  state.phase_started = At(40);
  const TryDeadline deadline = NextDeadline(state, Policy());
  EXPECT_EQ(deadline.at, At(140));
  EXPECT_EQ(deadline.why, TryEnd::kConnectTimeout);
  EXPECT_EQ(OutcomeOf(deadline.why), gateway::TryOutcome::kConnectTimeout);
}

TEST(RetryRuleTest, ATryIsTooSlowOnlyWhileAnotherIsLeft) {
  TryState state = Awaiting();
  EXPECT_EQ(NextDeadline(state, Policy()).at, At(250));
  EXPECT_EQ(NextDeadline(state, Policy()).why, TryEnd::kTooSlow);
  state.per_try_waived = true;
  EXPECT_EQ(NextDeadline(state, Policy()).at, At(1050));
  EXPECT_EQ(NextDeadline(state, Policy()).why, TryEnd::kFirstByteTimeout);
  state.per_try_waived = false;
  state.retries = 2;
  EXPECT_EQ(NextDeadline(state, Policy()).why, TryEnd::kFirstByteTimeout);
  EXPECT_EQ(OutcomeOf(TryEnd::kFirstByteTimeout), gateway::TryOutcome::kTimeout);
}

TEST(RetryRuleTest, TheWholeRequestEndsWhateverIsLeft) {
  TryState state = Awaiting();
  state.phase_started = state.sent = At(4950);
  EXPECT_EQ(NextDeadline(state, Policy()).at, At(5000));
  EXPECT_EQ(NextDeadline(state, Policy()).why, TryEnd::kRequestTimeout);
}

TEST(RetryRuleTest, WithoutLimitsNothingEndsIt) {
  gateway::ServicePolicy policy = Policy();
  policy.request_timeout = policy.per_try_timeout = absl::InfiniteDuration();
  TryState state = Awaiting();
  EXPECT_EQ(NextDeadline(state, policy).why, TryEnd::kFirstByteTimeout);
}

TEST(RetryRuleTest, CountsRetries) {
  TryState state;
  EXPECT_TRUE(RetryLeft(state, Policy()));
  state.retries = 2;
  EXPECT_FALSE(RetryLeft(state, Policy()));
}

}  // namespace
}  // namespace pointsman::sim
