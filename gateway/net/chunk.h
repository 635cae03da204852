#pragma once

// Memory that bytes on their way through a worker live in. A Chunk is a fixed block with a count of
// references that is not atomic: chunks, references and slices stay on the thread of their pool.
// A Slice is a part of a chunk and keeps it alive until its bytes were sent. The pool keeps freed
// chunks, newest first (hot in the cache), up to a bound, and gives back those that a while did not
// need. Thread-compatible, one pool per worker;
// the pool outlives every reference.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/string_view.h"

namespace pointsman::gateway {

class ChunkPool;

// One block of kChunkBytes including this header.
struct Chunk {
  ChunkPool* pool;
  Chunk* next_free;
  uint32_t references;
  // Bytes of data() written so far; only the owner of the end appends.
  uint32_t used;

  char* data() { return reinterpret_cast<char*>(this + 1); }
};

inline constexpr size_t kChunkBytes = 16 * 1024;
inline constexpr size_t kChunkDataBytes = kChunkBytes - sizeof(Chunk);

class ChunkPool {
 public:
  // Keeps at most `kept_max` free chunks; more are given back to the allocator.
  explicit ChunkPool(size_t kept_max = 256) : kept_max_(kept_max) {}
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;
  // REQUIRES: no chunk is referenced.
  ~ChunkPool();

  // An empty chunk with one reference. O(1); allocates only when no free chunk is kept.
  Chunk* Take();
  // Called by ChunkRef for the last reference.
  void Return(Chunk* chunk);
  // Gives the free chunks that were not needed since the last call back to the allocator.
  void Trim();

  // Chunks referenced now, and the most there ever were.
  size_t in_use() const { return in_use_; }
  size_t in_use_peak() const { return in_use_peak_; }

 private:
  const size_t kept_max_;
  Chunk* free_ = nullptr;
  size_t kept_ = 0;
  // The fewest that were free since the last Trim().
  size_t kept_least_ = 0;
  size_t in_use_ = 0;
  size_t in_use_peak_ = 0;
};

// A counted reference to a chunk, or none.
class ChunkRef {
 public:
  ChunkRef() = default;
  static ChunkRef Adopt(Chunk* chunk) {
    ChunkRef ref;
    ref.chunk_ = chunk;
    return ref;
  }
  ChunkRef(const ChunkRef& other) : chunk_(other.chunk_) {
    if (chunk_ != nullptr) ++chunk_->references;
  }
  ChunkRef(ChunkRef&& other) noexcept : chunk_(std::exchange(other.chunk_, nullptr)) {}
  ChunkRef& operator=(ChunkRef other) noexcept {
    std::swap(chunk_, other.chunk_);
    return *this;
  }
  ~ChunkRef() { Reset(); }

  void Reset() {
    if (chunk_ != nullptr && --chunk_->references == 0) chunk_->pool->Return(chunk_);
    chunk_ = nullptr;
  }
  Chunk* get() const { return chunk_; }
  Chunk* operator->() const { return chunk_; }
  explicit operator bool() const { return chunk_ != nullptr; }

 private:
  Chunk* chunk_ = nullptr;
};

// Part of a chunk; `data` stays valid as long as the slice lives.
struct Slice {
  ChunkRef chunk;
  const char* data = nullptr;
  size_t size = 0;

  bool empty() const { return size == 0; }
  absl::string_view view() const { return absl::string_view(data, size); }
  // Drops the first `n` bytes; lets go of the chunk when none is left. REQUIRES: n <= size.
  void Advance(size_t n) {
    data += n;
    size -= n;
    if (size == 0) chunk.Reset();
  }
  // The first `n` bytes as a slice of their own. REQUIRES: n <= size.
  Slice Prefix(size_t n) const { return Slice{chunk, data, n}; }
};

}  // namespace pointsman::gateway
