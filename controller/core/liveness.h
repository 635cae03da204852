#pragma once

// How long an agent may be silent. An accrual failure detector (N. Hayashibara and others, The phi
// accrual failure detector, 2004) says how unlikely a silence is, given how regularly the agent was
// heard: phi = -log10 of the chance that a gap is longer, with normal gaps. Here the threshold is
// turned round: the silence at which phi reaches 8. It only ever prolongs the configured time, so
// that an agent whose reports come unevenly (a congested link, a busy host) is not taken for
// silent. Pure. Thread-compatible.

#include "absl/time/time.h"

namespace pointsman::controller {

// `silent_after` where no service says another: of agents as such.
inline constexpr absl::Duration kDefaultSilence = absl::Seconds(5);

// The gaps between an agent's reports. 12 bytes.
class ReportGaps {
 public:
  // A report came so long after the last. What was a silence itself (`silent_after` or more) counts
  // as that much: one outage does not make the detector blind.
  void Add(absl::Duration gap, absl::Duration silent_after);

  // Where phi is 8: mean + 5.61 standard deviations, of which there are at least 100 ms. Zero
  // before kSamplesMin gaps.
  absl::Duration Limit() const;
  absl::Duration mean() const { return absl::Seconds(mean_); }
  absl::Duration deviation() const;

  static constexpr int kSamplesMin = 8;

 private:
  float mean_ = 0;      // Seconds; a new gap counts a twentieth.
  float variance_ = 0;  // Of them.
  int samples_ = 0;     // At most kSamplesMin.
};

// The longest silence of an agent that is taken for alive: the configured time, three report
// intervals, or what its own gaps allow, up to four times the configured time.
absl::Duration SilenceLimit(absl::Duration silent_after, absl::Duration report_interval,
                            const ReportGaps& gaps);

}  // namespace pointsman::controller
