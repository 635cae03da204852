#include "sim/event_queue.h"

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

MonotonicTime At(int64_t micros) { return MonotonicTime::FromMicros(micros); }

TEST(EventQueueTest, RunsByTimeAndThenInTheOrderOfAdding) {
  EventQueue queue;
  std::mt19937_64 random(7);
  std::vector<std::tuple<int64_t, int>> ran;
  for (int i = 0; i < 5000; ++i) {
    const int64_t micros = static_cast<int64_t>(random() % 300);
    queue.At(At(micros), [&ran, &queue, i, micros] {
      EXPECT_EQ(queue.now(), At(micros));
      ran.emplace_back(micros, i);
    });
  }
  EXPECT_EQ(queue.pending(), 5000u);
  while (queue.Step()) {
  }
  ASSERT_EQ(ran.size(), 5000u);
  EXPECT_TRUE(std::is_sorted(ran.begin(), ran.end()));
  EXPECT_EQ(queue.events_run(), 5000u);
}

TEST(EventQueueTest, AnEventMayAddOthersForTheSameTime) {
  EventQueue queue;
  std::vector<int> ran;
  queue.At(At(5), [&] {
    ran.push_back(1);
    // Enough to make the queue take more memory while this one runs.
    for (int i = 0; i < 3000; ++i) queue.After(absl::ZeroDuration(), [&, i] { ran.push_back(i); });
    ran.push_back(2);
  });
  queue.RunUntil(At(5));
  ASSERT_EQ(ran.size(), 3002u);
  EXPECT_EQ(ran[1], 2);
  EXPECT_EQ(ran[3001], 2999);
}

TEST(EventQueueTest, RunsUntilAnEndAndStandsThere) {
  EventQueue queue;
  int ran = 0;
  for (const int64_t micros : {10, 20, 21}) queue.At(At(micros), [&] { ++ran; });
  queue.RunUntil(At(20));
  EXPECT_EQ(ran, 2);
  EXPECT_EQ(queue.now(), At(20));
  queue.RunUntil(At(20));
  EXPECT_EQ(ran, 2);
  EXPECT_TRUE(queue.Step());
  EXPECT_EQ(queue.now(), At(21));
  EXPECT_FALSE(queue.Step());
}

TEST(EventQueueTest, ACancelledEventDoesNotRunAndFreesWhatItHolds) {
  EventQueue queue;
  int ran = 0;
  auto held = std::make_shared<int>(1);
  const auto id = queue.At(At(10), [&ran, held] { ++ran; });
  EXPECT_EQ(held.use_count(), 2);
  EXPECT_TRUE(queue.Cancel(id));
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(queue.pending(), 0u);
  EXPECT_FALSE(queue.Cancel(id));
  EXPECT_FALSE(queue.Cancel(EventQueue::kNoEvent));
  // The next to use the place is not reached by the old name.
  queue.RunUntil(At(11));
  queue.At(At(12), [&] { ran += 10; });
  EXPECT_FALSE(queue.Cancel(id));
  queue.RunUntil(At(20));
  EXPECT_EQ(ran, 10);
}

TEST(EventQueueTest, AnEventCannotCancelItself) {
  EventQueue queue;
  EventQueue::EventId id = EventQueue::kNoEvent;
  bool cancelled = true;
  id = queue.At(At(1), [&] { cancelled = queue.Cancel(id); });
  queue.RunUntil(At(1));
  EXPECT_FALSE(cancelled);
}

TEST(EventQueueTest, KeepsLargeCallablesAndDestroysThoseThatNeverRun) {
  auto held = std::make_shared<int>(1);
  int sum = 0;
  {
    EventQueue queue;
    std::array<int, 100> large = {};
    large[99] = 7;
    queue.At(At(1), [&sum, large, held] { sum += large[99]; });
    queue.At(At(2), [&sum, large, held] { sum += 100; });
    queue.At(At(3), [&sum, held] { sum += 100; });
    EXPECT_EQ(held.use_count(), 4);
    queue.RunUntil(At(1));
    EXPECT_EQ(held.use_count(), 3);
  }
  EXPECT_EQ(sum, 7);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(EventQueueDeathTest, RefusesThePast) {
  EventQueue queue;
  queue.RunUntil(At(10));
  EXPECT_DEATH(queue.At(At(9), [] {}), "when >= now_");
}

}  // namespace
}  // namespace pointsman::sim
