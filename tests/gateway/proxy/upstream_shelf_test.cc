#include "gateway/proxy/upstream_shelf.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>
#include <utility>

#include "common/core/check.h"
#include "gtest/gtest.h"
#include "tests/gateway/proxy/engine_fixture.h"

namespace pointsman::gateway {
namespace {

using common::MonotonicTime;

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

class UpstreamShelfTest : public ::testing::Test {
 protected:
  UpstreamShelfTest() { PM_CHECK(shelf_.Open().ok()); }

  // The endpoint's end of a connection that is put on the shelf.
  Fd Put(CellRef cell, MonotonicTime deadline) {
    int ends[2];
    PM_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    shelf_.Put(cell, {Fd(ends[0])}, deadline);
    return Fd(ends[1]);
  }
  Fd Put(CellRef cell) { return Put(cell, At(60)); }
  bool Readable() {
    pollfd poll_fd{shelf_.poll_fd(), POLLIN, 0};
    return poll(&poll_fd, 1, 0) == 1;
  }
  static bool Ended(const Fd& fd) {
    char byte;
    const ssize_t got = recv(fd.get(), &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET);  // The latter when bytes were left unread.
  }
  static MonotonicTime At(int64_t seconds) {
    return MonotonicTime::FromMicros(seconds * 1'000'000);
  }

