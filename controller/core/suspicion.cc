#include "controller/core/suspicion.h"

#include <algorithm>
#include <cmath>

#include "common/core/ewma.h"
#include "common/core/guard.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

constexpr double kExpectedFactor = 1.5;
constexpr double kExpectedFloor = 0.002;
constexpr double kExpectedMax = 0.9;
constexpr uint32_t kCountMax = 1'000'000'000;

uint32_t Sum(uint32_t a, uint32_t b) { return std::min(a + std::min(b, kCountMax), kCountMax); }

}  // namespace

SuspicionOdds OddsOf(double others_share) {
  SuspicionOdds odds;
  const double usual = common::Holds(common::Guard::kUsualShare) ? others_share : 0;
  odds.expected = std::min(usual * kExpectedFactor + kExpectedFloor, kExpectedMax);
  odds.suspected = odds.expected + kSuspectedMargin * (1 - odds.expected);
  // Where nearly everything fails, failing says nothing.
  const bool all_fail = odds.expected == kExpectedMax;
  odds.per_failure = all_fail ? 0 : std::log(odds.suspected / odds.expected);
  odds.per_success = std::log((1 - odds.suspected) / (1 - odds.expected));
  return odds;
}

double Suspicion::Nats(MonotonicTime now) const {
  const double kept = before_ * common::HalfLifeDecay(now - second_, kSuspicionHalfLife);
  return std::max(0.0, kept + std::min(within_, kSuspicionPerSecond));
}

void Suspicion::Add(uint32_t requests, uint32_t failures, const SuspicionOdds& odds,
                    MonotonicTime now) {
  if (now - second_ >= absl::Seconds(1)) {
    before_ = Nats(now);
    within_ = 0;
    second_ = now;
  }
  within_ += failures * odds.per_failure + (requests - failures) * odds.per_success;
  if (Nats(now) == 0) return Clear();
  requests_ = Sum(requests_, requests);
  failures_ = Sum(failures_, failures);
}

void Suspicion::CapAt(double nats, MonotonicTime now) {
  if (Nats(now) <= nats) return;
  before_ = nats;
  within_ = 0;
  second_ = now;
}

}  // namespace pointsman::controller
