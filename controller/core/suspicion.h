#pragma once

// A sequential test: does an endpoint fail more than the service's others? Each try adds the
// logarithm of how much likelier its end is if the endpoint fails far more than the others than if
// it fails about as they do; the sum never falls below 0 (CUSUM: E. S. Page, Continuous inspection
// schemes, Biometrika 41, 1954). So evidence adds up from observation to observation, at ten tries
// a second as at one, and what was fine before a fault does not dilute it. Tries to a false alarm:
// at least exp(threshold) on average (G. Lorden, Procedures for reacting to a change in
// distribution, 1971).
//
// What one second says is limited, so that a pause that fails many tries at once is not taken for a
// fault that lasts: an alarm needs at least three seconds with failures. Pure. Thread-compatible.

#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::controller {

// An alarm, in nats: odds of 40 million to one.
inline constexpr double kSuspicionAlarm = 17.5;
// The most that tries of one second add.
inline constexpr double kSuspicionPerSecond = 8;
// Evidence halves in this time: what is older than minutes is not about now.
inline constexpr absl::Duration kSuspicionHalfLife = absl::Minutes(1);
// Suspected: a share of failures this far above the expected one.
inline constexpr double kSuspectedMargin = 0.2;

// The two shares of failures that are weighed against each other, and what a try is worth.
struct SuspicionOdds {
  double expected = 0;     // Half as much again as the others', and a little.
  double suspected = 0;    // Between expected and 1.
  double per_failure = 0;  // ln(suspected / expected), nats; 0 where expected is at its end.
  double per_success = 0;  // ln((1 - suspected) / (1 - expected)), nats; negative.
};

// REQUIRES: 0 <= others_share <= 1. Expected is 0.9 at most, and then no failure says anything.
SuspicionOdds OddsOf(double others_share);

class Suspicion {
 public:
  // Tries that ended, and how many of them failed. `now` never goes back.
  void Add(uint32_t requests, uint32_t failures, const SuspicionOdds& odds,
           common::MonotonicTime now);
  void Clear() { *this = Suspicion(); }
  // Evidence beyond `nats` is dropped, so that the opposite is believed as soon.
  void CapAt(double nats, common::MonotonicTime now);

  // At least 0.
  double Nats(common::MonotonicTime now) const;
  // Tries and failures since there was no suspicion.
  uint32_t requests() const { return requests_; }
  uint32_t failures() const { return failures_; }
  bool none() const { return requests_ == 0; }

 private:
  double before_ = 0;  // Up to `second_`.
  double within_ = 0;  // Since then, not limited yet.
  common::MonotonicTime second_;
  uint32_t requests_ = 0;
  uint32_t failures_ = 0;
};

}  // namespace pointsman::controller