  UpstreamShelf shelf_{{.connections_max = 4, .per_endpoint_max = 3}};
  const CellRef a_{1, 1};
  const CellRef b_{2, 1};
};

TEST_F(UpstreamShelfTest, GivesOutWhatWasPutLast) {
  EXPECT_FALSE(shelf_.Take(a_, At(0)).fd.valid());
  const Fd first = Put(a_);
  const Fd second = Put(a_);
  EXPECT_EQ(shelf_.connections(), 2u);
  EXPECT_FALSE(shelf_.Take(b_, At(0)).fd.valid()) << "of another endpoint";
  const Fd taken = shelf_.Take(a_, At(0)).fd;
  ASSERT_EQ(write(taken.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(recv(second.get(), &byte, 1, MSG_DONTWAIT), 1);
  EXPECT_TRUE(shelf_.Take(a_, At(0)).fd.valid());
  EXPECT_FALSE(shelf_.Take(a_, At(0)).fd.valid());
  EXPECT_EQ(shelf_.connections(), 0u);
  EXPECT_EQ(shelf_.closed(), 0u);
}

TEST_F(UpstreamShelfTest, ClosesWhatTheEndpointEnded) {
  Fd ended = Put(a_);
  const Fd stands = Put(b_);
  EXPECT_FALSE(Readable());
  ended.Reset();
  EXPECT_TRUE(Readable());
  shelf_.Discard();
  EXPECT_FALSE(Readable());
  EXPECT_EQ(shelf_.connections(), 1u);
  EXPECT_EQ(shelf_.closed(), 1u);
  EXPECT_TRUE(shelf_.Take(b_, At(0)).fd.valid());
}

TEST_F(UpstreamShelfTest, NeverGivesOutOneThatSpoke) {
  const Fd quiet = Put(a_);
  const Fd speaks = Put(a_);
  ASSERT_EQ(write(speaks.get(), "x", 1), 1);
  EXPECT_TRUE(shelf_.Take(a_, At(0)).fd.valid());
  EXPECT_TRUE(Ended(speaks));
  EXPECT_FALSE(shelf_.Take(a_, At(0)).fd.valid());
  EXPECT_EQ(shelf_.closed(), 1u);
}

TEST_F(UpstreamShelfTest, ClosesAtTheDeadline) {
  const Fd early = Put(a_, At(5));
  const Fd late = Put(a_, At(10));
  shelf_.Expire(At(4));
  EXPECT_EQ(shelf_.connections(), 2u);
  shelf_.Expire(At(5));
  EXPECT_TRUE(Ended(early));
  EXPECT_EQ(shelf_.connections(), 1u);
  EXPECT_FALSE(shelf_.Take(a_, At(10)).fd.valid()) << "also before anybody looked";
  EXPECT_EQ(shelf_.closed(), 2u);
}

TEST_F(UpstreamShelfTest, HoldsNoMoreThanItsLimits) {
  const Fd first = Put(a_);
  const Fd second = Put(a_);
  const Fd third = Put(a_);
  const Fd fourth = Put(a_);
  EXPECT_TRUE(Ended(first)) << "the one that lay longest";
  EXPECT_FALSE(Ended(fourth));
  EXPECT_EQ(shelf_.connections(), 3u);
  const Fd other = Put(b_);
  EXPECT_EQ(shelf_.connections(), 4u);
  const Fd beyond = Put(b_);
  EXPECT_TRUE(Ended(beyond));
  EXPECT_EQ(shelf_.connections(), 4u);
  EXPECT_EQ(shelf_.closed(), 2u);
}

TEST_F(UpstreamShelfTest, ASlotsNextOwnerGetsNothingOfTheLast) {
  const Fd old = Put(a_);
  EXPECT_FALSE(shelf_.Take({a_.index, 2}, At(0)).fd.valid());
  EXPECT_TRUE(Ended(old));
  const Fd late = Put(a_);
  EXPECT_TRUE(Ended(late)) << "from a worker with an older table";
  EXPECT_EQ(shelf_.connections(), 0u);
}

TEST_F(UpstreamShelfTest, KeepsOnlyWhatTheTableHas) {
  const Fd stays = Put(a_);
  const Fd goes = Put(b_);
  auto service = std::make_shared<ServiceTable>();
  BlockListEditor<Endpoint> endpoints(&service->endpoints);
  Endpoint endpoint;
  endpoint.handle = 1;
  endpoint.cell = a_;
  endpoints.Set(0, endpoint);
  endpoints.Finish();
  RoutingTable table;
  BlockListEditor<std::shared_ptr<const ServiceTable>> services(&table.services);
  services.Set(0, std::move(service));
  services.Finish();
  shelf_.KeepOnly(table);
  EXPECT_TRUE(Ended(goes));
  EXPECT_FALSE(Ended(stays));
  EXPECT_EQ(shelf_.connections(), 1u);
}

TEST_F(UpstreamShelfTest, TakesNothingOnceItIsClosed) {
  const Fd before = Put(a_);
  shelf_.Close();
  const Fd after = Put(a_);
  EXPECT_TRUE(Ended(before));
  EXPECT_TRUE(Ended(after));
  EXPECT_EQ(shelf_.connections(), 0u);
}

// Run under the thread sanitizer.
TEST_F(UpstreamShelfTest, WorkersPutAndTakeWhileOneTendsIt) {
  std::atomic<bool> over{false};
  const auto work = [this] {
    for (int i = 0; i < 3'000; ++i) {
      Fd peer = Put(a_);
      if (i % 3 == 0) peer.Reset();
      shelf_.Take(i % 2 == 0 ? a_ : b_, At(0));
    }
  };
  std::thread first(work);
  std::thread second(work);
  std::thread tends([&] {
    while (!over) {
      shelf_.Discard();
      shelf_.Expire(At(0));
    }
  });
  first.join();
  second.join();
  over = true;
  tends.join();
  shelf_.Close();
  EXPECT_EQ(shelf_.connections(), 0u);
}

// ---- Through the engine.

class SharedConnectionsTest : public EngineFixture {
 protected:
  SharedConnectionsTest() {
    workers = 4;
    limits.upstream_shelf_after = absl::Milliseconds(20);
  }
  bool Shelved(uint64_t count) {
    return WaitFor([&] { return engine().Stats().upstream_shelved == count; });
  }
};

TEST_F(SharedConnectionsTest, OneConnectionServesEveryWorkerInTurn) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  // As many clients as it takes that each worker has some.
  std::vector<Peer> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(Client());
    clients.back().Write(kGet);
    ASSERT_EQ(clients.back().ReadMessage().status(), 200);
    ASSERT_TRUE(Shelved(1));
  }
  EXPECT_EQ(upstream.connections(), 1);
  const EngineStats stats = engine().Stats();
  EXPECT_EQ(stats.upstream_opened, 1u);
  EXPECT_EQ(stats.upstream_shelf_taken, 15u);
  EXPECT_EQ(stats.upstream_idle, 1u);
  EXPECT_EQ(stats.stale_retries, 0u);
}

TEST_F(SharedConnectionsTest, AnEndpointThatClosesIsHeardAtOnce) {
  std::atomic<bool> close{false};
  ScriptedUpstream upstream([&](Peer& peer, int) {
    peer.ReadMessage();
    peer.Write(Ok("x"));
    while (!close.load()) std::this_thread::yield();
  });
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_EQ(client.ReadMessage().status(), 200);
  ASSERT_TRUE(Shelved(1));
  close = true;
  ASSERT_TRUE(Shelved(0));
  EXPECT_EQ(engine().Stats().upstream_idle_closed, 1u);
  client.Write(kGet);
  EXPECT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(upstream.connections(), 2);
  EXPECT_EQ(engine().Stats().stale_retries, 0u);
}

TEST_F(SharedConnectionsTest, WhatIsTooMuchForAWorkerIsShelved) {
  workers = 2;
  limits.idle_per_endpoint_max = 1;
  limits.upstream_shelf_after = absl::Minutes(1);
  std::atomic<int> waiting{0};
  ScriptedUpstream upstream([&](Peer& peer, int) {
    while (peer.ReadMessage().complete) {
      ++waiting;
      while (waiting.load() < 4) std::this_thread::yield();
      peer.Write(Ok("x"));
    }
  });
  Publish({upstream.port()});
  std::vector<Peer> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(Client());
    clients.back().Write(kGet);
  }
  for (Peer& client : clients) EXPECT_EQ(client.ReadMessage().status(), 200);
  // Four connections, of which the two workers may keep one each and the shelf one.
  ASSERT_TRUE(Shelved(1));
  EXPECT_TRUE(WaitFor([&] { return engine().Stats().upstream_idle_closed >= 1; }));
}

TEST_F(SharedConnectionsTest, ADrainLeavesNothingOnTheShelf) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_EQ(client.ReadMessage().status(), 200);
  ASSERT_TRUE(Shelved(1));
  engine().Drain(absl::Seconds(5));
  EXPECT_EQ(engine().Stats().upstream_shelved, 0u);
}

TEST_F(SharedConnectionsTest, EndpointsThatLeaveTheTableLeaveTheShelf) {
  limits.sweep_interval = absl::Milliseconds(20);
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  ScriptedUpstream other(Answering([](const TestMessage&) { return Ok("y"); }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write(kGet);
  ASSERT_EQ(client.ReadMessage().status(), 200);
  ASSERT_TRUE(Shelved(1));
  Publish({other.port()});
  EXPECT_TRUE(Shelved(0));
}

}  // namespace
}  // namespace pointsman::gateway
