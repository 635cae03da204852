// Tens of thousands of clients that were answered once and say nothing more. PM_IDLE_CONNECTIONS
// says how many (10,000 without it), as far as this process may have descriptors.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/gateway/proxy/attack_fixture.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
// Below the number of ports that one source has for connections to one address.
constexpr size_t kPerSource = 10'000;
constexpr size_t kSpareDescriptors = 256;

// The most descriptors this process may have; it has them from now on.
size_t RaiseDescriptors() {
  rlimit files{};
  PM_CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_cur = files.rlim_max;
  PM_CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
  return files.rlim_cur;
}

// A child process that is the clients: their sockets would halve what the engine may have.
class IdleClients {
 public:
  // REQUIRES: this process has no other thread yet.
  explicit IdleClients(size_t connections) {
    int down[2], up[2];
    PM_CHECK(pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0);
    child_ = fork();
    PM_CHECK(child_ >= 0);
    to_.Reset(down[1]);
    from_.Reset(up[0]);
    const Fd in(down[0]), out(up[1]);
    if (child_ > 0) return;
    to_.Reset();
    from_.Reset();
    Run(connections, in.get(), out.get());
    _exit(0);
  }
  ~IdleClients() {
    to_.Reset();
    from_.Reset();
    PM_CHECK(waitpid(child_, nullptr, 0) == child_);
  }

  // Connects and asks once on each; how many were answered well.
  size_t Ask(uint16_t port) {
    PM_CHECK(write(to_.get(), &port, sizeof(port)) == sizeof(port));
    return Told();
  }
  // Of those that were answered, how many the gateway closed in an orderly way. Waits for all.
  size_t Told() {
    size_t told = 0;
    return read(from_.get(), &told, sizeof(told)) == sizeof(told) ? told : 0;
  }

 private:
  static Peer Connect(size_t number, uint16_t port) {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<uint32_t>(number / kPerSource));
    PM_CHECK(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    PM_CHECK(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return Peer(std::move(fd));
  }
  static void Run(size_t connections, int in, int out) {
    uint16_t port = 0;
    if (read(in, &port, sizeof(port)) != sizeof(port)) return;
    std::vector<Peer> clients;
    clients.reserve(connections);
    size_t answered = 0;
    for (size_t i = 0; i < connections; ++i) {
      clients.push_back(Connect(i, port));
      clients.back().Write(kGet);
      if (clients.back().ReadMessage().body == "x") ++answered;
    }
    if (write(out, &answered, sizeof(answered)) != sizeof(answered)) return;
    size_t closed = 0;
    for (Peer& client : clients) {
      if (client.Closed()) ++closed;
    }
    if (write(out, &closed, sizeof(closed)) != sizeof(closed)) return;
  }

  pid_t child_ = -1;
  Fd to_;
  Fd from_;
};

class IdleConnectionsTest : public AttackFixture {
 protected:
  // Of the gateway's own memory, beside what the kernel keeps of a socket.
  static constexpr size_t kBytesPerConnectionMax = 2 * 1024;

  static size_t Wanted() {
    const char* wanted = std::getenv("PM_IDLE_CONNECTIONS");
    if (wanted != nullptr) return std::strtoul(wanted, nullptr, 10);
#ifdef PM_TEST_SANITIZED
    return 1'000;
#else
    return 10'000;
#endif
  }
};

TEST_F(IdleConnectionsTest, CostLittleAndHoldUpNobodyAndADrainClosesThem) {
  const size_t most = RaiseDescriptors();
  ASSERT_GT(most, 2 * kSpareDescriptors);
  const size_t count = std::min(Wanted(), most - kSpareDescriptors);
  std::printf("%zu connections of %zu wanted\n", count, Wanted());
  IdleClients clients(count);
  limits.connections_per_source_max = 0;
  limits.connections_max = count + kSpareDescriptors;
  limits.client_idle_timeout = absl::Hours(1);
  limits.drain_idle_wait = absl::ZeroDuration();
  workers = 2;
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  BeginRow();
  const size_t before = AllocatedBytes();
  ASSERT_EQ(clients.Ask(port()), count);
  EXPECT_TRUE(WaitFor([this] { return Quiet(); }));
  EXPECT_EQ(engine().Stats().connections, count);
  const size_t held = AllocatedBytes() - before;
  std::printf("%zu bytes each\n", held / count);
  EXPECT_LE(held, count * kBytesPerConnectionMax);
  EXPECT_TRUE(GoodRequest()) << "others are served";
  engine().Drain(absl::Seconds(60));
  EXPECT_EQ(clients.Told(), count);
  EXPECT_EQ(engine().Stats().connections, 0u);
}

}  // namespace
}  // namespace pointsman::gateway
