#pragma once

// How often agents report: every second, or as seldom as it takes for reports to stay within their
// share of this controller's CPU. Pure; thread-compatible.

#include <cstdint>

#include "absl/time/time.h"

namespace pointsman::controller {

struct PacerOptions {
  // Cores that reports may use, their transport included.
  double cores = 1.0;
  absl::Duration shortest = absl::Seconds(1);
  absl::Duration longest = absl::Minutes(5);
};

class Pacer {
 public:
  explicit Pacer(const PacerOptions& options);

  struct Measurement {
    absl::Duration cpu;      // Used by the process since the last measurement.
    absl::Duration elapsed;  // Since then.
    uint64_t reports = 0;    // Received since then.
    uint64_t agents = 0;     // Connected now.
  };
  // The interval from now on: stretched at once when reports would take more than their cores,
  // shortened when they would take under half of it; changes of less than a tenth are not made.
  // Few agents are never paced: their reports cost next to nothing. Nothing is measured while
  // agents arrive and for 15 s after.
  absl::Duration Update(const Measurement& measured);

  absl::Duration interval() const { return interval_; }
  // CPU of one report, as measured; until there were enough, an assumption.
  absl::Duration cost() const { return cost_; }

 private:
  bool Settled(const Measurement& measured);

  const PacerOptions options_;
  absl::Duration interval_;
  absl::Duration cost_;
  bool measured_ = false;
  uint64_t agents_ = 0;
  absl::Duration unsettled_;
  // Gathered until there are enough reports to divide by.
  absl::Duration cpu_;
  uint64_t reports_ = 0;
};

}  // namespace pointsman::controller
