// What one process gives another, over a socket pair in this one.

#include "gateway/handover.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "gateway/net/socket.h"

namespace pointsman::gateway {
namespace {

class HandoverTest : public ::testing::Test {
 protected:
  HandoverTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    old_.Reset(ends[0]);
    new_.Reset(ends[1]);
  }
  static Fd Listening() {
    return *Listen(SocketAddress::From(*common::ParseAddress("127.0.0.1:0")), {});
  }
  static std::string Where(const Fd& fd) { return SocketAddress::Local(fd.get())->ToString(); }
  void Say(const std::string& text) {
    ASSERT_EQ(send(old_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }

  Fd old_;
  Fd new_;
};

constexpr absl::Duration kWait = absl::Seconds(5);

TEST_F(HandoverTest, CarriesSocketsNamesAndATableOfAnyLength) {
  Handover given;
  given.listeners.resize(3);
  given.listeners[0].wanted = "127.0.0.1:0";
  // More than one message holds.
  for (int i = 0; i < 250; ++i) given.listeners[0].sockets.push_back(Listening());
  given.listeners[1].wanted = "127.0.0.1:80";
  given.listeners[2].wanted = "[::1]:1";
  given.listeners[2].sockets.push_back(Listening());
  given.admin.wanted = "127.0.0.1:7421";
  given.admin.sockets.push_back(Listening());
  given.tickets = *RotateTickets(RotateTickets(nullptr).get());
  given.table.assign(3'000'000, 't');
  ASSERT_TRUE(SendHandover(old_.get(), given).ok());
  const auto taken = ReceiveHandover(new_.get(), kWait);
  ASSERT_TRUE(taken.ok()) << taken.status();
  ASSERT_EQ(taken->listeners.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(taken->listeners[i].wanted, given.listeners[i].wanted);
    ASSERT_EQ(taken->listeners[i].sockets.size(), given.listeners[i].sockets.size());
  }
  for (size_t i = 0; i < 250; ++i) {
    EXPECT_EQ(Where(taken->listeners[0].sockets[i]), Where(given.listeners[0].sockets[i]));
  }
  EXPECT_EQ(taken->admin.wanted, given.admin.wanted);
  EXPECT_EQ(Where(taken->admin.sockets[0]), Where(given.admin.sockets[0]));
  EXPECT_EQ(EncodeTickets(taken->tickets), EncodeTickets(given.tickets));
  EXPECT_EQ(taken->table, given.table);
  EXPECT_NE(fcntl(taken->admin.sockets[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(HandoverTest, RefusesWhatIsNone) {
  Say("pointsman-handover 2");
  EXPECT_EQ(ReceiveHandover(new_.get(), kWait).status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* text : {"listener ", "admin 127.0.0.1:1", "table", "nonsense"}) {
    Say("pointsman-handover 1");
    Say(text);
    EXPECT_EQ(ReceiveHandover(new_.get(), kWait).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST_F(HandoverTest, RefusesASocketThatDoesNotListen) {
  Handover given;
  given.listeners.push_back({"127.0.0.1:0", {}});
  given.listeners[0].sockets.push_back(Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  ASSERT_TRUE(SendHandover(old_.get(), given).ok());
  EXPECT_EQ(ReceiveHandover(new_.get(), kWait).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(HandoverTest, SaysThatTheOtherSideIsMuteOrGone) {
  Say("pointsman-handover 1");
  EXPECT_EQ(ReceiveHandover(new_.get(), absl::Milliseconds(5)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  old_.Reset();
  EXPECT_EQ(ReceiveHandover(new_.get(), kWait).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SendReady(new_.get(), {}).code(), absl::StatusCode::kUnavailable);
}

TEST_F(HandoverTest, AnswersNameWhatWasTaken) {
  ASSERT_TRUE(SendReady(new_.get(), {true, false, true}).ok());
  const auto taken = ReceiveAnswer(old_.get(), 3);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(*taken, (std::vector<bool>{true, false, true}));
  ASSERT_TRUE(SendReady(new_.get(), {false, false, true}).ok());
  EXPECT_EQ(ReceiveAnswer(old_.get(), 2).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(SendFailed(new_.get(), "no such file").ok());
  const absl::Status failed = ReceiveAnswer(old_.get(), 3).status();
  EXPECT_EQ(failed.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(failed.message(), "no such file");
}

TEST_F(HandoverTest, GoIsTheWordOrTheOldProcesssEnd) {
  ASSERT_TRUE(SendGo(old_.get()).ok());
  AwaitGo(new_.get());
  std::thread waiting([this] { AwaitGo(new_.get()); });
  old_.Reset();
  waiting.join();
}

TEST_F(HandoverTest, TheEnvironmentNamesTheSocketOnce) {
  ASSERT_FALSE(HandoverFromEnvironment()->valid());
  setenv(kHandoverVariable, absl::StrCat(new_.get()).c_str(), 1);
  auto socket = HandoverFromEnvironment();
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->Release(), new_.get());
  EXPECT_EQ(std::getenv(kHandoverVariable), nullptr);
  for (const std::string& wrong : {std::string("x"), std::string("0"), std::string("99999")}) {
    setenv(kHandoverVariable, wrong.c_str(), 1);
    EXPECT_EQ(HandoverFromEnvironment().status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace pointsman::gateway
