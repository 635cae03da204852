#pragma once

// Bytes waiting to be sent on one connection: an ordered list of slices. Small pieces are copied
// behind each other into one chunk of the queue's own, so that a head and a small body leave as one
// piece; large ones are only referenced. An empty queue holds no chunk. Thread-compatible; owned by
// one connection.

#include <sys/uio.h>

#include <cstddef>
#include <span>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "gateway/net/chunk.h"

namespace pointsman::gateway {

class OutQueue {
 public:
  // Slices up to this size are copied when the tail has room, or to begin one behind others.
  static constexpr size_t kCopyBelowBytes = 4096;

  // More waiting at once need memory beside the queue.
  static constexpr size_t kInlineSlices = 2;

  explicit OutQueue(ChunkPool* pool) : pool_(pool) {}

  // `n` contiguous writable bytes at the end; Commit() makes the first of them part of the queue.
  // REQUIRES: n <= kChunkDataBytes.
  char* Reserve(size_t n) {
    if (!tail_ || kChunkDataBytes - tail_->used < n) tail_ = ChunkRef::Adopt(pool_->Take());
    return tail_->data() + tail_->used;
  }
  void Commit(size_t n);

  // Copies; any size.
  void Append(absl::string_view bytes);
  // References, or copies when small.
  void Append(const Slice& slice);

  // Bytes not sent yet.
  size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }

  // Fills `parts` with the first pieces; returns how many.
  size_t Gather(iovec* parts, size_t parts_max) const;
  // The first `n` bytes were sent. REQUIRES: n <= bytes().
  void Consume(size_t n);
  void Clear();
  // Gives back the memory that many slices needed. O(1) when there were few. REQUIRES: empty().
  void ReleaseMemory() {
    if (slices_.capacity() > kInlineSlices) slices_.shrink_to_fit();
  }
  // What waits, in order; valid until the queue is changed. Sending it elsewhere adds references.
  std::span<const Slice> slices() const {
    return std::span<const Slice>(slices_.data(), slices_.size()).subspan(first_);
  }

 private:
  ChunkPool* pool_;
  absl::InlinedVector<Slice, kInlineSlices> slices_;
  size_t first_ = 0;
  size_t bytes_ = 0;
  // The chunk that pieces are copied into.
  ChunkRef tail_;
};

}  // namespace pointsman::gateway
