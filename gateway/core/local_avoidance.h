#pragma once

// The fast loop's own judgement: which endpoints this worker avoids just now, because they refused
// or failed a moment ago. A refused or unreachable endpoint is avoided at once, one that resets or
// times out after three failures in a row; for 100 ms, doubling with each further failure to 4 s.
// When the time is over one request at a time is let through as a probe; its success ends the
// avoidance.
//
// An outlier among its service's endpoints (local_outliers.h) is avoided for 1 s, doubling each
// time it is found again soon, to 30 s. Answers to requests that were under way do not end that; a
// probe does, but of one that fails too often not if it is answered with 5xx.
//
// That not all endpoints are avoided is the picker's rule: it ignores avoidance when
// nothing else is left. The slow loop decides for everybody; this only bridges its delay.
//
// It also counts what share of each endpoint's latest tries failed, answers of 500 to 599 included
// (WorkerCells::Failing): such an endpoint is not avoided, but weighs less in picks that compare.
//
// The time avoided is added to the worker's cells, so that the slow loop knows which evidence it
// does not get; that it is avoided just now is shown there. One for each worker; thread-compatible.

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/core/time.h"
#include "gateway/core/cells.h"
#include "gateway/core/local_outliers.h"

namespace pointsman::gateway {

class LocalAvoidance {
 public:
  static constexpr absl::Duration kFirst = absl::Milliseconds(100);
  static constexpr absl::Duration kLongest = absl::Seconds(4);
  static constexpr uint32_t kSoftFailures = 3;
  static constexpr absl::Duration kRetryAfterMax = absl::Seconds(30);
  static constexpr absl::Duration kOutlierFirst = absl::Seconds(1);
  static constexpr absl::Duration kOutlierLongest = absl::Seconds(30);
  // Endpoints with failures that are remembered; beyond, the oldest known are kept and new ones are
  // not avoided.
  static constexpr size_t kEntriesMax = 65'536;

  enum class Verdict : uint8_t { kUse, kProbe, kAvoid };

  // REQUIRES: `cells` outlives this.
  explicit LocalAvoidance(WorkerCells& cells) : cells_(cells) {}

  // kProbe: may be used if OnProbeStarted is called. O(1); one comparison when nothing failed.
  Verdict Judge(CellRef ref, common::MonotonicTime now) const;
  // A request picked on a kProbe verdict begins: others wait for its end.
  void OnProbeStarted(CellRef ref, common::MonotonicTime now);
  // Exactly once for each try that was begun, whatever its verdict was.
  void OnOutcome(CellRef ref, TryOutcome outcome, common::MonotonicTime now);
  // The endpoint asked to be left alone for so long (Retry-After): it is avoided, answers to what
  // it has already do not end that, and then a probe tells. At most kRetryAfterMax counts. After
  // the answer's OnOutcome().
  void OnRetryAfter(CellRef ref, absl::Duration wait, common::MonotonicTime now);

  // The endpoint does far worse than the others. REQUIRES: `outlier` is not kNone.
  void OnOutlier(CellRef ref, Outlier outlier, common::MonotonicTime now);
  // It was an outlier within the last minute in which it was not avoided for that.
  bool WasOutlier(CellRef ref) const;

  // Forgets endpoints without failures for a minute (also those gone from the table). O(entries);
  // once in a few seconds.
  void Sweep(common::MonotonicTime now);
  // Endpoints remembered: with a failure, or an outlier's period, a while ago at most.
  size_t entries() const { return entries_.size(); }

 private:
  struct Entry {
    uint32_t generation = 0;
    uint32_t failures = 0;        // In a row.
    uint32_t periods = 0;         // Times avoided, one after another.
    common::MonotonicTime until;  // Avoided until then, if `avoided`.
    common::MonotonicTime last_failure;
    uint32_t outlier_periods = 0;
    // Why it is avoided; kNone: for its failures, or as it asked.
    Outlier outlier = Outlier::kNone;
    bool avoided = false;
    bool probing = false;
    bool firm = false;  // No answer ends it before `until`.
  };
  using Entries = absl::flat_hash_map<uint32_t, Entry>;  // By slot.

  // The endpoint's, made anew for another generation; null: there is no room.
  Entry* EntryOf(CellRef ref);
  void OnAnswer(Entries::iterator it, TryOutcome outcome, common::MonotonicTime now);
  void StartPeriod(CellRef ref, Entry* entry, common::MonotonicTime now);
  void StartOutlierPeriod(CellRef ref, Entry* entry, Outlier outlier, common::MonotonicTime now);
  void AvoidUntil(CellRef ref, Entry* entry, common::MonotonicTime until,
                  common::MonotonicTime now);

  WorkerCells& cells_;
  Entries entries_;  // Looked up and erased, never ordered by.
};

}  // namespace pointsman::gateway
