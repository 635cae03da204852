#include "gateway/net/out_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace pointsman::gateway {
namespace {

Slice PieceOf(ChunkPool* pool, char byte) {
  OutQueue one(pool);
  one.Append(absl::string_view(&byte, 1));
  return one.slices()[0];
}

TEST(OutQueueTest, SmallPiecesPinNoChunkEach) {
  ChunkPool pool;
  OutQueue queue(&pool);
  std::string sent;
  for (int i = 0; i < 5000; ++i) {
    sent.push_back(static_cast<char>('a' + i % 26));
    queue.Append(PieceOf(&pool, sent.back()));
  }
  EXPECT_LE(pool.in_use(), 2u);
  std::string kept;
  for (const Slice& slice : queue.slices()) kept.append(slice.data, slice.size);
  EXPECT_EQ(kept, sent);
  EXPECT_EQ(queue.bytes(), sent.size());
  queue.Clear();
  EXPECT_TRUE(queue.slices().empty());
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(OutQueueTest, WhatIsFirstTakesNoChunkForItself) {
  ChunkPool pool;
  const Slice piece = PieceOf(&pool, 'a');
  OutQueue queue(&pool);
  queue.Append(piece);
  EXPECT_EQ(queue.slices()[0].data, piece.data);
  EXPECT_EQ(pool.in_use(), 1u);
}

TEST(OutQueueTest, ForgetsWhatWasSent) {
  ChunkPool pool;
  OutQueue queue(&pool);
  queue.Append(absl::string_view("hello"));
  queue.Consume(3);
  ASSERT_EQ(queue.slices().size(), 1u);
  EXPECT_EQ(std::string(queue.slices()[0].data, queue.slices()[0].size), "lo");
}

}  // namespace
}  // namespace pointsman::gateway
