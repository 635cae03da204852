#pragma once

// Which finished requests are worth a line: a share of those that went well, and all that failed,
// up to a bound a second. Pure; thread-compatible; one for each worker.

#include <cstdint>

#include "common/core/time.h"
#include "gateway/proxy/options.h"

namespace pointsman::gateway {

class AccessSampler {
 public:
  enum class Verdict : uint8_t { kWrite, kSkip, kOverLimit };

  // `share` of successes from 0 to 1.
  AccessSampler(double share, uint32_t failures_per_second_max)
      : threshold_(static_cast<uint64_t>(share * 4294967296.0)),
        failures_max_(failures_per_second_max) {}

  // `random`: 32 bits of chance.
  Verdict Decide(const RequestRecord& record, uint32_t random) {
    if (!Failed(record)) return random < threshold_ ? Verdict::kWrite : Verdict::kSkip;
    if (record.ended >= window_end_) {
      window_end_ = record.ended + absl::Seconds(1);
      failures_ = 0;
    }
    return ++failures_ <= failures_max_ ? Verdict::kWrite : Verdict::kOverLimit;
  }

  // The gateway ended it, or the endpoint or its application says that it failed. An endpoint's
  // 4xx is its answer.
  static bool Failed(const RequestRecord& record) {
    // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS.
    constexpr uint32_t kGrpcFailures = 1U << 2 | 1U << 4 | 1U << 13 | 1U << 14 | 1U << 15;
    if (record.reason != Reason::kNone || record.status == 0 || record.status >= 500) return true;
    return record.grpc_status >= 0 && record.grpc_status < 32 &&
           (kGrpcFailures >> record.grpc_status & 1) != 0;
  }

 private:
  const uint64_t threshold_;
  const uint32_t failures_max_;
  uint32_t failures_ = 0;
  common::MonotonicTime window_end_;
};

}  // namespace pointsman::gateway
