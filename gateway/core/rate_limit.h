#pragma once

// Lets through so many requests a second: the generic cell rate algorithm (ITU-T I.371, annex A, in
// its virtual scheduling form). With T = 1 / rate and the time TAT at which the next request would
// be due if all came evenly, a request may begin at s = max(now, TAT - (burst - 1) T), and then TAT
// = max(now, TAT) + T. A request for which s - now is more than may be waited, or than it has time,
// is refused and changes nothing. One value for all workers of a gateway: a limit is exact, and
// costs one shared line for each request of its route. Thread-safe, no allocation.

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "gateway/core/filter.h"

namespace pointsman::gateway {

struct RateLimitOptions {
  double requests_per_second = 1;  // 0.001 to 1,000,000.
  uint32_t burst = 1;              // Requests that may come at once; 1 at least.
  // A request may wait so long for its turn. Never more than kWaitingMax wait.
  absl::Duration max_wait;
};

class RateLimit final : public Filter {
 public:
  static constexpr uint32_t kWaitingMax = 10'000;

  explicit RateLimit(const RateLimitOptions& options);
  FilterVerdict OnRequest(const RouteRequest& request, common::MonotonicTime now,
                          common::MonotonicTime until) const override;
  FilterVerdict Take(common::MonotonicTime now, common::MonotonicTime until) const;

 private:
  // Nanoseconds: a request's share of a microsecond may be less than one.
  const int64_t interval_;
  const int64_t tolerance_;
  const int64_t max_wait_;
  // TAT; long ago before the first request.
  mutable std::atomic<int64_t> due_{INT64_MIN / 2};
};

}  // namespace pointsman::gateway
