#pragma once

// A list in shared blocks of 256: a copy is one pointer a block, and an edited copy shares all
// blocks but those that were touched. Positions are stable. A const list may be read by any thread;
// otherwise thread-compatible.

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace pointsman::gateway {

template <typename T>
class BlockList {
 public:
  static constexpr size_t kBlock = 256;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // REQUIRES: position < size().
  const T& operator[](size_t position) const {
    return blocks_[position / kBlock][position % kBlock];
  }

  // For range loops.
  class Iterator {
   public:
    Iterator(const BlockList* list, size_t position) : list_(list), position_(position) {}
    const T& operator*() const { return (*list_)[position_]; }
    Iterator& operator++() {
      ++position_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const BlockList* list_;
    size_t position_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size_}; }

 private:
  template <typename U>
  friend class BlockListEditor;
  // The last block is as long as it needs to be: most lists are short.
  std::vector<std::shared_ptr<const T[]>> blocks_;
  size_t size_ = 0;
};

// Writes a list: copies the blocks it touches, once each. The list must not be read by others until
// Finish() (edit a copy).
template <typename T>
class BlockListEditor {
 public:
  // REQUIRES: `list` outlives this.
  explicit BlockListEditor(BlockList<T>* list) : list_(list), size_(list->size_) {}

  // Replaces what is at `position`, making the list longer when it is past the end; what is skipped
  // holds default values.
  void Set(size_t position, T value) {
    std::vector<T>& block = Edited(position / kBlock);
    const size_t place = position % kBlock;
    if (block.size() <= place) block.resize(place + 1);
    block[place] = std::move(value);
    size_ = std::max(size_, position + 1);
  }

  // Puts the edited blocks into the list. Once.
  void Finish() {
    const size_t blocks = (size_ + kBlock - 1) / kBlock;
    // All but the last are full.
    for (size_t number = list_->size_ / kBlock; number < blocks; ++number) {
      const size_t length = std::min(kBlock, size_ - number * kBlock);
      if (LengthOf(number) < length || edited_.contains(number)) Edited(number).resize(length);
    }
    list_->blocks_.resize(blocks);
    for (auto& [number, block] : edited_) {
      auto shared = std::make_shared<T[]>(block.size());
      std::move(block.begin(), block.end(), shared.get());
      list_->blocks_[number] = std::move(shared);
    }
    list_->size_ = size_;
    edited_.clear();
  }

 private:
  static constexpr size_t kBlock = BlockList<T>::kBlock;

  // Of a block as it is in the list.
  size_t LengthOf(size_t number) const {
    const size_t before = number * kBlock;
    return list_->size_ <= before ? 0 : std::min(kBlock, list_->size_ - before);
  }
  std::vector<T>& Edited(size_t number) {
    const auto [it, added] = edited_.try_emplace(number);
    if (added && LengthOf(number) > 0) {
      const T* from = list_->blocks_[number].get();
      it->second.assign(from, from + LengthOf(number));
    }
    return it->second;
  }

  BlockList<T>* list_;
  size_t size_;
  std::map<size_t, std::vector<T>> edited_;
};

}  // namespace pointsman::gateway
