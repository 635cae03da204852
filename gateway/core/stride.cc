#include "gateway/core/stride.h"

namespace pointsman::gateway {
namespace {

// Weights are scaled so that the largest is this.
constexpr uint64_t kFull = 65'535;
// Half a round apart: neighbours of equal weight do not sit out the same rounds.
constexpr uint64_t kShift = 32'767;

}  // namespace

size_t NextTurn(const common::AliasTable& table, uint64_t* turn, absl::BitGenRef random) {
  const uint64_t n = table.size();
  const uint64_t largest = table.largest();
  for (int step = 0; step < kStrideStepsMax; ++step) {
    const uint64_t index = *turn % n;
    const uint64_t round = *turn / n;
    ++*turn;
    const uint64_t weight = (table.weight(index) * kFull + largest / 2) / largest;
    if (weight == 0) continue;
    // Of kFull rounds in a row this is at least kFull - weight in exactly `weight`.
    if ((weight * (round % kFull) + index * kShift) % kFull >= kFull - weight) return index;
  }
  return table.Draw(random);
}

uint64_t* PickTurns::Of(CellRef service, uint8_t priority, absl::BitGenRef random) {
  // A slot's generations share a place: the turn of a service that is gone is as good as any.
  const uint64_t key = uint64_t{service.index} << 8 | priority;
  const auto found = turns_.find(key);
  if (found != turns_.end()) return &found->second;
  if (turns_.size() >= kKeptMax) turns_.clear();
  return &turns_.emplace(key, random() >> 16).first->second;
}

}  // namespace pointsman::gateway
