// A loop with real socket pairs and a clock of its own.

#include "gateway/net/event_loop.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/core/check.h"
#include "gateway/net/tcp_connection.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

class FixedClock : public common::Clock {
 public:
  common::MonotonicTime Now() const override {
    if (on_read) std::exchange(on_read, nullptr)();
    return now;
  }
  absl::Time WallNow() const override { return absl::UnixEpoch(); }
  common::MonotonicTime now = common::MonotonicTime::FromMicros(1'000'000);
  // Called once, by the next reading.
  mutable std::function<void()> on_read;
};

class Recorder : public ConnectionOwner {
 public:
  void OnConnected() override {}
  void OnReceived(Slice bytes) override { received.append(bytes.data, bytes.size); }
  void OnInputEnd() override { ended = true; }
  void OnSent(size_t n) override { sent += n; }
  void OnFailed(int error) override { failed = error; }

  std::string received;
  size_t sent = 0;
  bool ended = false;
  int failed = 0;
};

class EventLoopTest : public ::testing::Test, public EventLoop::Delegate {
 protected:
  void SetUp() override {
    ASSERT_TRUE(loop_.Open().ok());
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ours_ = std::make_unique<TcpConnection>(&loop_, &chunks_, &recorder_);
    ASSERT_TRUE(ours_->Attach(Fd(fds[0])));
    theirs_.Reset(fds[1]);
  }
  void OnTurnStart() override { ++turns_; }
  void Settle() override {}

