#pragma once

// Memory for the frame library: what a stream needs is freed with it and asked for again by the
// next one, so a thread keeps what it freed, in lists by size, up to kKeptBytesMax. Larger blocks
// come from malloc as before, and so does everything under the address sanitizer.
//
// Each block is malloc's own: it may be freed on another thread than took it. The lists are the
// calling thread's, so this is thread-safe.

#include <nghttp2/nghttp2.h>

#include <cstddef>

namespace pointsman::gateway {

inline constexpr size_t kKeptBlockBytesMax = 1024;
inline constexpr size_t kKeptBytesMax = 512 * 1024;

// For nghttp2_session_*_new3(), which copies it.
nghttp2_mem* SessionMemory();

// What this thread keeps, in bytes.
size_t SessionMemoryKept();

// Frees as many bytes of it as were not needed since the last call, large blocks first.
void TrimSessionMemory();

}  // namespace pointsman::gateway
