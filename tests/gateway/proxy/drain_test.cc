// The end of an engine's life, and its sockets' life beyond it.

#include <cerrno>
#include <future>
#include <string>

#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/holding_observer.h"

namespace pointsman::gateway {
namespace {

class DrainTest : public EngineFixture {
 protected:
  // Begins on a thread of its own; returns once the workers were told.
  void BeginDrain(const DrainOptions& options) {
    drain_ = std::thread([this, options] { engine().Drain(options); });
    PM_CHECK(WaitFor([this] { return engine().draining(); }));
  }
  void AwaitDrained() { drain_.join(); }

 private:
  std::thread drain_;
};

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST_F(DrainTest, DrainEndsAfterTheCurrentAnswers) {
  limits.drain_idle_wait = absl::ZeroDuration();
  std::promise<void> go;
  auto ready = go.get_future().share();
  ScriptedUpstream upstream([ready](Peer& peer, int) {
    while (true) {
      const TestMessage request = peer.ReadMessage();
      if (!request.complete) return;
      if (request.first_line == "GET /busy HTTP/1.1") ready.wait();
      peer.Write(Ok("x"));
    }
  });
  Publish({upstream.port()});
  Peer idle = Client();
  idle.Write(kGet);
  ASSERT_EQ(idle.ReadMessage().status(), 200);
  Peer busy = Client();
  busy.Write("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 1; }));
  std::thread drain([&] { engine().Drain(absl::Seconds(10)); });
  EXPECT_TRUE(idle.Closed());
  go.set_value();
  const TestMessage answer = busy.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.Field("connection"), "close");
  busy.Close();
  drain.join();
  EXPECT_EQ(engine().Stats().connections, 0u);
}

TEST_F(DrainTest, DrainAnswersWhatHasReachedTheHost) {
  HoldingObserver holder;
  observer = &holder;
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer idle = Client();
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().connections == 1; }));
  Peer first = Client();
  first.Write(kGet);
  holder.WaitUntilHolding();
  // The worker stands still: one request waits in a socket, one connection to be accepted.
  idle.Write(kGet);
  Peer waiting = Client();
  waiting.Write(kGet);
  std::thread drain([&] { engine().Drain(absl::Seconds(10)); });
  ASSERT_TRUE(WaitFor([&] { return engine().draining(); }));
  holder.Go();
  for (Peer* client : {&idle, &waiting}) {
    const TestMessage answer = client->ReadMessage();
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.Field("connection"), "close");
    client->Close();
  }
  first.Close();
  drain.join();
}

TEST_F(DrainTest, DrainWaitsForFirstRequests) {
  limits.drain_first_request_wait = absl::Hours(1);
  limits.drain_idle_wait = absl::ZeroDuration();
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer used = Client();
  used.Write(kGet);
  ASSERT_EQ(used.ReadMessage().status(), 200);
  Peer fresh = Client();
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().connections == 2; }));
  std::thread drain([&] { engine().Drain(absl::Seconds(10)); });
  EXPECT_TRUE(used.Closed());  // The drain has begun.
  fresh.Write(kGet);
  const TestMessage answer = fresh.ReadMessage();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.Field("connection"), "close");
  fresh.Close();
  drain.join();
}

TEST_F(DrainTest, DrainDoesNotWaitLongForFirstRequests) {
  limits.drain_first_request_wait = absl::Milliseconds(20);
  limits.drain_idle_wait = absl::ZeroDuration();
  Publish({});
  Peer mute = Client();
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().connections == 1; }));
  engine().Drain(absl::Hours(1));
  EXPECT_TRUE(mute.Closed());
}

TEST_F(DrainTest, DrainHasADeadline) {
  ScriptedUpstream upstream([](Peer& peer, int) {
    std::string all;
    peer.ReadToEnd(&all);  // And never answers.
  });
  Publish({upstream.port()});
  Peer busy = Client();
  busy.Write(kGet);
  ASSERT_TRUE(WaitFor([&] { return engine().Stats().requests_active == 1; }));
  engine().Drain(absl::Milliseconds(20));
  EXPECT_TRUE(busy.Closed());
}

TEST_F(DrainTest, IdleConnectionsAreToldWithTheirNextAnswer) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer idle = Client();
  idle.Write(kGet);
  ASSERT_EQ(idle.ReadMessage().Field("connection"), "");
  BeginDrain({.grace = absl::Hours(1)});
  TestMessage answer;
  do {  // Until the worker has taken notice.
    idle.Write(kGet);
    answer = idle.ReadMessage();
    ASSERT_EQ(answer.status(), 200);
  } while (answer.Field("connection") != "close");
  EXPECT_TRUE(idle.Closed());
  idle.Close();
  AwaitDrained();
}

