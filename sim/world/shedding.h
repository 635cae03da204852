#pragma once

// When clients began to spare the endpoints of a fault, by the tries they got: what any policy
// does, with verdicts, weights, probes or its own counts, shows in these alone. Pure.
// Thread-compatible.

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"

namespace pointsman::sim {

class Shedding {
 public:
  static constexpr absl::Duration kBin = absl::Milliseconds(500);
  // Bins that must agree.
  static constexpr size_t kLook = 4;

  // The fault begins and lasts so long; what came before is the measure.
  Shedding(absl::Duration begins, absl::Duration lasts);

  // A try began, `at` after measuring did.
  void OnTry(absl::Duration at);
  // From the fault's beginning until the first two seconds in which there were at most half as many
  // tries as there used to be; their beginning, to half a second. Absent: not while it lasted, or
  // there was no time before it. O(bins).
  std::optional<absl::Duration> Halved(absl::Duration measured) const;

 private:
  const size_t first_;  // Bin of the fault's beginning.
  const absl::Duration end_;
  std::vector<uint32_t> tries_;
};

}  // namespace pointsman::sim
