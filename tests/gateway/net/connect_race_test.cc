// Peers at two addresses of this host, and a clock of its own. What waits for the kernel runs turns
// until it has come.

#include "gateway/net/connect_race.h"

#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "common/clock.h"
#include "gateway/net/tcp_connection.h"
#include "gtest/gtest.h"
#include "tests/gateway/net/loopback_listener.h"

namespace pointsman::gateway {
namespace {

constexpr char kFirst[] = "127.0.0.2";
constexpr char kOther[] = "127.0.0.1";

struct SetClock final : common::Clock {
  common::MonotonicTime Now() const override { return now; }
  absl::Time WallNow() const override { return absl::UnixEpoch(); }
  common::MonotonicTime now = common::MonotonicTime::FromMicros(1'000'000);
};

class ConnectRaceTest : public ::testing::Test, public EventLoop::Delegate, public ConnectionOwner {
 protected:
  void SetUp() override { ASSERT_TRUE(loop_.Open().ok()); }
  void OnTurnStart() override {}
  void Settle() override {}
  void OnConnected() override { ++connected_; }
  void OnReceived(Slice bytes) override { received_.append(bytes.data, bytes.size); }
  void OnInputEnd() override {}
  void OnSent(size_t /*n*/) override {}
  void OnFailed(int error) override {
    ++failed_;
    error_ = error;
  }

  static ConnectTarget To(uint16_t port) {
    ConnectTarget target;
    target.address = AddressAt(kFirst, port);
    target.other = AddressAt(kOther, port);
    return target;
  }
  // A port that nobody has on either address.
  static uint16_t FreePort() { return LoopbackListener("0.0.0.0").port(); }
  // Runs turns until it holds, for real seconds at most; the loop's own clock stands.
  template <typename Condition>
  bool Until(Condition condition) {
    const absl::Time end = absl::Now() + absl::Seconds(10);
    while (!condition() && absl::Now() < end) {
      loop_.Wake();
      loop_.RunTurn(*this);
    }
    return condition();
  }
  // A few turns, in which the kernel tells whatever there is to tell.
  void Turns() {
    for (int i = 0; i < 20; ++i) {
      loop_.Wake();
      loop_.RunTurn(*this);
    }
  }
  std::string Host() const {
    char host[SocketAddress::kHostBytes];
    const auto peer = SocketAddress::Peer(connection_.fd());
    return peer.ok() ? std::string(host, peer->WriteHost(host)) : "";
  }
  // A connection waits to be accepted.
  static bool WasAsked(const LoopbackListener& listener) {
    pollfd asked{listener.fd(), POLLIN, 0};
    return poll(&asked, 1, 0) == 1;
  }
  void Pass(absl::Duration time) { clock_.now = clock_.now + time; }

