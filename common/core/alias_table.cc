#include "common/core/alias_table.h"

#include <algorithm>

namespace pointsman::common {
namespace {

constexpr uint64_t kOne = uint64_t{1} << 32;

// An even index below `n`, from the high half of `word`; the low half stays for the threshold.
size_t ScaleIndex(uint64_t word, size_t n) { return ((word >> 32) * n) >> 32; }

}  // namespace

// Vose's form with integers: weights are multiplied by n, so that the average is `total` exactly
// and nothing is lost to rounding but the threshold's last bit.
void AliasTable::BuildSlots(std::span<const uint64_t> weights, uint64_t total,
                            std::span<Slot> slots) {
  const size_t n = weights.size();
  std::vector<unsigned __int128> scaled(n);
  std::vector<uint32_t> small;
  std::vector<uint32_t> large;
  small.reserve(n);
  large.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    scaled[i] = static_cast<unsigned __int128>(weights[i]) * n;
    (scaled[i] < total ? small : large).push_back(static_cast<uint32_t>(i));
  }
  while (!small.empty() && !large.empty()) {
    const uint32_t s = small.back();
    const uint32_t l = large.back();
    small.pop_back();
    slots[s] = {static_cast<uint32_t>(scaled[s] * kOne / total), l};
    scaled[l] -= total - scaled[s];
    if (scaled[l] < total) {
      large.pop_back();
      small.push_back(l);
    }
  }
  // Sums are exact, so only full slots are left.
  for (const uint32_t i : large) slots[i] = {0, i};
  for (const uint32_t i : small) slots[i] = {0, i};
}

std::shared_ptr<const AliasTable::Block> AliasTable::BuildBlock(
    const std::array<uint32_t, kBlock>& weights) {
  std::array<uint64_t, kBlock> wide;
  uint64_t total = 0;
  for (size_t i = 0; i < kBlock; ++i) total += wide[i] = weights[i];
  if (total == 0) return nullptr;
  auto block = std::make_shared<Block>();
  block->weights = weights;
  block->total = total;
  block->largest = *std::max_element(weights.begin(), weights.end());
  BuildSlots(wide, total, block->slots);
  return block;
}

void AliasTable::BuildTop() {
  std::vector<uint64_t> sums(blocks_.size());
  total_ = 0;
  largest_ = 0;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i] == nullptr) continue;
    total_ += sums[i] = blocks_[i]->total;
    largest_ = std::max(largest_, blocks_[i]->largest);
  }
  top_.resize(blocks_.size());
  if (total_ > 0) BuildSlots(sums, total_, top_);
}

AliasTable::AliasTable(std::span<const uint32_t> weights) : size_(weights.size()) {
  for (size_t begin = 0; begin < weights.size(); begin += kBlock) {
    std::array<uint32_t, kBlock> block = {};
    const size_t n = std::min(kBlock, weights.size() - begin);
    std::copy_n(weights.begin() + begin, n, block.begin());
    blocks_.push_back(BuildBlock(block));
  }
  BuildTop();
}

AliasTable AliasTable::With(std::span<const std::pair<size_t, uint32_t>> changes) const {
  AliasTable result = *this;
  std::vector<std::pair<size_t, uint32_t>> sorted(changes.begin(), changes.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [index, weight] : sorted) result.size_ = std::max(result.size_, index + 1);
  result.blocks_.resize((result.size_ + kBlock - 1) / kBlock);
  for (size_t i = 0; i < sorted.size();) {
    const size_t number = sorted[i].first / kBlock;
    std::array<uint32_t, kBlock> weights = {};
    if (result.blocks_[number] != nullptr) weights = result.blocks_[number]->weights;
    for (; i < sorted.size() && sorted[i].first / kBlock == number; ++i) {
      weights[sorted[i].first % kBlock] = sorted[i].second;
    }
    result.blocks_[number] = BuildBlock(weights);
  }
  result.BuildTop();
  return result;
}

size_t AliasTable::Draw(absl::BitGenRef random) const {
  PM_CHECK(total_ > 0);
  size_t number = 0;
  if (blocks_.size() > 1) {
    const uint64_t word = random();
    number = ScaleIndex(word, top_.size());
    if ((word & (kOne - 1)) >= top_[number].threshold) number = top_[number].alias;
  }
  const uint64_t word = random();
  const size_t i = word >> 56;
  const Slot& slot = blocks_[number]->slots[i];
  // 32 bits that the index did not use.
  const bool keep = ((word >> 16) & (kOne - 1)) < slot.threshold;
  return number * kBlock + (keep ? i : slot.alias);
}

}  // namespace pointsman::common
