#pragma once

// How many requests may be tried again: each request earns a share of a token, each second a fixed
// number, each retry costs one. So that a failing service gets at most `ratio` more requests than
// it was sent, while a quiet one can still retry. Unused tokens are kept for ten seconds' worth at
// most. One for each worker and service; a worker gets its part of the tokens per second.
// Thread-compatible.

#include <cstdint>

#include "common/core/time.h"

namespace pointsman::gateway {

struct RetryBudgetOptions {
  double ratio = 0.2;            // Tokens earned by a request; 0 to 1.
  double min_per_second = 10.0;  // Tokens earned by time: the policy's, divided by the workers.
};

class RetryBudget {
 public:
  static constexpr double kKeptSeconds = 10;
  // Tokens kept at most, however many requests earned them.
  static constexpr double kTokensMax = 10'000;

  // A request (not a retry) begins.
  void OnRequest(const RetryBudgetOptions& options, common::MonotonicTime now);
  // Takes a token; false: the budget is used up and the failure goes to the client.
  bool TryTake(const RetryBudgetOptions& options, common::MonotonicTime now);

  double tokens() const { return tokens_; }

 private:
  void Accrue(const RetryBudgetOptions& options, common::MonotonicTime now);

  double tokens_ = 0;
  double request_tokens_ = 0;  // Requests seen in the decaying window times ratio: the cap.
  common::MonotonicTime last_;
};

}  // namespace pointsman::gateway
