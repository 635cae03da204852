#pragma once

// One check: what is asked (CheckSpec) and what its runs add up to (CheckMachine). A state changes
// only after `rise` passed or `fall` failed runs in a row; the same two numbers move it in and out
// of the degraded band, in which answers pass but are slow: slower than `degraded_after`, or where
// that is not given, far slower than they used to be (usual_latency.h):
//
//                 rise passed                     fall slow
//   (not run) ───────────────▶ PASSING ◀────────────────────▶ DEGRADED
//       │ fall failed             │ fall failed     rise fast     │ fall failed
//       └────────────▶ FAILING ◀──┴───────────────────────────────┘
//                         └── rise passed: PASSING, or DEGRADED if one of them was slow
//
// Pure; thread-compatible.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/core/usual_latency.h"
#include "common/core/time.h"
#include "pointsman/v1/agent.pb.h"

namespace pointsman::agent {

// A HealthCheck with every default filled in and every number brought into its range.
struct CheckSpec {
  std::string name;
  std::shared_ptr<const v1::HealthCheck> what;  // Its kind is read by the prober.
  absl::Duration interval;
  absl::Duration timeout;
  absl::Duration transition_interval;
  std::optional<absl::Duration> degraded_after;  // Absent: by its own history.
  int rise = 2;
  int fall = 3;
};

CheckSpec MakeCheckSpec(const v1::HealthCheck& check);

// How one run ended.
struct RunResult {
  v1::CheckFailure failure = v1::CHECK_FAILURE_UNSPECIFIED;  // UNSPECIFIED: it passed.
  absl::Duration latency;
  uint32_t http_status = 0;
  std::string detail;
  bool passed() const { return failure == v1::CHECK_FAILURE_UNSPECIFIED; }
};

// At most `bytes_max` bytes of `text`: what is not printable ASCII becomes '?'.
std::string ShownText(absl::string_view text, size_t bytes_max);

class CheckMachine {
 public:
  static constexpr absl::Duration kSlowAgain = absl::Minutes(2);
  static constexpr uint32_t kFastNeededMax = 64;

  // What survives a restart of the agent, and what a state file holds of a check.
  struct Saved {
    v1::CheckStatus status = v1::CHECK_STATUS_UNSPECIFIED;
    int64_t since_micros = 0;
    int64_t usual_micros = 0;  // What a run usually takes; 0: not known.
  };

  explicit CheckMachine(common::MonotonicTime now = {}) : since_(now) {}
  CheckMachine(const Saved& saved, common::MonotonicTime now);

  // Takes a run that ended `now`. True: the status changed.
  bool Observe(const CheckSpec& spec, const RunResult& run, common::MonotonicTime now);

  // What earlier runs showed does not hold any longer (another process answers from now on): the
  // status is open until `rise` or `fall` runs agree, and what is usual is learned again. A failing
  // check stays failing. True: changed.
  bool Void(common::MonotonicTime now);
  // Runs are of another kind from now on.
  void ForgetUsual();

  v1::CheckStatus status() const { return status_; }
  // The last run disagrees with the status, or there is no status yet: look more often.
  bool Changing() const;
  const RunResult& last() const { return last_; }
  Saved Save() const {
    return {status_, since_.micros(), absl::ToInt64Microseconds(usual_.usual())};
  }

  // REQUIRES: `out` is clear.
  void Fill(common::MonotonicTime now, v1::CheckState* out) const;

 private:
  v1::CheckStatus Target(const CheckSpec& spec) const;
  // Fast runs in a row that end DEGRADED: `rise`; by its own history twice as many each time when
  // it was so kSlowAgain ago or less, as it may be fast only because it has less to do then.
  uint32_t FastNeeded(const CheckSpec& spec) const;
  void NoteSlow(const CheckSpec& spec, v1::CheckStatus before, common::MonotonicTime now);

  v1::CheckStatus status_ = v1::CHECK_STATUS_UNSPECIFIED;
  common::MonotonicTime since_;
  v1::CheckStatus last_class_ = v1::CHECK_STATUS_UNSPECIFIED;  // The last run taken alone.
  uint32_t consecutive_ = 0;                                   // Runs in a row of last_class_.
  uint32_t passed_in_row_ = 0;
  bool slow_in_row_ = false;  // One of them was slow.
  bool ran_ = false;
  RunResult last_;
  common::MonotonicTime ended_;
  UsualLatency usual_;
  // What the last run was slow from; infinite: not known yet.
  absl::Duration slow_after_ = absl::InfiniteDuration();
  uint32_t slow_again_ = 0;          // Times in a row that it was slow again soon.
  common::MonotonicTime fast_from_;  // When it was slow the last time; 0: never.
};

}  // namespace pointsman::agent
