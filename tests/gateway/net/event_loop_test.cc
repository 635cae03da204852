// A loop with real socket pairs and a clock of its own.

#include "gateway/net/event_loop.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <thread>

#include "gateway/net/tcp_connection.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

class FixedClock : public common::Clock {
 public:
  common::MonotonicTime Now() const override { return now; }
  absl::Time WallNow() const override { return absl::UnixEpoch(); }
  common::MonotonicTime now = common::MonotonicTime::FromMicros(1'000'000);
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

TEST_F(EventLoopTest, TimersFireInTheirTurn) {
  struct Once : TimerEntry {
    void OnTimer() override { ++fired; }
    int fired = 0;
  } once;
  loop_.timers().Arm(once, clock_.now + absl::Milliseconds(5));
  clock_.now = clock_.now + absl::Milliseconds(5);
  Turn();
  EXPECT_EQ(once.fired, 1);
}

}  // namespace
}  // namespace pointsman::gateway
