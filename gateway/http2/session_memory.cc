#include "gateway/http2/session_memory.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "absl/base/config.h"

namespace pointsman::gateway {

namespace {

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif

// malloc's blocks have room for 8, 24, 40 ... bytes: list i has those with at least 16 i + 8.
constexpr size_t kStepBytes = 16;
constexpr size_t kFirstBytes = 8;
constexpr size_t kLists = (kKeptBlockBytesMax - kFirstBytes) / kStepBytes + 1;

// List whose blocks all have room for `size` bytes.
constexpr size_t ListFor(size_t size) {
  return size <= kFirstBytes ? 0 : (size - kFirstBytes + kStepBytes - 1) / kStepBytes;
}
// List a block with `room` belongs to.
constexpr size_t ListOf(size_t room) { return (room - kFirstBytes) / kStepBytes; }
static_assert(ListFor(24) == 1 && ListFor(25) == 2 && ListOf(24) == 1 && ListOf(40) == 2);

class KeptBlocks {
 public:
  ~KeptBlocks() {
    for (Block*& first : lists_) {
      while (first != nullptr) std::free(std::exchange(first, first->next));
    }
    bytes_ = kKeptBytesMax;  // What is freed later is not kept.
  }

  void* Take(size_t size) {
    const size_t list = ListFor(size);
    if (list >= kLists || lists_[list] == nullptr) return std::malloc(size);
    Block* block = lists_[list];
    Drop(list);
    bytes_least_ = std::min(bytes_least_, bytes_);
    return block;
  }

  void Return(void* pointer) {
    if (pointer == nullptr) return;
    const size_t list = ListOf(malloc_usable_size(pointer));
    const size_t bytes = BytesOf(list);
    if (list >= kLists || bytes_ + bytes > kKeptBytesMax) {
      std::free(pointer);
      return;
    }
    lists_[list] = new (pointer) Block{lists_[list]};
    bytes_ += bytes;
  }

  void Trim() {
    for (size_t list = kLists; list-- > 0;) {
      while (lists_[list] != nullptr && bytes_least_ >= BytesOf(list)) {
        Block* block = lists_[list];
        Drop(list);
        bytes_least_ -= BytesOf(list);
        std::free(block);
      }
    }
    bytes_least_ = bytes_;
  }

  size_t bytes() const { return bytes_; }

 private:
  struct Block {
    Block* next;
  };
  static constexpr size_t BytesOf(size_t list) { return list * kStepBytes + kFirstBytes; }
  void Drop(size_t list) {
    lists_[list] = lists_[list]->next;
    bytes_ -= BytesOf(list);
  }

  std::array<Block*, kLists> lists_ = {};
  size_t bytes_ = 0;
  // The fewest since the last Trim().
  size_t bytes_least_ = 0;
};

KeptBlocks& Kept() {
  thread_local KeptBlocks kept;
  return kept;
}

void* Malloc(size_t size, void* /*user*/) { return kKeeps ? Kept().Take(size) : std::malloc(size); }
void Free(void* pointer, void* /*user*/) {
  if (kKeeps) {
    Kept().Return(pointer);
  } else {
    std::free(pointer);
  }
}
void* Calloc(size_t count, size_t size, void* /*user*/) {
  size_t bytes = 0;
  if (!kKeeps || __builtin_mul_overflow(count, size, &bytes)) return std::calloc(count, size);
  void* made = Kept().Take(bytes);
  return made == nullptr ? nullptr : std::memset(made, 0, bytes);
}
void* Realloc(void* pointer, size_t size, void* /*user*/) { return std::realloc(pointer, size); }

}  // namespace

nghttp2_mem* SessionMemory() {
  static nghttp2_mem memory{nullptr, &Malloc, &Free, &Calloc, &Realloc};
  return &memory;
}

size_t SessionMemoryKept() { return Kept().bytes(); }

void TrimSessionMemory() { Kept().Trim(); }

}  // namespace pointsman::gateway
