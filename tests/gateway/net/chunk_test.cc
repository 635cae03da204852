// Chunks, slices and the queue of what is to be sent.

#include "gateway/net/chunk.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gateway/net/out_queue.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

Slice SliceOf(ChunkPool& pool, const std::string& text) {
  ChunkRef chunk = ChunkRef::Adopt(pool.Take());
  text.copy(chunk->data(), text.size());
  chunk->used = static_cast<uint32_t>(text.size());
  const char* data = chunk->data();
  return Slice{std::move(chunk), data, text.size()};
}

std::string TextOf(const OutQueue& queue) {
  iovec parts[256];
  const size_t count = queue.Gather(parts, 256);
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return text;
}

TEST(ChunkPoolTest, ReusesTheNewestFreedChunk) {
  ChunkPool pool;
  ChunkRef first = ChunkRef::Adopt(pool.Take());
  ChunkRef second = ChunkRef::Adopt(pool.Take());
  const Chunk* hot = second.get();
  first.Reset();
  second.Reset();
  EXPECT_EQ(pool.in_use(), 0u);
  EXPECT_EQ(ChunkRef::Adopt(pool.Take()).get(), hot);
  EXPECT_EQ(pool.in_use_peak(), 2u);
}

TEST(ChunkPoolTest, ASliceKeepsItsChunkUntilItIsUsedUp) {
  ChunkPool pool;
  Slice whole = SliceOf(pool, "abcdef");
  Slice part = whole.Prefix(3);
  whole = Slice{};
  EXPECT_EQ(pool.in_use(), 1u);
  part.Advance(2);
  EXPECT_EQ(part.view(), "c");
  part.Advance(1);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(OutQueueTest, JoinsSmallPiecesIntoOne) {
  ChunkPool pool;
  OutQueue queue(&pool);
  queue.Append("head ");
  queue.Append(SliceOf(pool, "body"));
  iovec parts[4];
  EXPECT_EQ(queue.Gather(parts, 4), 1u);
  EXPECT_EQ(TextOf(queue), "head body");
  EXPECT_EQ(pool.in_use(), 1u);
}

TEST(OutQueueTest, ReferencesLargePieces) {
  ChunkPool pool;
  OutQueue queue(&pool);
  queue.Append("head ");
  const std::string large(OutQueue::kCopyBelowBytes + 1, 'x');
  Slice slice = SliceOf(pool, large);
  queue.Append(slice);
  queue.Append(" tail");
  iovec parts[4];
  ASSERT_EQ(queue.Gather(parts, 4), 3u);
  EXPECT_EQ(parts[1].iov_base, slice.data);
  EXPECT_EQ(TextOf(queue), absl::StrCat("head ", large, " tail"));
}

TEST(OutQueueTest, HoldsNothingWhenEmpty) {
  ChunkPool pool;
  OutQueue queue(&pool);
  queue.Append(std::string(50'000, 'x'));
  EXPECT_EQ(queue.bytes(), 50'000u);
  queue.Consume(50'000);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(pool.in_use(), 0u);
}

// However it is consumed, and whatever is added between: the same bytes come out in order.
TEST(OutQueueTest, KeepsOrderUnderPartialSends) {
  ChunkPool pool;
  OutQueue queue(&pool);
  std::string put;
  std::string got;
  uint64_t seed = 1;
  for (int i = 0; i < 3000; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const size_t size = (seed >> 33) % 9000 + 1;
    const std::string text(size, static_cast<char>('a' + i % 26));
    put += text;
    if (i % 2 == 0) {
      queue.Append(text);
    } else {
      queue.Append(SliceOf(pool, text));
    }
    const size_t take = std::min(queue.bytes(), static_cast<size_t>((seed >> 20) % 12'000));
    got += TextOf(queue).substr(0, take);
    queue.Consume(take);
    ASSERT_EQ(put.size() - got.size(), queue.bytes());
    while (queue.bytes() > 100'000) {
      got += TextOf(queue).substr(0, 50'000);
      queue.Consume(50'000);
    }
  }
  got += TextOf(queue);
  queue.Clear();
  EXPECT_TRUE(got == put);
}

}  // namespace
}  // namespace pointsman::gateway
