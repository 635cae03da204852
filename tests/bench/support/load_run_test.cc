// The load generator against the test backend, over real sockets of this host.

#include "bench/support/load_run.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "common/core/check.h"
#include "tests/support/test_backend.h"

namespace pointsman::bench {
namespace {

using testing::Behaviour;
using testing::TestBackend;

// A backend on a thread of its own.
class RunningBackend {
 public:
  explicit RunningBackend(Behaviour behaviour) : backend_("b1", behaviour, /*seed=*/1) {
    PM_CHECK(backend_.Listen(*ParseSocketAddress("127.0.0.1:0")).ok());
    thread_ = std::thread([this] { backend_.Run(); });
  }
  ~RunningBackend() {
    backend_.Stop();
    thread_.join();
  }
  SocketAddress address() const { return *ParseSocketAddress(backend_.address()); }

 private:
  TestBackend backend_;
  std::thread thread_;
};

LoadReport RunLoad(LoadOptions options) {
  LoadRun run(options, nullptr);
  EXPECT_TRUE(run.Run().ok());
  return run.report();
}

TEST(LoadRunTest, CountsEveryRequestOnce) {
  const RunningBackend backend({.delay_ms = 1});
  const LoadReport report =
      RunLoad({.target = backend.address(), .connections = 4, .rps = 2000, .requests = 500});
  EXPECT_EQ(report.sent, 500u);
  EXPECT_EQ(report.ok, 500u);
  EXPECT_EQ(report.failed(), 0u);
  EXPECT_EQ(report.resent, 0u);
  EXPECT_LE(report.connections, 4u);
  EXPECT_EQ(report.backends.at("b1").ok, 500u);
  EXPECT_GE(report.latency.QuantileMicros(0), 1000);
}

TEST(LoadRunTest, CountsLatencyFromWhenARequestWasDue) {
  // One slot of 20 ms and five requests due at once: the last one waits for four others.
  const RunningBackend backend({.delay_ms = 20, .concurrency = 1});
  const LoadReport report =
      RunLoad({.target = backend.address(), .connections = 1, .rps = 1e6, .requests = 5});
  EXPECT_EQ(report.ok, 5u);
  EXPECT_GE(report.latency.max_micros(), 100'000);
}

TEST(LoadRunTest, KeepsConnectionsBusyInClosedLoop) {
  const RunningBackend backend({});
  const LoadReport report =
      RunLoad({.target = backend.address(), .connections = 8, .requests = 1000});
  EXPECT_EQ(report.ok, 1000u);
  EXPECT_EQ(report.connections, 8u);
}

TEST(LoadRunTest, TellsFailuresApart) {
  const RunningBackend failing({.fail = 1});
  LoadReport report = RunLoad({.target = failing.address(), .requests = 3});
  EXPECT_EQ(report.failures[static_cast<size_t>(Failure::kStatus)], 3u);
  EXPECT_EQ(report.statuses[500], 3u);

  const RunningBackend resetting({.reset = 1});
  report = RunLoad({.target = resetting.address(), .requests = 3});
  EXPECT_EQ(report.failures[static_cast<size_t>(Failure::kReset)], 3u);

  const RunningBackend hanging({.hang = 1});
  report = RunLoad({.target = hanging.address(), .requests = 3, .timeout = absl::Milliseconds(50)});
  EXPECT_EQ(report.failures[static_cast<size_t>(Failure::kTimeout)], 3u);
}

TEST(LoadRunTest, CountsARefusedConnectionAsAFailure) {
  // Bound and not listening: nobody else gets this port meanwhile.
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const SocketAddress any = *ParseSocketAddress("127.0.0.1:0");
  ASSERT_EQ(bind(fd, any.get(), any.length), 0);
  const LoadReport report = RunLoad(
      {.target = *ParseSocketAddress(LocalAddressText(fd)), .connections = 1, .requests = 2});
  EXPECT_EQ(report.failures[static_cast<size_t>(Failure::kConnect)], 2u);
  close(fd);
}

TEST(LoadRunTest, StopEndsAnEndlessRun) {
  const RunningBackend backend({});
  std::unique_ptr<LoadRun> run;
  run = std::make_unique<LoadRun>(
      LoadOptions{.target = backend.address(), .rps = 1000, .interval = absl::Milliseconds(20)},
      [&run](const LoadReport&, const LoadReport&, absl::Duration) { run->Stop(); });
  EXPECT_TRUE(run->Run().ok());
  EXPECT_GT(run->report().ok, 0u);
  EXPECT_EQ(run->report().ok, run->report().sent);
}

// Accepts one connection after the other, answers `answers` requests on each, then closes it.
void ServeAndClose(int listener, int connections, int answers) {
  for (int i = 0; i < connections; ++i) {
    const int fd = accept(listener, nullptr, nullptr);
    for (int k = 0; k < answers; ++k) {
      char buffer[4096];
      if (read(fd, buffer, sizeof(buffer)) <= 0) break;
      const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
      if (write(fd, answer, sizeof(answer) - 1) < 0) break;
    }
    close(fd);
  }
}

TEST(LoadRunTest, ReopensAConnectionThatWasClosedWhileIdle) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const SocketAddress any = *ParseSocketAddress("127.0.0.1:0");
  ASSERT_EQ(bind(fd, any.get(), any.length), 0);
  ASSERT_EQ(listen(fd, 16), 0);
  std::thread server([fd] { ServeAndClose(fd, /*connections=*/5, /*answers=*/2); });
  const LoadReport report = RunLoad({.target = *ParseSocketAddress(LocalAddressText(fd)),
                                     .connections = 1,
                                     .rps = 50,
                                     .requests = 10});
  server.join();
  close(fd);
  EXPECT_EQ(report.ok, 10u);
  EXPECT_EQ(report.failed(), 0u);
  EXPECT_EQ(report.connections, 5u);
}

TEST(LoadRunTest, ReportsAsOneLineOfJson) {
  LoadReport report;
  report.sent = 2;
  report.failures[static_cast<size_t>(Failure::kTimeout)] = 1;
  report.backends["b\"1\xff"].ok = 1;
  const std::string json =
      ReportJson(report, "summary", absl::Seconds(2), common::MonotonicTime::FromMicros(5));
  EXPECT_EQ(json.find('\n'), std::string::npos);
  EXPECT_NE(json.find("\"timeout\":1"), std::string::npos);
  EXPECT_NE(json.find("\"kind\":\"summary\""), std::string::npos);
}

}  // namespace
}  // namespace pointsman::bench
