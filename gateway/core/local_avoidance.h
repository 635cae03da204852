#pragma once

// The fast loop's own judgement: which endpoints this worker avoids just now, because they refused
// or failed a moment ago. A refused or unreachable endpoint is avoided at once, one that resets or
// times out after three failures in a row; for 100 ms, doubling with each further failure to 4 s.
// When the time is over one request at a time is let through as a probe; its success ends the
// avoidance. That not all endpoints are avoided is the picker's rule: it ignores avoidance when
// nothing else is left. The slow loop decides for everybody; this only bridges its delay.
//
// The time avoided is added to the worker's cells, so that the slow loop knows which evidence it
// does not get. One for each worker; thread-compatible.

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/core/time.h"
#include "gateway/core/cells.h"

namespace pointsman::gateway {

class LocalAvoidance {
 public:
  static constexpr absl::Duration kFirst = absl::Milliseconds(100);
  static constexpr absl::Duration kLongest = absl::Seconds(4);
  static constexpr uint32_t kSoftFailures = 3;
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

  // Forgets endpoints without failures for a minute (also those gone from the table). O(entries);
  // once in a few seconds.
  void Sweep(common::MonotonicTime now);
  // Endpoints remembered with at least one failure.
  size_t entries() const { return entries_.size(); }

 private:
  struct Entry {
    uint32_t generation = 0;
    uint32_t failures = 0;        // In a row.
    uint32_t periods = 0;         // Times avoided, one after another.
    common::MonotonicTime until;  // Avoided until then, if `avoided`.
    common::MonotonicTime last_failure;
    bool avoided = false;
    bool probing = false;
  };

  void StartPeriod(CellRef ref, Entry* entry, common::MonotonicTime now);

  WorkerCells& cells_;
  absl::flat_hash_map<uint32_t, Entry>
      entries_;  // By slot; looked up and erased, never ordered by.
};

}  // namespace pointsman::gateway