TEST_F(DrainTest, IdleConnectionsHaveTwoThirdsOfTheGrace) {
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer idle = Client();
  idle.Write(kGet);
  ASSERT_EQ(idle.ReadMessage().status(), 200);
  const absl::Time begun = absl::Now();
  engine().Drain(absl::Milliseconds(150));
  EXPECT_GE(absl::Now() - begun, absl::Milliseconds(100));
  EXPECT_TRUE(idle.Closed());
}

TEST_F(DrainTest, AConnectionWhoseAnswerHadBegunIsToldWithTheNextOne) {
  limits.drain_idle_wait = absl::ZeroDuration();
  limits.drain_first_request_wait = absl::Hours(1);
  std::promise<void> go;
  auto ready = go.get_future().share();
  ScriptedUpstream upstream([ready](Peer& peer, int) {
    while (true) {
      const TestMessage request = peer.ReadMessage();
      if (!request.complete) return;
      if (request.first_line != "GET /slow HTTP/1.1") {
        peer.Write(Ok("x"));
        continue;
      }
      peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
      ready.wait();
      peer.Write("b");
    }
  });
  Publish({upstream.port()});
  Peer idle = Client();
  idle.Write(kGet);
  ASSERT_EQ(idle.ReadMessage().status(), 200);
  Peer client = Client();
  client.Write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadHead().Field("connection"), "");
  BeginDrain({.grace = absl::Hours(1)});
  EXPECT_TRUE(idle.Closed());  // The worker has taken notice.
  go.set_value();
  std::string body;
  ASSERT_TRUE(client.ReadExact(2, &body));
  EXPECT_EQ(body, "ab");
  client.Write(kGet);
  const TestMessage last = client.ReadMessage();
  EXPECT_EQ(last.status(), 200);
  EXPECT_EQ(last.Field("connection"), "close");
  client.Close();
  AwaitDrained();
}

// An engine beside the fixture's, as of a process that takes its place.
class Successor {
 public:
  Successor(size_t workers, std::vector<Engine::Sockets> sockets) : cells_(workers) {
    EngineOptions options;
    options.listeners = {{*common::ParseAddress("127.0.0.1:0")}};
    options.limits.first_table_wait = absl::ZeroDuration();
    options.cells = &cells_;
    options.clock = &common::SystemClock();
    auto started = Engine::Start(std::move(options), std::move(sockets));
    PM_CHECK(started.ok());
    engine_ = *std::move(started);
  }
  Engine& engine() { return *engine_; }

 private:
  EndpointCells cells_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(DrainTest, WhatWaitsOnSocketsHandedOverIsTheSuccessors) {
  // 503 of the successor, which has no table; 200 of the engine that drains.
  HoldingObserver holder;
  observer = &holder;
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer first = Client();
  first.Write(kGet);
  holder.WaitUntilHolding();
  // The worker stands still: these wait to be accepted.
  std::vector<Peer> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(Client());
    waiting.back().Write(kGet);
  }
  auto sockets = engine().DuplicateSockets();
  ASSERT_TRUE(sockets.ok());
  BeginDrain({.grace = absl::Hours(1), .handed_over = {true}});
  holder.Go();
  first.Close();
  AwaitDrained();
  Successor successor(3, *std::move(sockets));
  EXPECT_EQ(successor.engine().listen_addresses(), engine().listen_addresses());
  for (Peer& client : waiting) EXPECT_EQ(client.ReadMessage().status(), 503);
}

TEST_F(DrainTest, EverySocketIsServedByFewerWorkers) {
  workers = 4;
  Publish({});
  auto sockets = engine().DuplicateSockets();
  ASSERT_TRUE(sockets.ok());
  EXPECT_EQ(sockets->at(0).size(), 4u);
  const uint16_t same_port = port();
  Successor successor(1, *std::move(sockets));
  engine().Drain({.grace = absl::ZeroDuration(), .handed_over = {true}});
  // The kernel spreads these over all four sockets.
  for (int i = 0; i < 64; ++i) {
    Peer client = Peer::Connect(same_port);
    client.Write(kGet);
    ASSERT_EQ(client.ReadMessage().status(), 503);
  }
  EXPECT_EQ(successor.engine().Stats().accepted, 64u);
}

TEST_F(DrainTest, SocketsThatAreNotHandedOverRefuse) {
  Publish({});
  const uint16_t same_port = port();
  engine().Drain(absl::ZeroDuration());
  const auto address = common::ParseAddress(absl::StrCat("127.0.0.1:", same_port));
  const ConnectStart late = StartConnect(SocketAddress::From(*address));
  EXPECT_FALSE(late.done);
  EXPECT_TRUE(WaitFor(
      [&] { return late.error == ECONNREFUSED || ConnectError(late.fd.get()) == ECONNREFUSED; }));
}

}  // namespace
}  // namespace pointsman::gateway
