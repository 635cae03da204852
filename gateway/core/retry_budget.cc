#include "gateway/core/retry_budget.h"

#include <algorithm>

#include "common/core/ewma.h"

namespace pointsman::gateway {
namespace {

// Decay is computed in steps, not for every request.
constexpr absl::Duration kStep = absl::Milliseconds(10);

}  // namespace

void RetryBudget::Accrue(const RetryBudgetOptions& options, common::MonotonicTime now) {
  const double kept = options.min_per_second * kKeptSeconds;
  if (last_ == common::MonotonicTime()) {
    // As after a quiet time: who has just begun knows least of where to go.
    time_tokens_ = kept;
    last_ = now;
    return;
  }
  const absl::Duration elapsed = now - last_;
  if (elapsed < kStep) return;
  const double earned = absl::ToDoubleSeconds(elapsed) * options.min_per_second;
  time_tokens_ = std::min(time_tokens_ + earned, kept);
  request_tokens_ *= common::HalfLifeDecay(elapsed, kHalfLife);
  last_ = now;
}

void RetryBudget::OnRequest(const RetryBudgetOptions& options, common::MonotonicTime now) {
  Accrue(options, now);
  request_tokens_ += options.ratio;
}

bool RetryBudget::TryTake(const RetryBudgetOptions& options, common::MonotonicTime now) {
  Accrue(options, now);
  if (tokens() < 1.0) return false;
  // Tokens that fade are used first.
  const double from_requests = std::min(1.0, request_tokens_);
  request_tokens_ -= from_requests;
  time_tokens_ -= 1.0 - from_requests;
  return true;
}

}  // namespace pointsman::gateway
