// A thousand routing tables under load: nobody notices, and nothing of the old ones is left.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/gateway/proxy/attack_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"

namespace pointsman::gateway {
namespace {

class TableReloadTest : public AttackFixture {
 protected:
#ifdef PM_TEST_SANITIZED
  static constexpr int kTables = 200;
#else
  static constexpr int kTables = 1'000;
#endif
  static constexpr int kClientsOfEach = 3;

  TableReloadTest() {
    workers = 2;
    // What a change of tables breaks must not be mended by a second try.
    policy.max_retries = 0;
  }

  void Http1Client() {
    Peer client = Client();
    while (!stop_.load()) {
      client.Write("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
      const TestMessage answer = client.ReadMessage();
      if (!Count(answer.status() == 200 && answer.body == "hi", &http1_)) return;
    }
  }
  // Four streams at a time.
  void Http2Client() {
    Peer socket = Client();
    Http2Peer client(Http2Peer::Side::kClient, &socket);
    while (!stop_.load()) {
      int32_t ids[4];
      for (int32_t& id : ids) id = client.Request(Http2Peer::Post("/2"), "hi");
      for (const int32_t id : ids) {
        const H2Message& answer = client.Await(id);
        if (!Count(answer.status() == 200 && answer.body == "hi", &http2_)) return;
        client.messages().erase(id);
      }
    }
  }
  bool Count(bool good, std::atomic<uint64_t>* answered) {
    (good ? *answered : failed_).fetch_add(1);
    return good;
  }

  // The table's number decides: everything changes, and the last endpoint leaves and comes back.
  void PublishNext(int number) {
    policy.first_byte_timeout = absl::Seconds(10 + number % 7);
    policy.max_in_flight = static_cast<uint32_t>(10'000 + number);
    policy.retry_budget_ratio = 0.1 * (number % 5);
    weights.clear();
    for (uint32_t i = 0; i < 3; ++i) weights.push_back(1'000 + 7'919 * (number * (i + 1) % 13));
    std::vector<uint16_t> ports = ports_;
    if (number % 2 == 1) ports.pop_back();
    Publish(ports);
  }

  void Load() {
    std::vector<std::thread> clients;
    clients.reserve(size_t{2} * kClientsOfEach);
    for (int i = 0; i < kClientsOfEach; ++i) {
      clients.emplace_back([this] { Http1Client(); });
      clients.emplace_back([this] { Http2Client(); });
    }
    for (int number = 0; number < kTables && failed_.load() == 0; ++number) {
      const uint64_t before = http1_.load() + http2_.load();
      PublishNext(number);
      // Each table has answered somebody before the next one comes.
      EXPECT_TRUE(WaitFor([&] { return failed_ > 0 || http1_ + http2_ > before; }));
    }
    stop_.store(true);
    for (std::thread& client : clients) client.join();
  }

  std::vector<uint16_t> ports_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> http1_{0};
  std::atomic<uint64_t> http2_{0};
  std::atomic<uint64_t> failed_{0};
};

TEST_F(TableReloadTest, AThousandTablesLoseNoRequestAndLeaveNothing) {
  std::vector<std::unique_ptr<ScriptedUpstream>> origins;
  for (int i = 0; i < 3; ++i) {
    origins.push_back(std::make_unique<ScriptedUpstream>(
        Answering([](const TestMessage& request) { return Ok(request.body); })));
    ports_.push_back(origins.back()->port());
  }
  // The first tables and requests fill what is kept for use again.
  for (int number = 0; number < 10; ++number) PublishNext(number);
  std::weak_ptr<const RoutingTable> old;
  {
    std::shared_ptr<const RoutingTable> table = Table(ports_);
    old = table;
    PublishTable(std::move(table));
  }
  BeginRow();
  Load();
  EXPECT_EQ(failed_.load(), 0u);
  EXPECT_GT(http1_.load(), 0u);
  EXPECT_GT(http2_.load(), 0u);
  EXPECT_TRUE(WaitFor([this] { return engine().FreeRetired() == 1; })) << "only the newest is left";
  EXPECT_TRUE(old.expired());
  ExpectUnharmed();
}

}  // namespace
}  // namespace pointsman::gateway
