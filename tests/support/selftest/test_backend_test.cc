// The test backend over a real socket: what it is told by /_control is what its clients see.

#include "tests/support/test_backend.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/support/message_reader.h"
#include "bench/support/socket_address.h"
#include "common/core/check.h"

namespace pointsman::testing {
namespace {

using bench::MessageReader;

constexpr int kAnswerWaitMillis = 10'000;

class TestBackendTest : public ::testing::Test {
 protected:
  TestBackendTest() : backend_("b1", {}, /*seed=*/1) {
    PM_CHECK(backend_.Listen(*bench::ParseSocketAddress("127.0.0.1:0")).ok());
    thread_ = std::thread([this] { backend_.Run(); });
    fd_ = Connect();
  }
  ~TestBackendTest() override {
    close(fd_);
    backend_.Stop();
    thread_.join();
  }

  int Connect() {
    const int fd = *bench::StartConnection(*bench::ParseSocketAddress(backend_.address()));
    pollfd connected{.fd = fd, .events = POLLOUT, .revents = 0};
    PM_CHECK(poll(&connected, 1, kAnswerWaitMillis) == 1);
    return fd;
  }

  static void Send(int fd, const std::string& bytes) {
    ASSERT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void Send(const std::string& bytes) { Send(fd_, bytes); }

  // The next response, whole, as bytes; what came of it when the connection ended.
  std::string Receive() {
    MessageReader reader(MessageReader::Kind::kResponse);
    std::string response;
    while (true) {
      char byte;
      pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
      if (poll(&readable, 1, kAnswerWaitMillis) != 1 || read(fd_, &byte, 1) != 1) return response;
      response.push_back(byte);
      size_t used = 0;
      if (reader.Read(absl::string_view(&byte, 1), &used) != MessageReader::Result::kNeedMore) {
        return response;
      }
    }
  }

  std::string Control(const std::string& query) {
    Send("POST /_control?" + query + " HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    return Receive();
  }

  TestBackend backend_;
  std::thread thread_;
  int fd_ = -1;
};

TEST_F(TestBackendTest, AnswersPipelinedRequestsInOrder) {
  Control("bytes=3&delay_ms=5");
  Send("GET /a HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_NE(Receive().find("\r\n\r\nxxx"), std::string::npos);
  EXPECT_NE(Receive().find("\r\n\r\nok"), std::string::npos);
}

TEST_F(TestBackendTest, SendsItsName) {
  Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_NE(Receive().find("X-Backend: b1\r\n"), std::string::npos);
}

TEST_F(TestBackendTest, RefusesAnUnknownSettingAndChangesNothing) {
  EXPECT_NE(Control("fail=1&dealy_ms=3").find(" 400 "), std::string::npos);
  EXPECT_NE(Control("fail=nan").find(" 400 "), std::string::npos);
  Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_NE(Receive().find(" 200 "), std::string::npos);
}

TEST_F(TestBackendTest, FailsAndResetsAsTold) {
  Control("fail=1");
  Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_NE(Receive().find(" 500 "), std::string::npos);
  Control("reset=1");
  Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Receive(), "");
}

TEST_F(TestBackendTest, StaysHealthyForItsChecksWhileItsWorkIsSlow) {
  Control("hang=1");
  EXPECT_NE(Control("health=fail").find("\"health\":\"fail\""), std::string::npos);
  Send("GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_NE(Receive().find(" 503 "), std::string::npos);
}

TEST_F(TestBackendTest, ReportsItsLoad) {
  Control("concurrency=4");
  Send("GET / HTTP/1.1\r\n\r\n");
  Receive();
  Send("GET /metrics.json HTTP/1.1\r\n\r\n");
  const std::string metrics = Receive();
  for (const char* key : {"in_flight", "queue_delay_seconds", "utilisation"}) {
    EXPECT_NE(metrics.find(key), std::string::npos) << metrics;
  }
  EXPECT_NE(metrics.find("\"requests\":1,"), std::string::npos) << metrics;
}

// It burns one request's CPU after another, and looks at its sockets in between.
TEST_F(TestBackendTest, AnswersItsChecksWhileItBurns) {
  Control("concurrency=1&burn_us=50000");
  std::vector<int> waiting(4);
  for (int& fd : waiting) fd = Connect();
  // Again, should this thread be away while all of them are worked off.
  bool seen_waiting = false;
  for (int round = 1; !seen_waiting && round <= 20; ++round) {
    for (const int fd : waiting) Send(fd, "GET / HTTP/1.1\r\n\r\n");
    const std::string all = absl::StrCat("\"requests\":", 4 * round, ",");
    std::string stats;
    do {
      Send("GET /_stats HTTP/1.1\r\n\r\n");
      stats = Receive();
      seen_waiting |= stats.find("\"in_flight\":0,") == std::string::npos;
    } while (!stats.empty() && stats.find(all) == std::string::npos);
  }
  EXPECT_TRUE(seen_waiting);
  for (const int fd : waiting) close(fd);
}

TEST_F(TestBackendTest, AnswersHeadWithoutABody) {
  Send("HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string response = Receive();
  EXPECT_NE(response.find("Content-Length: 2\r\n"), std::string::npos);
  EXPECT_EQ(response.substr(response.size() - 4), "\r\n\r\n");
}

}  // namespace
}  // namespace pointsman::testing
