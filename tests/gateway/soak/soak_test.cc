// Mixed traffic, faults of origins and clients, attacks and a table that changes all the time, in
// one engine that lives through all of it. PM_SOAK_SECONDS says how long (each test; 3 without it);
// tests/gateway/soak/run.sh makes it minutes under the address sanitizer.

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/gateway/proxy/attack_fixture.h"
#include "tests/gateway/proxy/tls_peers.h"
#include "tests/gateway/soak/soak_traffic.h"

namespace pointsman::gateway {
namespace {

constexpr size_t kClients = 6;
constexpr uint64_t kRequestsPerTable = 20;

absl::Duration SoakTime() {
  const char* seconds = std::getenv("PM_SOAK_SECONDS");
  return absl::Seconds(seconds == nullptr ? 3 : std::atoi(seconds));
}

uint64_t Seed() {
  const char* seed = std::getenv("PM_SEED");
  return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
}

class SoakTest : public AttackFixture {
 protected:
  SoakTest() {
    workers = 2;
    policy.connect_timeout = absl::Milliseconds(200);
    policy.first_byte_timeout = absl::Milliseconds(300);
    policy.idle_timeout = absl::Seconds(1);
    limits.client_idle_timeout = absl::Milliseconds(500);
    limits.upstream_idle_timeout = absl::Milliseconds(300);
  }

  // All of them, then subsets, with one that nobody listens at among them.
  void Churn(const std::vector<uint16_t>& ports, std::mt19937_64& random) {
    std::vector<uint16_t> some = {ports[0]};
    for (const uint16_t port : ports) {
      if (port != ports[0] && random() % 3 != 0) some.push_back(port);
    }
    Publish(some);
  }

  void Round(const std::vector<uint16_t>& ports, const SoakClient::Ways& ways,
             absl::Duration duration) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kClients; ++i) {
      threads.emplace_back([&, seed = next_seed_++] {
        SoakClient client(ways, &counts_, seed);
        while (!stop.load()) client.Act();
      });
    }
    std::mt19937_64 random(next_seed_++);
    // Paced by requests, not by time: a slower machine changes its table as often a request.
    const absl::Time end = absl::Now() + duration;
    for (uint64_t next = 0; absl::Now() < end;) {
      const uint64_t requests = engine().Stats().requests;
      if (requests >= next) {
        Churn(ports, random);
        next = requests + kRequestsPerTable;
      }
      std::this_thread::yield();
    }
    stop.store(true);
    for (std::thread& thread : threads) thread.join();
  }

  // What is held once nothing is under way any more.
  size_t Settled() {
    EXPECT_TRUE(
        WaitFor([this] { return Quiet() && engine().Stats().connections == 0 && Open() == 0; }));
    // As low as it gets within the patience of the workers' sweeps.
    size_t least = AllocatedBytes();
    const absl::Time end = absl::Now() + absl::Milliseconds(500);
    while (absl::Now() < end) least = std::min(least, AllocatedBytes());
    return least;
  }

  // Connections that origins hold.
  size_t Open() {
    size_t open = 0;
    for (const auto* origins : {&origins_, &http2_origins_}) {
      for (const auto& origin : *origins) open += origin->open();
    }
    return open;
  }

  void Soak(const SoakClient::Ways& ways) {
    const absl::Duration time = SoakTime();
    const absl::Duration round = std::clamp(time / 6, absl::Milliseconds(400), absl::Seconds(10));
    std::printf("seed %llu\n", static_cast<unsigned long long>(Seed()));
    size_t first = 0, last = 0;
    int rounds = 0;
    for (absl::Duration spent; spent < time; spent += round, ++rounds) {
      const bool http2 = rounds % 2 == 1;
      policy.upstream_http2 = http2;
      Round(http2 ? http2_ports_ : ports_, ways, round);
      last = Settled();
      // Two rounds fill what is kept for use again: pools, caches, the resolver's and OpenSSL's.
      if (rounds == 1) first = last;
      std::printf(
          "%4.0f s: %zu KiB held, %llu answered, %llu good, %llu tunnels, %llu refused, %llu given "
          "up\n",
          absl::ToDoubleSeconds(spent + round), last / 1024, Value(counts_.answered),
          Value(counts_.good), Value(counts_.tunnels), Value(counts_.attacks),
          Value(counts_.given_up));
      std::fflush(stdout);
    }
    EXPECT_EQ(counts_.wrong.load(), 0u);
    EXPECT_GT(counts_.good.load(), 0u);
    EXPECT_GT(counts_.attacks.load(), 0u);
    EXPECT_GT(counts_.tunnels.load(), 0u);
    EXPECT_GE(rounds, 3);
    EXPECT_LE(last, first + first / 20 + kNoiseBytes);
    policy.upstream_http2 = false;
    Publish({ports_[0]});
    ExpectServing(ways);
  }

  void ExpectServing(const SoakClient::Ways& ways) {
    Peer peer = ways.http1();
    peer.Write("GET /size/5 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(peer.ReadMessage().body, "abcde");
  }

  static unsigned long long Value(const std::atomic<uint64_t>& count) { return count.load(); }
  static std::vector<uint16_t> PortsOf(
      const std::vector<std::unique_ptr<ScriptedUpstream>>& origins) {
    std::vector<uint16_t> ports;
    for (const auto& origin : origins) ports.push_back(origin->port());
    ports.push_back(DeadPort());
    return ports;
  }

  std::vector<std::unique_ptr<ScriptedUpstream>> origins_ = SoakOrigins();
  std::vector<std::unique_ptr<ScriptedUpstream>> http2_origins_ = SoakHttp2Origins();
  std::vector<uint16_t> ports_ = PortsOf(origins_);
  std::vector<uint16_t> http2_ports_ = PortsOf(http2_origins_);
  SoakCounts counts_;
  uint64_t next_seed_ = Seed();
};

TEST_F(SoakTest, LeavesNothingBehind) {
  engine();
  Soak({[this] { return Client(); }, [this] { return Client(); }});
}

TEST_F(SoakTest, LeavesNothingBehindWithTls) {
  TlsPeers peers;
  listener_tls.emplace();
  listener_tls->certificates = {peers.Certificate("a", "DNS:a")};
  const SslContext http1 = peers.ClientContext();
  const SslContext http2 = peers.ClientContext();
  const unsigned char offer[] = "\x02h2";
  SSL_CTX_set_alpn_protos(http2.get(), offer, 3);
  engine();
  const auto secure = [this](SSL_CTX* context) {
    Peer peer = Client();
    EXPECT_TRUE(peer.StartTls(context, "a"));
    return peer;
  };
  Soak({[&] { return secure(http1.get()); }, [&] { return secure(http2.get()); }});
}

}  // namespace
}  // namespace pointsman::gateway
