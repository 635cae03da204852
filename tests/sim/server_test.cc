#include "sim/server.h"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sim/random.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

MonotonicTime At(int64_t micros) { return MonotonicTime::FromMicros(micros); }

class ServerTest : public ::testing::Test, public CompletionSink {
 protected:
  void OnCompletion(const Completion& completion) override {
    ended[completion.ticket] = {completion.outcome, queue.now().micros(), completion};
  }

  Server::JobId Send(Server& server, double work) {
    return server.Submit({work, next_ticket++, this}, random);
  }

  struct Ended {
    Outcome outcome;
    int64_t at;
    Completion completion;
  };
  EventQueue queue;
  std::mt19937_64 random{1};
  std::map<uint64_t, Ended> ended;  // By ticket, from 0.
  uint64_t next_ticket = 0;
};

TEST_F(ServerTest, ServesInOrderInItsSlots) {
  Server server(queue, {.concurrency = 2});
  for (const double work : {100, 300, 50, 10}) Send(server, work);
  EXPECT_EQ(server.in_flight(), 4u);
  EXPECT_EQ(server.queued(), 2u);
  queue.RunUntil(At(1000));
  EXPECT_EQ(ended[0].at, 100);
  EXPECT_EQ(ended[1].at, 300);
  EXPECT_EQ(ended[2].at, 150);
  EXPECT_EQ(ended[3].at, 160);
  EXPECT_EQ(ended[3].completion.in_flight_at_arrival, 3u);
  EXPECT_EQ(ended[3].completion.in_server, absl::Microseconds(160));
  EXPECT_EQ(server.in_flight(), 0u);
}

