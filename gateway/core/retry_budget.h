#pragma once

// How many requests may be tried again: each request earns a share of a token, each second a fixed
// number, each retry costs one. So that a failing service gets at most `ratio` more requests than
// it was sent, while a quiet one can still retry. Tokens are not hoarded: those of time stop at ten
// seconds' worth, those of requests lose half in five seconds. One for each worker and service; a
// worker gets its part of the tokens per second. Thread-compatible.

#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::gateway {

struct RetryBudgetOptions {
  double ratio = 0.2;           // Tokens earned by a request; 0 to 1.
  double min_per_second = 3.0;  // Tokens earned by time: the policy's, divided by the workers.
};

class RetryBudget {
 public:
  static constexpr double kKeptSeconds = 10;
  static constexpr absl::Duration kHalfLife = absl::Seconds(5);

  // A request (not a retry) begins.
  void OnRequest(const RetryBudgetOptions& options, common::MonotonicTime now);
  // Takes a token; false: the budget is used up and the failure goes to the client.
  bool TryTake(const RetryBudgetOptions& options, common::MonotonicTime now);

  double tokens() const { return time_tokens_ + request_tokens_; }

 private:
  void Accrue(const RetryBudgetOptions& options, common::MonotonicTime now);

  double time_tokens_ = 0;
  double request_tokens_ = 0;
  common::MonotonicTime last_;
};

}  // namespace pointsman::gateway
