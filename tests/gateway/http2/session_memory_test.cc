#include "gateway/http2/session_memory.h"

#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(SessionMemoryTest, BlocksOfEverySizeHoldTheirBytes) {
  nghttp2_mem* memory = SessionMemory();
  // The second time they come from the lists.
  for (int round = 0; round < 2; ++round) {
    std::vector<char*> blocks;
    for (size_t size = 1; size <= 2 * kKeptBlockBytesMax; ++size) {
      blocks.push_back(static_cast<char*>(memory->malloc(size, memory->mem_user_data)));
      std::memset(blocks.back(), static_cast<int>(size % 251), size);
    }
    EXPECT_EQ(std::set<char*>(blocks.begin(), blocks.end()).size(), blocks.size());
    for (size_t size = 1; size <= blocks.size(); ++size) {
      const char* block = blocks[size - 1];
      for (size_t i = 0; i < size; ++i) {
        ASSERT_EQ(static_cast<unsigned char>(block[i]), size % 251);
      }
    }
    for (char* block : blocks) memory->free(block, memory->mem_user_data);
  }
}

TEST(SessionMemoryTest, ZeroesWhatIsUsedAgain) {
  nghttp2_mem* memory = SessionMemory();
  for (int round = 0; round < 2; ++round) {
    auto* block = static_cast<char*>(memory->calloc(7, 11, memory->mem_user_data));
    for (int i = 0; i < 77; ++i) ASSERT_EQ(block[i], 0);
    std::memset(block, 'x', 77);
    memory->free(block, memory->mem_user_data);
  }
}

TEST(SessionMemoryTest, KeepsWhatABlockHeldWhenItGrows) {
  nghttp2_mem* memory = SessionMemory();
  auto* block = static_cast<char*>(memory->malloc(30, memory->mem_user_data));
  std::memset(block, 'k', 30);
  block = static_cast<char*>(memory->realloc(block, 5000, memory->mem_user_data));
  for (int i = 0; i < 30; ++i) ASSERT_EQ(block[i], 'k');
  memory->free(block, memory->mem_user_data);
}

TEST(SessionMemoryTest, GivesBackWhatAWhileDidNotNeed) {
  std::thread([] {
    nghttp2_mem* memory = SessionMemory();
    std::vector<void*> blocks;
    for (size_t i = 0; i < 100; ++i) blocks.push_back(memory->malloc(500, memory->mem_user_data));
    for (void* block : blocks) memory->free(block, memory->mem_user_data);
    const size_t all = SessionMemoryKept();
    // They were in use since the last call.
    TrimSessionMemory();
    EXPECT_EQ(SessionMemoryKept(), all);
    for (size_t i = 0; i < 40; ++i) blocks[i] = memory->malloc(500, memory->mem_user_data);
    for (size_t i = 0; i < 40; ++i) memory->free(blocks[i], memory->mem_user_data);
    TrimSessionMemory();
    EXPECT_EQ(SessionMemoryKept(), all / 100 * 40);
    TrimSessionMemory();
    EXPECT_EQ(SessionMemoryKept(), 0u);
  }).join();
}

TEST(SessionMemoryTest, KeepsNoMoreThanItsBound) {
  std::thread([] {
    nghttp2_mem* memory = SessionMemory();
    std::vector<void*> blocks;
    for (size_t i = 0; i < 2 * kKeptBytesMax / 500; ++i) {
      blocks.push_back(memory->malloc(500, memory->mem_user_data));
    }
    for (void* block : blocks) memory->free(block, memory->mem_user_data);
    EXPECT_LE(SessionMemoryKept(), kKeptBytesMax);
  }).join();
}

TEST(SessionMemoryTest, ABlockMayBeFreedByAnotherThread) {
  nghttp2_mem* memory = SessionMemory();
  void* block = nullptr;
  std::thread([&] { block = memory->malloc(100, memory->mem_user_data); }).join();
  memory->free(block, memory->mem_user_data);
  memory->free(nullptr, memory->mem_user_data);
}

}  // namespace
}  // namespace pointsman::gateway
