// A connection with a filter in it: what leaves together. Without one: event_loop_test.

#include "gateway/net/tcp_connection.h"

#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>

#include "common/clock.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

struct StillClock final : common::Clock {
  common::MonotonicTime Now() const override { return common::MonotonicTime::FromMicros(1); }
  absl::Time WallNow() const override { return absl::UnixEpoch(); }
};

// Agrees at the first byte and has a ticket to give then; seals by brackets.
class Brackets final : public StreamFilter {
 public:
  using StreamFilter::StreamFilter;
  bool TakeHandshakeStep() override { return true; }
  Progress Handshake() override {
    handshaking_ = false;
    input_.Advance(1);
    owed_ = "ticket ";
    if (input_.empty()) SealOwed();
    return Progress::kDone;
  }
  bool server() const override { return true; }
  Reading Read(Slice* plain) override {
    if (input_.empty()) return Reading::kNothing;
    *plain = std::exchange(input_, Slice{});
    return Reading::kData;
  }
  size_t Seal(const OutQueue& plain) override {
    SealOwed();
    sealed_.Append("[");
    for (const Slice& slice : plain.slices()) sealed_.Append(slice.view());
    sealed_.Append("]");
    return plain.bytes();
  }
  void SealEnd() override {
    SealOwed();
    if (!std::exchange(ended_, true)) sealed_.Append("end");
  }
  void SealOwed() override { sealed_.Append(std::exchange(owed_, "")); }

 private:
  bool ended_ = false;
  std::string owed_;
};

class FilteredConnectionTest : public ::testing::Test,
                               public EventLoop::Delegate,
                               public ConnectionOwner {
 protected:
  void SetUp() override {
    ASSERT_TRUE(loop_.Open().ok());
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ours_ = std::make_unique<TcpConnection>(&loop_, &chunks_, this);
    ASSERT_TRUE(ours_->Attach(Fd(fds[0])));
    ours_->StartFilter(std::make_unique<Brackets>(&chunks_));
    ours_->SetCredit(1000);
    theirs_.Reset(fds[1]);
  }
  void OnTurnStart() override {}
  void Settle() override {}
  void OnConnected() override { connected_ = true; }
  void OnReceived(Slice bytes) override { received_.append(bytes.data, bytes.size); }
  void OnInputEnd() override {}
  void OnSent(size_t n) override { sent_ += n; }
  void OnFailed(int /*error*/) override { FAIL(); }

  // In a turn of the loop.
  void Say(const std::string& text) {
    ASSERT_EQ(send(theirs_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    loop_.RunTurn(*this);
  }
  // What the peer has by now; "" for nothing.
  std::string Heard() {
    char bytes[100];
    const ssize_t n = recv(theirs_.get(), bytes, sizeof(bytes), 0);
    return n > 0 ? std::string(bytes, static_cast<size_t>(n)) : "";
  }

  ChunkPool chunks_;
  StillClock clock_;
  EventLoop loop_{clock_};
  std::unique_ptr<TcpConnection> ours_;
  Fd theirs_;
  bool connected_ = false;
  std::string received_;
  size_t sent_ = 0;
};

TEST_F(FilteredConnectionTest, ATicketLeavesAtOnceWhenNothingWasAsked) {
  Say("!");
  EXPECT_TRUE(connected_);
  EXPECT_EQ(Heard(), "ticket ");
}

TEST_F(FilteredConnectionTest, ATicketWaitsForTheAnswerOfWhoHasAsked) {
  Say("!question");
  EXPECT_EQ(received_, "question");
  EXPECT_EQ(Heard(), "");
  ours_->out().Append("answer");
  ours_->Flush();
  EXPECT_EQ(Heard(), "ticket [answer]");
  EXPECT_EQ(sent_, 6u);
}

TEST_F(FilteredConnectionTest, AFlushWithoutBytesSendsWhatIsOwed) {
  Say("!question");
  ours_->Flush();
  EXPECT_EQ(Heard(), "ticket ");
}

TEST_F(FilteredConnectionTest, ATicketThatStillWaitsLeavesAtTheClose) {
  Say("!question");
  ours_->Close();
  EXPECT_EQ(Heard(), "ticket end");
}

TEST_F(FilteredConnectionTest, TheEndLeavesWithTheLastBytes) {
  Say("!");
  Heard();
  ours_->out().Append("last");
  ours_->ExpectEnd();
  ours_->Flush();
  EXPECT_EQ(Heard(), "[last]end");
  ours_->ShutdownWrite();
  EXPECT_EQ(Heard(), "") << "said once";
  char byte;
  EXPECT_EQ(recv(theirs_.get(), &byte, 1, 0), 0);
}

}  // namespace
}  // namespace pointsman::gateway
