#include "gateway/core/rate_limit.h"

#include <array>
#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using common::MonotonicTime;
using Kind = FilterVerdict::Kind;

MonotonicTime At(double seconds) {
  return MonotonicTime::FromMicros(static_cast<int64_t>(seconds * 1e6));
}

constexpr MonotonicTime kLater = MonotonicTime::Infinite();

int LetThrough(const RateLimit& limit, MonotonicTime now, int requests) {
  int count = 0;
  for (int i = 0; i < requests; ++i)
    count += limit.Take(now, kLater).kind == Kind::kContinue ? 1 : 0;
  return count;
}

TEST(RateLimitTest, ABurstThenTheRate) {
  const RateLimit limit({.requests_per_second = 10, .burst = 5, .max_wait = {}});
  EXPECT_EQ(LetThrough(limit, At(100), 20), 5);
  EXPECT_EQ(LetThrough(limit, At(100.099), 20), 0);
  EXPECT_EQ(LetThrough(limit, At(100.1), 20), 1);
  EXPECT_EQ(LetThrough(limit, At(100.4), 20), 3);
  EXPECT_EQ(LetThrough(limit, At(1000), 20), 5) << "no more than the burst is hoarded";
}

TEST(RateLimitTest, HoldsItsRateOverTime) {
  const RateLimit limit({.requests_per_second = 333, .burst = 1, .max_wait = {}});
  int through = 0;
  // Ten times as many as it takes, for 10 s.
  for (int i = 0; i < 33'300; ++i) through += LetThrough(limit, At(5 + i / 3330.0), 1);
  EXPECT_NEAR(through, 3330, 3330 * 0.1) << "a request is late by at most one of the offered";
  EXPECT_LE(through, 3331);
}

TEST(RateLimitTest, SaysWhenToAskAgain) {
  const RateLimit limit({.requests_per_second = 0.5, .burst = 2, .max_wait = {}});
  EXPECT_EQ(LetThrough(limit, At(10), 2), 2);
  const FilterVerdict refused = limit.Take(At(10.5), kLater);
  EXPECT_EQ(refused.kind, Kind::kLimited);
  EXPECT_EQ(refused.retry_after, absl::Milliseconds(1500));
  EXPECT_EQ(LetThrough(limit, At(11.999), 1), 0) << "a refusal changes nothing";
  EXPECT_EQ(LetThrough(limit, At(12), 1), 1);
}

TEST(RateLimitTest, ThoseThatMayWaitBeginEvenlyAndInOrder) {
  const RateLimit limit(
      {.requests_per_second = 100, .burst = 1, .max_wait = absl::Milliseconds(50)});
  EXPECT_EQ(limit.Take(At(1), kLater).kind, Kind::kContinue);
  for (int i = 1; i <= 5; ++i) {
    const FilterVerdict verdict = limit.Take(At(1), kLater);
    ASSERT_EQ(verdict.kind, Kind::kSuspend);
    EXPECT_EQ(verdict.resume_at, At(1) + absl::Milliseconds(10) * i);
  }
  const FilterVerdict refused = limit.Take(At(1), kLater);
  EXPECT_EQ(refused.kind, Kind::kLimited);
  EXPECT_EQ(refused.retry_after, absl::Milliseconds(60));
}

TEST(RateLimitTest, WhoHasNoTimeToWaitTakesNoTurn) {
  const RateLimit limit({.requests_per_second = 10, .burst = 1, .max_wait = absl::Seconds(5)});
  EXPECT_EQ(limit.Take(At(1), kLater).kind, Kind::kContinue);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(limit.Take(At(1), At(1.05)).kind, Kind::kLimited);
  const FilterVerdict verdict = limit.Take(At(1), At(1.1));
  ASSERT_EQ(verdict.kind, Kind::kSuspend);
  EXPECT_EQ(verdict.resume_at, At(1.1));
}

TEST(RateLimitTest, NoMoreWaitThanMayWait) {
  const RateLimit limit({.requests_per_second = 1e6, .burst = 1, .max_wait = absl::Seconds(30)});
  int waiting = 0;
  for (int i = 0; i < 20'000; ++i)
    waiting += limit.Take(At(1), kLater).kind == Kind::kSuspend ? 1 : 0;
  EXPECT_EQ(waiting, static_cast<int>(RateLimit::kWaitingMax));
}

TEST(RateLimitTest, ExtremesDoNotOverflow) {
  const RateLimit slow(
      {.requests_per_second = 0.001, .burst = 1'000'000, .max_wait = absl::Seconds(30)});
  EXPECT_EQ(LetThrough(slow, At(0), 3), 3);
  EXPECT_EQ(LetThrough(slow, At(1e9), 3), 3);
}

// Run under the thread sanitizer too.
TEST(RateLimitTest, ThreadsShareOneLimit) {
  const RateLimit limit({.requests_per_second = 1, .burst = 1000, .max_wait = {}});
  std::atomic<int> through{0};
  const auto work = [&] { through += LetThrough(limit, At(1), 2000); };
  std::array<std::thread, 3> threads = {std::thread(work), std::thread(work), std::thread(work)};
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(through, 1000);
}

}  // namespace
}  // namespace pointsman::gateway
