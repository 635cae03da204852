#pragma once

// A bounded queue of access log entries from one worker to the writer: one thread pushes, one pops,
// nobody waits, and nothing is allocated after the beginning.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "gateway/proxy/access_entry.h"

namespace pointsman::gateway {

class AccessRing {
 public:
  // REQUIRES: `capacity` is a power of two.
  explicit AccessRing(size_t capacity)
      : mask_(capacity - 1), entries_(std::make_unique<AccessEntry[]>(capacity)) {}

  // The producer's: a place to fill, which Push() then hands over; null when all are taken.
  AccessEntry* Place() {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - known_head_ > mask_) {
      known_head_ = head_.load(std::memory_order_acquire);
      if (tail - known_head_ > mask_) return nullptr;
    }
    return &entries_[tail & mask_];
  }
  void Push() { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  // The consumer's: the oldest entry, which Pop() then frees; null when there is none.
  const AccessEntry* Front() const {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    return head == tail_.load(std::memory_order_acquire) ? nullptr : &entries_[head & mask_];
  }
  void Pop() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  const size_t mask_;
  const std::unique_ptr<AccessEntry[]> entries_;
  // Of the producer and of the consumer; on lines of their own.
  alignas(64) std::atomic<uint64_t> tail_{0};
  uint64_t known_head_ = 0;
  alignas(64) std::atomic<uint64_t> head_{0};
};

}  // namespace pointsman::gateway