TEST_F(ServerTest, WorkThatIsLeftIsDoneAtTheNewSpeed) {
  Server server(queue, {.concurrency = 1, .speed = 2});
  Send(server, 1000);
  queue.RunUntil(At(100));  // 200 done.
  server.SetSpeed(0.5);
  queue.RunUntil(At(500));  // 400 done.
  server.SetSpeed(0);
  queue.RunUntil(At(10'000));
  EXPECT_TRUE(ended.empty());
  server.SetSpeed(1);
  queue.RunUntil(At(20'000));
  EXPECT_EQ(ended[0].at, 10'600);
  EXPECT_DOUBLE_EQ(server.counters().work_done_micros, 1000);
  EXPECT_DOUBLE_EQ(server.counters().busy_micros, 10'600);
}

TEST_F(ServerTest, CountsLoadClippedAndUnclipped) {
  Server server(queue, {.concurrency = 2});
  const ServerCounters before = server.counters();
  for (int i = 0; i < 6; ++i) Send(server, 500);
  queue.RunUntil(At(1000));
  const ServerCounters after = server.counters();
  EXPECT_DOUBLE_EQ(BusyShare(before, after, absl::Microseconds(1000), 2), 1);
  EXPECT_DOUBLE_EQ(OfferedLoad(before, after, absl::Microseconds(1000), 2), 1.5);
  EXPECT_DOUBLE_EQ(after.in_flight_micros, 500 * 6 + 500 * 4);
  EXPECT_EQ(after.completions, 4u);
  EXPECT_DOUBLE_EQ(after.latency_micros, 2 * 500 + 2 * 1000);
}

TEST_F(ServerTest, ACrashResetsWhatItHadAndRefusesTheRest) {
  Server server(queue, {.concurrency = 1});
  for (int i = 0; i < 3; ++i) Send(server, 100);
  queue.RunUntil(At(150));
  server.SetFaults({.crashed = true});
  EXPECT_EQ(server.in_flight(), 0u);
  EXPECT_EQ(Send(server, 100), Server::kNoJob);
  EXPECT_EQ(ended.size(), 1u) << "told from within Submit";
  queue.RunUntil(At(1000));
  EXPECT_EQ(ended[0].outcome, Outcome::kOk);
  EXPECT_EQ(ended[1].outcome, Outcome::kReset);
  EXPECT_EQ(ended[2].outcome, Outcome::kReset);
  EXPECT_EQ(ended[3].outcome, Outcome::kRefused);
  server.SetFaults({});
  Send(server, 100);
  queue.RunUntil(At(2000));
  EXPECT_EQ(ended[4].at, 1100);
  EXPECT_EQ(server.counters().resets, 2u);
  EXPECT_EQ(server.counters().refused, 1u);
}

TEST_F(ServerTest, ABlackHoleHoldsUntilTheSenderGivesUp) {
  Server server(queue, {.concurrency = 1});
  Send(server, 100);
  server.SetFaults({.black_hole = true});
  const auto id = Send(server, 100);
  queue.RunUntil(At(1000));
  EXPECT_EQ(ended.size(), 1u);
  EXPECT_EQ(server.in_flight(), 1u);
  EXPECT_TRUE(server.Abandon(id));
  EXPECT_FALSE(server.Abandon(id));
  EXPECT_EQ(server.in_flight(), 0u);
}

TEST_F(ServerTest, AbandonedRequestsMakeRoom) {
  Server server(queue, {.concurrency = 1});
  const auto running = Send(server, 1000);
  const auto waiting = Send(server, 1000);
  Send(server, 10);
  Send(server, 10);
  queue.RunUntil(At(100));
  EXPECT_TRUE(server.Abandon(waiting));
  EXPECT_TRUE(server.Abandon(running));
  queue.RunUntil(At(5000));
  EXPECT_EQ(ended.size(), 2u);
  EXPECT_EQ(ended[2].at, 110);
  EXPECT_EQ(ended[3].at, 120);
  EXPECT_FALSE(server.Abandon(running));
  // A place that is used again is not reached by the old name.
  const auto next = Send(server, 10);
  EXPECT_FALSE(server.Abandon(running));
  EXPECT_FALSE(server.Abandon(waiting));
  EXPECT_TRUE(server.Abandon(next));
  EXPECT_EQ(server.counters().abandoned, 3u);
}

TEST_F(ServerTest, RefusesBeyondItsQueue) {
  Server server(queue, {.concurrency = 1, .queue_max = 1});
  for (int i = 0; i < 3; ++i) Send(server, 10);
  queue.RunUntil(At(100));
  EXPECT_EQ(ended[1].outcome, Outcome::kOk);
  EXPECT_EQ(ended[2].outcome, Outcome::kQueueFull);
}

TEST_F(ServerTest, FailsFastOrAfterServiceInItsShares) {
  random.seed(SeedOr(3));
  Server server(queue, {.concurrency = 1});
  server.SetFaults({.fast_failure_share = 0.25,
                    .fast_failure_time = absl::Microseconds(5),
                    .grey_error_share = 0.4,
                    .slow_factor = 2});
  constexpr int kSent = 20'000;
  for (int i = 0; i < kSent; ++i) {
    queue.At(At(i * 1000), [this, &server] { Send(server, 100); });
  }
  queue.RunUntil(At(int64_t{kSent} * 1000));
  int counts[3] = {};
  for (const auto& [ticket, end] : ended) {
    ++counts[static_cast<int>(end.outcome)];
    const bool fast = end.outcome == Outcome::kFastError;
    EXPECT_EQ(end.completion.in_server, absl::Microseconds(fast ? 5 : 200));
  }
  // Four standard deviations.
  EXPECT_NEAR(counts[static_cast<int>(Outcome::kFastError)], kSent * 0.25, 250);
  EXPECT_NEAR(counts[static_cast<int>(Outcome::kError)], kSent * 0.75 * 0.4, 260);
  EXPECT_EQ(server.counters().errors + server.counters().completions, ended.size());
}

// Whatever happens, each accepted request ends once and work is neither lost nor made up.
TEST_F(ServerTest, KeepsItsBooksThroughRandomChanges) {
  random.seed(SeedOr(4));
  Server server(queue, {.concurrency = 3, .queue_max = 50});
  std::vector<Server::JobId> ids;
  for (int step = 0; step < 20'000; ++step) {
    queue.RunUntil(queue.now() + absl::Microseconds(UniformIndex(60, random)));
    const uint64_t choice = UniformIndex(100, random);
    if (choice < 70) ids.push_back(Send(server, Exponential(100, random)));
    if (choice >= 70 && choice < 80) server.SetSpeed(Uniform(0.2, 3, random));
    if (choice >= 80 && choice < 98 && !ids.empty()) {
      server.Abandon(ids[UniformIndex(ids.size(), random)]);
    }
    if (choice >= 98) {
      server.SetFaults({.crashed = UniformIndex(4, random) == 0, .grey_error_share = 0.1});
    }
    ASSERT_LE(server.running(), 3u);
    ASSERT_TRUE(server.queued() == 0 || server.running() == 3u);
    ASSERT_EQ(server.in_flight(), server.queued() + server.running());
  }
  server.SetSpeed(1);
  queue.RunUntil(queue.now() + absl::Seconds(10));
  const ServerCounters& c = server.counters();
  EXPECT_EQ(c.arrivals, c.completions + c.errors + c.refused + c.resets + c.abandoned);
  EXPECT_EQ(ended.size() + c.abandoned, c.arrivals);
  EXPECT_LE(c.work_done_micros, c.work_offered_micros + 3.0 * static_cast<double>(c.arrivals));
}

}  // namespace
}  // namespace pointsman::sim
