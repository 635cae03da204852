#pragma once

// Draws an index with a probability proportional to its weight in constant time (Walker's alias
// method), in two levels: blocks of 256 weights, and a table over the blocks' sums. Blocks are
// immutable and shared, so that changing one weight of 50,000 builds one block and the upper table
// (a few microseconds) and shares the rest with the previous table. Values are cheap to copy
// (one pointer a block). Thread-compatible; a const AliasTable may be read by any thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "common/core/check.h"

namespace pointsman::common {

class AliasTable {
 public:
  static constexpr size_t kBlock = 256;

  AliasTable() = default;
  // O(weights).
  explicit AliasTable(std::span<const uint32_t> weights);

  // This table with some weights replaced, as (index, weight) in any order, the last of equals
  // counting; an index past the end makes the table longer (by zeros where nothing is given).
  // O(changed blocks * 256 + blocks).
  AliasTable With(std::span<const std::pair<size_t, uint32_t>> changes) const;

  size_t size() const { return size_; }
  // Sum of all weights; 0: nothing can be drawn.
  uint64_t total() const { return total_; }
  uint32_t weight(size_t index) const {
    PM_CHECK(index < size_);
    const auto& block = blocks_[index / kBlock];
    return block == nullptr ? 0 : block->weights[index % kBlock];
  }
  // The largest weight. O(1).
  uint32_t largest() const { return largest_; }

  // An index of weight above 0. REQUIRES: total() > 0. O(1), no allocation: two random words.
  size_t Draw(absl::BitGenRef random) const;

 private:
  struct Slot {
    uint32_t threshold;  // Out of 2^32: below it the slot itself, else its alias.
    uint32_t alias;
  };
  struct Block {
    std::array<uint32_t, kBlock> weights = {};
    std::array<Slot, kBlock> slots;
    uint64_t total = 0;
    uint32_t largest = 0;
  };

  static void BuildSlots(std::span<const uint64_t> weights, uint64_t total, std::span<Slot> slots);
  static std::shared_ptr<const Block> BuildBlock(const std::array<uint32_t, kBlock>& weights);
  void BuildTop();

  std::vector<std::shared_ptr<const Block>> blocks_;  // Null: all zero.
  std::vector<Slot> top_;
  size_t size_ = 0;
  uint64_t total_ = 0;
  uint32_t largest_ = 0;
};

}  // namespace pointsman::common
