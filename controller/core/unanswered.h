#pragma once

// Tries that got no answer at all: refused, reset, or timed out. What is gone answers nobody, so a
// few of them in a row are much evidence, how much depends on how often that happens to endpoints
// that are fine: to those that answered again afterwards. Pure. Thread-compatible.

#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::controller {

struct UnansweredCounts {
  uint32_t unreachable = 0;  // No connection, or reset.
  uint32_t timeouts = 0;
  friend bool operator==(const UnansweredCounts&, const UnansweredCounts&) = default;
};

// How likely a try at an endpoint that is fine gets no answer.
struct UnansweredShares {
  double unreachable = 1e-4;
  double timeouts = 1e-3;
};

// Evidence that an endpoint is gone, in nats: -ln of how likely so many in a row are by chance.
double UnansweredNats(const UnansweredCounts& in_a_row, const UnansweredShares& shares);

// Of a whole service; counts halve every kHalfLife.
class AnswerHistory {
 public:
  static constexpr absl::Duration kHalfLife = absl::Minutes(5);

  // `tries` of all endpoints; `excused`: those without an answer whose endpoint answered again.
  void AddUnanswered(uint64_t tries, const UnansweredCounts& excused, common::MonotonicTime now);
  // Tries of endpoints that are taken for fine, and how many of them failed in any way.
  void AddFailures(uint64_t tries, uint64_t failures, common::MonotonicTime now);
  // At least 1e-4 and 1e-3. Before there is a history, an endpoint that is fine is taken to refuse
  // one of 10,000 tries; before it has 200 tries, to let nine of ten time out, so that time-outs
  // say nothing.
  UnansweredShares Shares(common::MonotonicTime now) const;
  // Of tries that fail; smoothed, so never 0 or 1: a half before there is a history.
  double FailureShare(common::MonotonicTime now) const;

 private:
  void Fade(common::MonotonicTime now);

  double tries_ = 0;
  double usual_tries_ = 0;
  double usual_failures_ = 0;
  double unreachable_ = 0;
  double timeouts_ = 0;
  common::MonotonicTime at_;
};

}  // namespace pointsman::controller