  void Turn() { loop_.RunTurn(*this); }
  void Send(const std::string& text) {
    ASSERT_EQ(write(theirs_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  FixedClock clock_;
  ChunkPool chunks_;
  EventLoop loop_{clock_};
  Recorder recorder_;
  std::unique_ptr<TcpConnection> ours_;
  Fd theirs_;
  int turns_ = 0;
};

TEST_F(EventLoopTest, DeliversWhatCameAndTheEnd) {
  ours_->SetCredit(1000);
  Send("hello");
  Turn();
  EXPECT_EQ(recorder_.received, "hello");
  theirs_.Reset();
  Turn();
  EXPECT_TRUE(recorder_.ended);
  EXPECT_EQ(chunks_.in_use(), 0u);
}

TEST_F(EventLoopTest, ReceivesNothingWithoutCreditAndAllLater) {
  Send("hello");
  Turn();
  EXPECT_EQ(recorder_.received, "");
  // The edge has passed: granting credit is what resumes.
  ours_->SetCredit(1000);
  Turn();
  EXPECT_EQ(recorder_.received, "hello");
}

TEST_F(EventLoopTest, SendsTheRestWhenThereIsRoom) {
  Turn();
  const std::string large(4 << 20, 'x');
  ours_->out().Append(large);
  ours_->Flush();
  EXPECT_GT(ours_->out().bytes(), 0u);
  std::string got;
  std::string buffer(1 << 16, '\0');
  while (got.size() < large.size()) {
    const ssize_t n = read(theirs_.get(), buffer.data(), buffer.size());
    if (n > 0) {
      got.append(buffer, 0, static_cast<size_t>(n));
    } else {
      Turn();
    }
  }
  EXPECT_EQ(recorder_.sent, large.size());
  EXPECT_TRUE(got == large);
}

TEST_F(EventLoopTest, TellsOfABrokenPeer) {
  theirs_.Reset();
  ours_->out().Append("x");
  ours_->Flush();
  EXPECT_NE(recorder_.failed, 0);
  EXPECT_FALSE(ours_->open());
}

TEST_F(EventLoopTest, WakesFromAnotherThread) {
  Turn();  // The new socket's own first event.
  std::thread waker([this] { loop_.Wake(); });
  Turn();
  waker.join();
  EXPECT_EQ(turns_, 2);
}

struct Once : TimerEntry {
  void OnTimer() override { ++fired; }
  int fired = 0;
};

TEST_F(EventLoopTest, TimersFireInTheirTurn) {
  Once once;
  loop_.timers().Arm(once, clock_.now + absl::Milliseconds(5));
  clock_.now = clock_.now + absl::Milliseconds(5);
  Turn();
  EXPECT_EQ(once.fired, 1);
}

// Sockets with a byte to read each, which nobody reads.
class Readable : public IoHandler {
 public:
  explicit Readable(size_t n) {
    for (size_t i = 0; i < n; ++i) {
      int fds[2];
      PM_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
      PM_CHECK(write(fds[1], "x", 1) == 1);
      ours_.emplace_back(fds[0]);
      theirs_.emplace_back(fds[1]);
    }
  }
  void OnIo(uint32_t /*events*/) override { ++seen; }
  const std::vector<Fd>& fds() const { return ours_; }

  size_t seen = 0;

 private:
  std::vector<Fd> ours_;
  std::vector<Fd> theirs_;
};

// After a pause, say: all the time-outs are due, and what they wait for has come long ago.
TEST_F(EventLoopTest, TimersWaitForWhatCameBeforeThem) {
  Turn();
  constexpr size_t kMany = 5 * EventLoop::kEventsPerTurnMax + 1;
  Readable many(kMany);
  for (const Fd& fd : many.fds()) ASSERT_TRUE(loop_.Register(fd.get(), &many));
  Once once;
  loop_.timers().Arm(once, clock_.now + absl::Milliseconds(5));
  clock_.now = clock_.now + absl::Hours(1);
  while (once.fired == 0) Turn();
  EXPECT_EQ(many.seen, kMany);
}

// Stopped after the kernel said that nothing came and before the time was read.
TEST_F(EventLoopTest, TimersWaitForWhatCameAfterTheKernelAnswered) {
  ours_->SetCredit(1000);
  Turn();
  Once once;
  loop_.timers().Arm(once, clock_.now + absl::Milliseconds(5));
  clock_.on_read = [&] {
    Send("late");
    clock_.now = clock_.now + absl::Hours(1);
  };
  Turn();
  EXPECT_EQ(once.fired, 0);
  Turn();
  EXPECT_EQ(recorder_.received, "late");
  EXPECT_EQ(once.fired, 1);
}

TEST_F(EventLoopTest, TimersDoNotWaitForEver) {
  Turn();
  Readable endless(EventLoop::kEventsPerTurnMax + 1);
  for (const Fd& fd : endless.fds()) ASSERT_TRUE(loop_.RegisterListener(fd.get(), &endless));
  Once once;
  loop_.timers().Arm(once, clock_.now + absl::Milliseconds(5));
  clock_.now = clock_.now + absl::Hours(1);
  const common::MonotonicTime begun = clock_.now;
  Turn();
  while (once.fired == 0 && clock_.now - begun < absl::Seconds(2)) {
    clock_.now = clock_.now + absl::Milliseconds(10);
    Turn();
  }
  EXPECT_EQ(once.fired, 1);
  EXPECT_EQ(clock_.now - begun, EventLoop::kTimersWaitMax);
}

TEST_F(EventLoopTest, TimersOfABusyLoopAreInTime) {
  Turn();
  Readable endless(EventLoop::kEventsPerTurnMax + 1);
  for (const Fd& fd : endless.fds()) ASSERT_TRUE(loop_.RegisterListener(fd.get(), &endless));
  Once once;
  for (int i = 0; i < 20; ++i) {
    loop_.timers().Arm(once, clock_.now + absl::Milliseconds(5));
    clock_.now = clock_.now + absl::Milliseconds(5);
    Turn();
    EXPECT_EQ(once.fired, i + 1);
  }
}

// Turns that take longer than a turn should look like standstills; timers may skip every other one.
TEST_F(EventLoopTest, TimersOfSlowTurnsAreInTime) {
  Turn();
  Once once;
  for (int i = 0; i < 20; ++i) {
    loop_.timers().Arm(once, clock_.now + absl::Milliseconds(5));
    clock_.now = clock_.now + 2 * absl::Microseconds(EventLoop::kTurnMicrosMax);
    Turn();
    clock_.now = clock_.now + 2 * absl::Microseconds(EventLoop::kTurnMicrosMax);
    Turn();
    EXPECT_EQ(once.fired, i + 1);
  }
}

// What a process that waits in its loop and the one that stops it both see.
struct Shared : common::Clock {
  common::MonotonicTime Now() const override {
    return common::MonotonicTime::FromMicros(micros.load());
  }
  absl::Time WallNow() const override { return absl::UnixEpoch(); }
  std::atomic<int64_t> micros{1'000'000};
  std::atomic<int> timers_fired{0};
  std::atomic<bool> seen{false};
};

struct Outcome : IoHandler, TimerEntry, EventLoop::Delegate {
  explicit Outcome(Shared* where) : shared(*where) {}
  void OnIo(uint32_t events) override {
    if ((events & EPOLLIN) != 0) shared.seen.store(true);
  }
  void OnTimer() override {
    if (!shared.seen.load()) ++shared.timers_fired;
    done = true;
  }
  void OnTurnStart() override {}
  void Settle() override {}
  Shared& shared;
  bool done = false;
};

void WaitForByteOrHour(Shared* shared, int fd) {
  EventLoop loop(*shared);
  Outcome outcome(shared);
  PM_CHECK(loop.Open().ok() && loop.Register(fd, &outcome));
  loop.timers().Arm(outcome, loop.Now() + absl::Hours(1));
  while (!outcome.done) loop.RunTurn(outcome);
}

// "S" when it sleeps in a system call, "T" when it was stopped.
char StateOf(pid_t process) {
  std::ifstream file(absl::StrCat("/proc/", process, "/stat"));
  std::string pid, name, state;
  file >> pid >> name >> state;
  return state.empty() ? '?' : state[0];
}

// The kernel ends such a wait with EINTR, and says nothing of what came while the process stood.
TEST(StoppedEventLoopTest, SeesWhatCameMeanwhileBeforeItsTimersFire) {
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* shared = new (memory) Shared;
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  const Fd theirs(fds[0]), ours(fds[1]);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    WaitForByteOrHour(shared, theirs.get());
    _exit(0);
  }
  for (const absl::Time end = absl::Now() + absl::Seconds(10);
       StateOf(child) != 'S' && absl::Now() < end;) {
    std::this_thread::yield();
  }
  ASSERT_EQ(kill(child, SIGSTOP), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  ASSERT_EQ(write(ours.get(), "x", 1), 1);
  shared->micros += absl::ToInt64Microseconds(absl::Hours(2));
  ASSERT_EQ(kill(child, SIGCONT), 0);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_TRUE(shared->seen.load());
  EXPECT_EQ(shared->timers_fired.load(), 0);
  munmap(memory, sizeof(Shared));
}

}  // namespace
}  // namespace pointsman::gateway
