#pragma once

// Policies with weights that somebody else has set: capacities that are known, or a controller's.
// Thread-compatible.

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "common/core/alias_table.h"
#include "sim/policies/schedule.h"
#include "sim/policy.h"

namespace pointsman::sim {

// Shares by weight, whatever is in flight.
class WeightedPolicy : public Policy {
 public:
  // REQUIRES: as Schedule::SetWeights.
  WeightedPolicy(ScheduleKind kind, std::span<const double> weights, absl::BitGenRef random);
  void SetWeights(std::span<const double> weights, absl::BitGenRef random);
  size_t Pick(const PickView& view, absl::BitGenRef random) override;

 private:
  std::unique_ptr<Schedule> schedule_;
};

// Of two endpoints drawn by weight the one with the smaller (in flight + 1) / weight, the first
// drawn of equals. Unlike uniform P2C it is stable for all loads below capacity when weights are
// capacities (algorithms reference 7).
class WeightedP2cPolicy : public Policy {
 public:
  explicit WeightedP2cPolicy(std::span<const double> weights);
  void SetWeights(std::span<const double> weights);
  size_t Pick(const PickView& view, absl::BitGenRef random) override;

 private:
  // Draws for a second endpoint; then the first it is. Only one with nearly all the weight is
  // drawn so often.
  static constexpr int kDrawsMax = 8;

  std::vector<double> weights_;
  common::AliasTable table_;
};

}  // namespace pointsman::sim
