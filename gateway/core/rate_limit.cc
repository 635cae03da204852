#include "gateway/core/rate_limit.h"

#include <algorithm>
#include <cmath>

#include "common/core/check.h"

namespace pointsman::gateway {

namespace {

constexpr double kNanos = 1e9;
constexpr int64_t kNanosInMicro = 1000;

}  // namespace

RateLimit::RateLimit(const RateLimitOptions& options)
    : interval_(std::max<int64_t>(1, std::llround(kNanos / options.requests_per_second))),
      tolerance_((options.burst - 1) * interval_),
      max_wait_(
          std::min(absl::ToInt64Nanoseconds(options.max_wait), int64_t{kWaitingMax} * interval_)) {
  PM_CHECK(options.burst >= 1);
}

FilterVerdict RateLimit::OnRequest(const RouteRequest& /*request*/, common::MonotonicTime now,
                                   common::MonotonicTime until) const {
  return Take(now, until);
}

FilterVerdict RateLimit::Take(common::MonotonicTime now, common::MonotonicTime until) const {
  const int64_t at = now.micros() * kNanosInMicro;
  const int64_t may_wait = std::min(max_wait_, absl::ToInt64Nanoseconds(until - now));
  int64_t due = due_.load(std::memory_order_relaxed);
  int64_t wait = 0;
  do {
    wait = std::max<int64_t>(0, due - tolerance_ - at);
    if (wait > may_wait) {
      return {.kind = FilterVerdict::Kind::kLimited,
              .resume_at = now,
              .retry_after = absl::Nanoseconds(wait)};
    }
  } while (
      !due_.compare_exchange_weak(due, std::max(at, due) + interval_, std::memory_order_relaxed));
  if (wait == 0) return {};
  const absl::Duration rounded_up = absl::Microseconds((wait + kNanosInMicro - 1) / kNanosInMicro);
  return {.kind = FilterVerdict::Kind::kSuspend, .resume_at = now + rounded_up, .retry_after = {}};
}

}  // namespace pointsman::gateway