  SetClock clock_;
  ChunkPool chunks_;
  EventLoop loop_{clock_};
  TcpConnection connection_{&loop_, &chunks_, this};
  int connected_ = 0;
  int failed_ = 0;
  int error_ = 0;
  std::string received_;
};

TEST_F(ConnectRaceTest, TheFirstAddressIsEnoughWhenItStands) {
  LoopbackListener other(kOther);
  LoopbackListener first(kFirst, other.port());
  ASSERT_TRUE(connection_.Connect(To(first.port())));
  ASSERT_TRUE(Until([&] { return connected_ == 1 || !connection_.connecting(); }));
  EXPECT_EQ(Host(), kFirst);
  EXPECT_TRUE(connection_.reached().had_choice);
  EXPECT_FALSE(connection_.reached().other);
  EXPECT_FALSE(connection_.reached().second);
  Pass(absl::Seconds(1));
  Turns();
  EXPECT_FALSE(WasAsked(other));
}

TEST_F(ConnectRaceTest, TheSecondIsAskedAtOnceWhenTheFirstRefuses) {
  LoopbackListener other(kOther);
  ASSERT_TRUE(connection_.Connect(To(other.port())));
  ASSERT_TRUE(Until([&] { return connected_ == 1; })) << "no time has passed";
  EXPECT_EQ(Host(), kOther);
  EXPECT_TRUE(connection_.reached().other);
  EXPECT_TRUE(connection_.reached().second);
  EXPECT_EQ(failed_, 0);
  // Bytes flow over the second one's socket.
  connection_.SetCredit(100);
  Fd accepted(accept4(other.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_EQ(send(accepted.get(), "hello", 5, 0), 5);
  EXPECT_TRUE(Until([&] { return received_ == "hello"; }));
}

TEST_F(ConnectRaceTest, TheOtherAddressMayBeFirst) {
  LoopbackListener first(kFirst);
  ConnectTarget target = To(first.port());
  target.other_first = true;
  ASSERT_TRUE(connection_.Connect(target));
  ASSERT_TRUE(Until([&] { return connected_ == 1; }));
  EXPECT_EQ(Host(), kFirst);
  EXPECT_FALSE(connection_.reached().other);
  EXPECT_TRUE(connection_.reached().second);
}

TEST_F(ConnectRaceTest, AnAddressThatCannotBeAskedAtAllIsPassedOver) {
  LoopbackListener other(kOther);
  ConnectTarget target = To(other.port());
  // Fails in connect() itself, as without a route: no broadcast for TCP.
  target.address = AddressAt("255.255.255.255", other.port());
  ASSERT_TRUE(connection_.Connect(target));
  ASSERT_TRUE(Until([&] { return connected_ == 1 || !connection_.connecting(); }));
  EXPECT_EQ(Host(), kOther);
  EXPECT_TRUE(connection_.reached().second);
  target.other = target.address;
  TcpConnection nowhere(&loop_, &chunks_, this);
  EXPECT_FALSE(nowhere.Connect(target));
}

TEST_F(ConnectRaceTest, BothRefusingIsOneFailure) {
  ASSERT_TRUE(connection_.Connect(To(FreePort())));
  ASSERT_TRUE(Until([&] { return failed_ > 0; }));
  Turns();
  EXPECT_EQ(failed_, 1);
  EXPECT_EQ(error_, ECONNREFUSED);
  EXPECT_EQ(connected_, 0);
  EXPECT_FALSE(connection_.open());
}

TEST_F(ConnectRaceTest, ASilentAddressHasItsHeadStartAndNoMore) {
  LoopbackListener other(kOther);
  SilentListener silent(kFirst, other.port());
  ASSERT_TRUE(connection_.Connect(To(other.port())));
  Pass(absl::Milliseconds(249));
  Turns();
  EXPECT_EQ(connected_, 0);
  Pass(absl::Milliseconds(2));
  ASSERT_TRUE(Until([&] { return connected_ == 1; }));
  EXPECT_EQ(Host(), kOther);
  Turns();
  EXPECT_EQ(connected_, 1);
  EXPECT_EQ(failed_, 0);
}

TEST_F(ConnectRaceTest, ARefusalOfTheSecondLeavesTheFirstItsTime) {
  SilentListener silent(kFirst);
  ASSERT_TRUE(connection_.Connect(To(silent.port())));
  Pass(absl::Milliseconds(300));
  Turns();
  EXPECT_EQ(failed_, 0);
  EXPECT_TRUE(connection_.connecting());
}

TEST_F(ConnectRaceTest, AClosedConnectionHearsOfNeither) {
  LoopbackListener other(kOther);
  SilentListener silent(kFirst, other.port());
  ASSERT_TRUE(connection_.Connect(To(other.port())));
  Pass(absl::Milliseconds(300));
  // The second one stands, which no event has told yet.
  ASSERT_TRUE(Until([&] { return WasAsked(other); }));
  connection_.Close();
  Turns();
  EXPECT_EQ(connected_, 0);
  EXPECT_FALSE(connection_.open());
  // And neither does one that goes before the second began.
  TcpConnection again(&loop_, &chunks_, this);
  ASSERT_TRUE(again.Connect(To(other.port())));
  again.Close();
  Pass(absl::Seconds(1));
  Turns();
  EXPECT_EQ(connected_, 0);
  EXPECT_EQ(failed_, 0);
}

}  // namespace
}  // namespace pointsman::gateway
