#pragma once

// Ways to turn weights into a sequence of picks (algorithms reference 2.2 and 10). All give each
// endpoint its share in the long run; they differ in how even the sequence is, what a pick costs,
// and what a change of the weights does to it. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/random/bit_gen_ref.h"

namespace pointsman::sim {

enum class ScheduleKind : uint8_t {
  // Independent draws from an alias table: no order, hence no waves; sqrt(mean) of noise.
  kAlias,
  // nginx's smooth weighted round robin: very even, O(endpoints) a pick.
  kSmooth,
  // gRPC's static stride (gRFC A58): O(max / mean weight) a pick; its position outlives a change.
  kStaticStride,
  // Earliest deadline first, deadlines 1 / weight apart, the first one anywhere in its period.
  kEdf,
  // The same with the first deadline a full period away: as some balancers had it, to show what is
  // wrong with it.
  kEdfFullPeriod,
};

class Schedule {
 public:
  virtual ~Schedule() = default;
  // Replaces all weights. An endpoint of weight 0 is not picked. REQUIRES: as many weights as
  // before, if there were any; none negative, one above 0. O(weights).
  virtual void SetWeights(std::span<const double> weights, absl::BitGenRef random) = 0;
  // REQUIRES: SetWeights was called.
  virtual size_t Next(absl::BitGenRef random) = 0;
};

std::unique_ptr<Schedule> MakeSchedule(ScheduleKind kind);

// Whole weights in the same proportion, the largest being `largest`; what is above 0 stays above
// it. REQUIRES: as SetWeights.
std::vector<uint32_t> WholeWeights(std::span<const double> weights, uint32_t largest);

}  // namespace pointsman::sim
