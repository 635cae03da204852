#include "gateway/net/chunk.h"

#include <cstdlib>
#include <new>

#include "common/core/check.h"

namespace pointsman::gateway {

ChunkPool::~ChunkPool() {
  PM_CHECK(in_use_ == 0);
  while (free_ != nullptr) std::free(std::exchange(free_, free_->next_free));
}

Chunk* ChunkPool::Take() {
  Chunk* chunk = free_;
  if (chunk != nullptr) {
    free_ = chunk->next_free;
    if (--kept_ < kept_least_) kept_least_ = kept_;
  } else {
    void* block = std::aligned_alloc(64, kChunkBytes);
    PM_CHECK(block != nullptr);
    chunk = new (block) Chunk;
    chunk->pool = this;
  }
  chunk->next_free = nullptr;
  chunk->references = 1;
  chunk->used = 0;
  if (++in_use_ > in_use_peak_) in_use_peak_ = in_use_;
  return chunk;
}

void ChunkPool::Return(Chunk* chunk) {
  --in_use_;
  if (kept_ >= kept_max_) {
    std::free(chunk);
    return;
  }
  chunk->next_free = free_;
  free_ = chunk;
  ++kept_;
}

void ChunkPool::Trim() {
  for (size_t i = 0; i < kept_least_; ++i) std::free(std::exchange(free_, free_->next_free));
  kept_ -= kept_least_;
  kept_least_ = kept_;
}

}  // namespace pointsman::gateway
