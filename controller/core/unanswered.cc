#include "controller/core/unanswered.h"

#include <algorithm>
#include <cmath>

#include "common/core/ewma.h"

namespace pointsman::controller {
namespace {

// What is believed before anything was seen, as counts: of so many tries so many were unanswered.
constexpr double kUnreachablePrior = 0.1, kUnreachableTries = 1000;
constexpr double kTimeoutsPrior = 1, kTimeoutTries = 200;
constexpr double kShareMax = 0.9;

}  // namespace

double UnansweredNats(const UnansweredCounts& in_a_row, const UnansweredShares& shares) {
  const auto nats = [](uint32_t count, double share) {
    return count == 0 ? 0 : count * -std::log(share);
  };
  return nats(in_a_row.unreachable, shares.unreachable) + nats(in_a_row.timeouts, shares.timeouts);
}

void AnswerHistory::Fade(common::MonotonicTime now) {
  const double kept = common::HalfLifeDecay(now - at_, kHalfLife);
  for (double* count : {&tries_, &unreachable_, &timeouts_, &usual_tries_, &usual_failures_}) {
    *count *= kept;
  }
  at_ = now;
}

void AnswerHistory::AddUnanswered(uint64_t tries, const UnansweredCounts& excused,
                                  common::MonotonicTime now) {
  Fade(now);
  tries_ += static_cast<double>(tries);
  unreachable_ += excused.unreachable;
  timeouts_ += excused.timeouts;
}

void AnswerHistory::AddFailures(uint64_t tries, uint64_t failures, common::MonotonicTime now) {
  Fade(now);
  usual_tries_ += static_cast<double>(tries);
  usual_failures_ += static_cast<double>(failures);
}

UnansweredShares AnswerHistory::Shares(common::MonotonicTime now) const {
  const double kept = common::HalfLifeDecay(now - at_, kHalfLife);
  const auto share = [&](double count, double prior, double prior_tries, double least) {
    return std::clamp((count * kept + prior) / (tries_ * kept + prior_tries), least, kShareMax);
  };
  UnansweredShares shares{share(unreachable_, kUnreachablePrior, kUnreachableTries, 1e-4),
                          share(timeouts_, kTimeoutsPrior, kTimeoutTries, 1e-3)};
  // Some services let most requests time out (long polls): nothing is known of that yet.
  if (tries_ * kept < kTimeoutTries) shares.timeouts = kShareMax;
  return shares;
}

double AnswerHistory::FailureShare(common::MonotonicTime now) const {
  const double kept = common::HalfLifeDecay(now - at_, kHalfLife);
  return (usual_failures_ * kept + 2) / (usual_tries_ * kept + 4);
}

}  // namespace pointsman::controller
