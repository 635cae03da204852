#include "gateway/core/retry_budget.h"

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

common::MonotonicTime At(absl::Duration t) { return common::MonotonicTime::FromMicros(1) + t; }

TEST(RetryBudgetTest, QuietServiceMayRetryByTime) {
  RetryBudget budget;
  const RetryBudgetOptions options{.ratio = 0, .min_per_second = 2};
  budget.OnRequest(options, At(absl::ZeroDuration()));
  // It begins as after a quiet time: ten seconds' worth.
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(budget.TryTake(options, At(absl::ZeroDuration())));
  EXPECT_FALSE(budget.TryTake(options, At(absl::ZeroDuration())));
  EXPECT_TRUE(budget.TryTake(options, At(absl::Milliseconds(500))));
  EXPECT_FALSE(budget.TryTake(options, At(absl::Milliseconds(600))));
}

TEST(RetryBudgetTest, TimeTokensStopAtTenSecondsWorth) {
  RetryBudget budget;
  const RetryBudgetOptions options{.ratio = 0, .min_per_second = 3};
  budget.OnRequest(options, At(absl::ZeroDuration()));
  budget.OnRequest(options, At(absl::Hours(1)));
  EXPECT_DOUBLE_EQ(budget.tokens(), 30);
}

TEST(RetryBudgetTest, FailingServiceGetsTheRatioMoreAndNoMore) {
  RetryBudget budget;
  const RetryBudgetOptions options{.ratio = 0.2, .min_per_second = 0};
  int retries = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto now = At(absl::Milliseconds(i));
    budget.OnRequest(options, now);
    if (budget.TryTake(options, now)) ++retries;
  }
  EXPECT_LE(retries, 2000);
  EXPECT_GE(retries, 1900);
}

TEST(RetryBudgetTest, TokensOfRequestsAreNotHoarded) {
  RetryBudget budget;
  const RetryBudgetOptions options{.ratio = 0.2, .min_per_second = 0};
  for (int i = 0; i < 100'000; ++i) budget.OnRequest(options, At(absl::Milliseconds(i)));
  // 200 a second with a half-life of 5 s: 200 * 5 / ln 2.
  EXPECT_NEAR(budget.tokens(), 1443, 20);
}

TEST(RetryBudgetTest, ZeroRatioAndZeroMinimumAllowNothing) {
  RetryBudget budget;
  const RetryBudgetOptions options{.ratio = 0, .min_per_second = 0};
  budget.OnRequest(options, At(absl::ZeroDuration()));
  EXPECT_FALSE(budget.TryTake(options, At(absl::Hours(1))));
}

}  // namespace
}  // namespace pointsman::gateway
