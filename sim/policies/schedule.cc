#include "sim/policies/schedule.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/core/alias_table.h"
#include "common/core/check.h"
#include "sim/random.h"

namespace pointsman::sim {
namespace {

class AliasSchedule : public Schedule {
 public:
  void SetWeights(std::span<const double> weights, absl::BitGenRef random) override {
    table_ = common::AliasTable(WholeWeights(weights, 1 << 24));
  }
  size_t Next(absl::BitGenRef random) override { return table_.Draw(random); }

 private:
  common::AliasTable table_;
};

// Each pick credits everyone with its weight, takes the one with the most credit and charges it
// with the sum of all weights. Credits survive a change of weights.
class SmoothSchedule : public Schedule {
 public:
  void SetWeights(std::span<const double> weights, absl::BitGenRef random) override {
    weights_ = WholeWeights(weights, 1 << 24);
    credits_.resize(weights_.size());
    total_ = 0;
    for (const uint32_t weight : weights_) total_ += weight;
  }
  size_t Next(absl::BitGenRef random) override {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < weights_.size(); ++i) {
      if (weights_[i] == 0) continue;
      credits_[i] += weights_[i];
      if (best == SIZE_MAX || credits_[i] > credits_[best]) best = i;
    }
    credits_[best] -= total_;
    return best;
  }

 private:
  std::vector<uint32_t> weights_;
  std::vector<int64_t> credits_;
  int64_t total_ = 0;
};

// A counter walks the endpoints round by round; one of weight w is taken in those rounds in which
// its running sum of w passes a multiple of the largest weight. Sums start at different phases, so
// that neighbours do not skip the same rounds.
class StaticStrideSchedule : public Schedule {
 public:
  static constexpr uint32_t kLargest = 65535;
  static constexpr uint64_t kPhase = 32767;

  void SetWeights(std::span<const double> weights, absl::BitGenRef random) override {
    if (weights_.empty()) position_ = random() >> 32;
    weights_ = WholeWeights(weights, kLargest);
  }
  size_t Next(absl::BitGenRef random) override {
    // The largest is taken in every round, so this ends within two.
    for (;;) {
      const uint64_t index = position_ % weights_.size();
      const uint64_t round = position_ / weights_.size();
      ++position_;
      const uint64_t weight = weights_[index];
      if (weight == 0) continue;
      if ((weight * round + index * kPhase) % kLargest >= kLargest - weight) return index;
    }
  }

 private:
  std::vector<uint32_t> weights_;
  uint64_t position_ = 0;
};

class EdfSchedule : public Schedule {
 public:
  explicit EdfSchedule(bool random_start) : random_start_(random_start) {}

  // Starts anew: a heap has no position that could be kept.
  void SetWeights(std::span<const double> weights, absl::BitGenRef random) override {
    weights_.assign(weights.begin(), weights.end());
    heap_.clear();
    for (size_t i = 0; i < weights.size(); ++i) {
      PM_CHECK(weights[i] >= 0);
      if (weights[i] == 0) continue;
      const double part = random_start_ ? Uniform(random) : 1;
      heap_.emplace_back(part / weights[i], i);
    }
    PM_CHECK(!heap_.empty());
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  }
  size_t Next(absl::BitGenRef random) override {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    auto& [deadline, index] = heap_.back();
    const size_t picked = index;
    deadline += 1 / weights_[picked];
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    return picked;
  }

 private:
  bool random_start_;
  std::vector<double> weights_;
  std::vector<std::pair<double, size_t>> heap_;  // (deadline, endpoint), the least on top.
};

}  // namespace

std::vector<uint32_t> WholeWeights(std::span<const double> weights, uint32_t largest) {
  double most = 0;
  for (const double weight : weights) {
    PM_CHECK(weight >= 0);
    most = std::max(most, weight);
  }
  PM_CHECK(most > 0);
  std::vector<uint32_t> whole;
  whole.reserve(weights.size());
  for (const double weight : weights) {
    const double scaled = weight / most * largest + 0.5;
    whole.push_back(weight > 0 ? std::max<uint32_t>(1, static_cast<uint32_t>(scaled)) : 0);
  }
  return whole;
}

std::unique_ptr<Schedule> MakeSchedule(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::kAlias:
      return std::make_unique<AliasSchedule>();
    case ScheduleKind::kSmooth:
      return std::make_unique<SmoothSchedule>();
    case ScheduleKind::kStaticStride:
      return std::make_unique<StaticStrideSchedule>();
    case ScheduleKind::kEdf:
      return std::make_unique<EdfSchedule>(true);
    case ScheduleKind::kEdfFullPeriod:
      break;
  }
  return std::make_unique<EdfSchedule>(false);
}

}  // namespace pointsman::sim
