// Endpoints that do far worse than the others are avoided, between real sockets
// (docs/design/retries.md).

#include <poll.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "tests/gateway/proxy/engine_fixture.h"

namespace pointsman::gateway {
namespace {

constexpr int kSlowMillis = 50;

class ProxyOutliersTest : public EngineFixture {
 protected:
  ProxyOutliersTest() {
    limits.outlier_interval = absl::Milliseconds(200);
    // So that a slow one gets its part, too.
    picker.kind = PickerPolicy::Kind::kRoundRobin;
  }

  static ScriptedUpstream::Script Good() {
    return Answering([](const TestMessage&) { return Ok("fine"); });
  }
  // Of all its requests every second fails.
  static ScriptedUpstream::Script HalfFailing() {
    auto asked = std::make_shared<std::atomic<int>>(0);
    return Answering([asked](const TestMessage&) -> std::string {
      if (asked->fetch_add(1) % 2 == 0) return Ok("fine");
      return "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n";
    });
  }
  static ScriptedUpstream::Script Slow() {
    return [](Peer& peer, int) {
      while (peer.ReadMessage().complete) {
        pollfd gone{peer.fd(), POLLIN, 0};
        poll(&gone, 1, kSlowMillis);
        if (!peer.Write(Ok("slow"))) return;
      }
    };
  }

  // Clients that ask as fast as they can until `over` or nobody has patience any more; whether it
  // is over. `over` is asked by one of them, with the last answer.
  bool AskUntil(const std::function<bool(const TestMessage& answer)>& over) {
    const common::MonotonicTime begun = common::SystemClock().Now();
    std::atomic<bool> stop{false};
    std::vector<std::thread> others;
    for (int i = 0; i < 7; ++i) {
      others.emplace_back([&] { Ask([&](const TestMessage&) { return stop.load(); }); });
    }
    bool is_over = false;
    Ask([&](const TestMessage& answer) {
      is_over = over(answer);
      return is_over || common::SystemClock().Now() - begun > absl::Milliseconds(kPatienceMillis);
    });
    stop = true;
    for (std::thread& other : others) other.join();
    return is_over;
  }

 private:
  template <typename Over>
  void Ask(Over over) {
    Peer client = Client();
    TestMessage answer;
    do {
      client.Write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      answer = client.ReadMessage();
      ASSERT_TRUE(answer.complete);
    } while (!over(answer));
  }
};

TEST_F(ProxyOutliersTest, OneThatFailsEverySecondTimeIsAvoided) {
  ScriptedUpstream bad(HalfFailing());
  ScriptedUpstream good(Good());
  ScriptedUpstream other(Good());
  Publish({bad.port(), good.port(), other.port()});
  // One of six answers is a failure until then.
  int in_a_row = 0;
  EXPECT_TRUE(AskUntil([&](const TestMessage& answer) {
    const bool found = engine().Stats().outliers_failing > 0;
    in_a_row = found && answer.status() == 200 ? in_a_row + 1 : 0;
    return in_a_row == 200;
  }));
  EXPECT_EQ(engine().Stats().outliers_slow, 0u);
  EXPECT_GT(Totals(bad.port()).avoided_micros, 0);
  EXPECT_EQ(Totals(good.port()).avoided_micros + Totals(other.port()).avoided_micros, 0);
}

TEST_F(ProxyOutliersTest, OneThatIsFarSlowerIsAvoided) {
  ScriptedUpstream slow(Slow());
  ScriptedUpstream good(Good());
  ScriptedUpstream other(Good());
  Publish({slow.port(), good.port(), other.port()});
  // One of three answers is slow until then.
  int in_a_row = 0;
  EXPECT_TRUE(AskUntil([&](const TestMessage& answer) {
    const bool found = engine().Stats().outliers_slow > 0;
    in_a_row = found && answer.body == "fine" ? in_a_row + 1 : 0;
    return in_a_row == 200;
  }));
  EXPECT_GT(Totals(slow.port()).avoided_micros, 0);
  EXPECT_EQ(Totals(good.port()).avoided_micros + Totals(other.port()).avoided_micros, 0);
}

TEST_F(ProxyOutliersTest, WhatAllDoAlikeHasNobodyAvoided) {
  ScriptedUpstream endpoints[] = {ScriptedUpstream(HalfFailing()), ScriptedUpstream(HalfFailing()),
                                  ScriptedUpstream(HalfFailing())};
  Publish({endpoints[0].port(), endpoints[1].port(), endpoints[2].port()});
  const common::MonotonicTime begun = common::SystemClock().Now();
  int asked = 0;
  EXPECT_TRUE(AskUntil([&](const TestMessage&) {
    return ++asked > 300 && common::SystemClock().Now() - begun > 5 * limits.outlier_interval;
  }));
  EXPECT_EQ(engine().Stats().outliers_failing, 0u);
  for (const ScriptedUpstream& endpoint : endpoints) {
    EXPECT_EQ(Totals(endpoint.port()).avoided_micros, 0);
  }
}

TEST_F(ProxyOutliersTest, OneThatIsWellAgainIsUsedAgain) {
  std::atomic<bool> broken{true};
  std::atomic<int> well{0};
  ScriptedUpstream bad(Answering([&](const TestMessage&) -> std::string {
    if (broken) return "HTTP/1.1 503 Broken\r\nContent-Length: 0\r\n\r\n";
    ++well;
    return Ok("well");
  }));
  ScriptedUpstream good(Good());
  ScriptedUpstream other(Good());
  Publish({bad.port(), good.port(), other.port()});
  ASSERT_TRUE(AskUntil([&](const TestMessage&) { return engine().Stats().outliers_failing > 0; }));
  broken = false;
  EXPECT_TRUE(AskUntil([&](const TestMessage&) { return well > 100; }));
  EXPECT_EQ(engine().Stats().outliers_failing, 1u);
}

}  // namespace
}  // namespace pointsman::gateway
