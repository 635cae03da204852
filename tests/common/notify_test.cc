#include "common/notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "common/version.h"

namespace pointsman::common {
namespace {

class NotifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "notify_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    const std::string path = folder_ + "/socket";
    socket_ = socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path.size(), sizeof(address.sun_path));
    memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(socket_);
    std::filesystem::remove_all(folder_);
  }
  std::string Next() {
    char buffer[256];
    const ssize_t got = recv(socket_, buffer, sizeof(buffer), MSG_DONTWAIT);
    return got < 0 ? "nothing" : std::string(buffer, static_cast<size_t>(got));
  }

  std::string folder_;
  int socket_ = -1;
};

TEST_F(NotifyTest, TellsSystemd) {
  NotifyReady();
  EXPECT_EQ(Next(), "READY=1");
  NotifyStatus("two\nlines");
  EXPECT_EQ(Next(), "STATUS=two lines");
  NotifyWatchdog();
  EXPECT_EQ(Next(), "WATCHDOG=1");
  NotifyStopping();
  EXPECT_EQ(Next(), "STOPPING=1");
}

TEST_F(NotifyTest, KnowsTheWatchdogsInterval) {
  EXPECT_EQ(WatchdogInterval(), std::nullopt);
  setenv("WATCHDOG_USEC", "20000000", 1);
  EXPECT_EQ(WatchdogInterval(), absl::Seconds(20));
}

TEST_F(NotifyTest, DoesNothingOutsideSystemd) {
  unsetenv("NOTIFY_SOCKET");
  NotifyReady();
  EXPECT_EQ(Next(), "nothing");
}

// Tests do not link the commit.
TEST(VersionTest, SaysThatTheCommitIsUnknown) { EXPECT_EQ(Version(), "0.1.0+unknown"); }

}  // namespace
}  // namespace pointsman::common
