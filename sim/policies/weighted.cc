#include "sim/policies/weighted.h"

namespace pointsman::sim {

WeightedPolicy::WeightedPolicy(ScheduleKind kind, std::span<const double> weights,
                               absl::BitGenRef random)
    : schedule_(MakeSchedule(kind)) {
  SetWeights(weights, random);
}

void WeightedPolicy::SetWeights(std::span<const double> weights, absl::BitGenRef random) {
  schedule_->SetWeights(weights, random);
}

size_t WeightedPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  return schedule_->Next(random);
}

WeightedP2cPolicy::WeightedP2cPolicy(std::span<const double> weights) { SetWeights(weights); }

void WeightedP2cPolicy::SetWeights(std::span<const double> weights) {
  weights_.assign(weights.begin(), weights.end());
  table_ = common::AliasTable(WholeWeights(weights, 1 << 24));
}

size_t WeightedP2cPolicy::Pick(const PickView& view, absl::BitGenRef random) {
  const size_t first = table_.Draw(random);
  for (int draw = 0; draw < kDrawsMax; ++draw) {
    const size_t second = table_.Draw(random);
    if (second == first) continue;
    const double of_first = (view.in_flight[first] + 1.0) * weights_[second];
    const double of_second = (view.in_flight[second] + 1.0) * weights_[first];
    return of_second < of_first ? second : first;
  }
  return first;
}

}  // namespace pointsman::sim
