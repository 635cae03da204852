// Connections go to the worker with the fewest, whatever socket the kernel chose.

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_join.h"
#include "tests/gateway/proxy/engine_fixture.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

class HandOffTest : public EngineFixture {
 protected:
  HandOffTest() { workers = 4; }

  // Clients' connections by worker.
  std::vector<size_t> Spread() {
    std::vector<size_t> spread(workers);
    for (const ConnectionFacts& one : engine().ListConnections(1000, absl::Seconds(10)).shown) {
      if (!one.upstream) ++spread[one.worker];
    }
    return spread;
  }
  bool Ask(Peer& client) {
    client.Write(kGet);
    return client.ReadMessage().status() == 200;
  }

  ScriptedUpstream upstream_{Answering([](const TestMessage&) { return Ok("good"); })};
};

TEST_F(HandOffTest, FewLongLivedConnectionsAreSpreadEvenly) {
  Publish({upstream_.port()});
  std::vector<Peer> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(Client());
    ASSERT_TRUE(Ask(clients.back()));
  }
  const std::vector<size_t> spread = Spread();
  const auto [least, most] = std::minmax_element(spread.begin(), spread.end());
  EXPECT_LE(*most - *least, 2u) << absl::StrJoin(spread, " ");
  EXPECT_GT(engine().Stats().handed_off, 0u);
  EXPECT_EQ(engine().Stats().accepted, 40u);
}

TEST_F(HandOffTest, NoConnectionIsLostInADrain) {
  Publish({upstream_.port()});
  std::atomic<int> answered{0};
  std::atomic<int> silent{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (!stop.load()) {
        Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port());
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return;
        Peer client(std::move(fd));
        if (!client.Write(kGet)) return;
        ++(client.ReadMessage().complete ? answered : silent);
      }
    });
  }
  ASSERT_TRUE(WaitFor([&] { return answered.load() > 500; }));
  engine().Drain(absl::Seconds(5));
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  // The kernel resets what connects while a socket closes: one of each thread at most.
  EXPECT_LE(silent.load(), 4);
}

}  // namespace
}  // namespace pointsman::gateway
