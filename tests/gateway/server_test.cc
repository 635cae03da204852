// A whole gateway in this process: flags' rules, traffic, admin pages, drain.

#include "gateway/server.h"

#include <httplib.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "common/core/address.h"
#include "common/files.h"
#include "gateway/net/socket.h"
#include "gtest/gtest.h"
#include "tests/gateway/control/temp_dir.h"

namespace pointsman::gateway {
namespace {

constexpr char kStatic[] = R"(
services:
  - name: web
    endpoints:
      - {id: a, address: "127.0.0.1:1"}
routes:
  - {name: hello, hosts: [hello.test], direct_response: {status: 200, body: hello}}
  - {name: web, hosts: [web.test], service: web}
)";

// Before any test leaves a thread behind that would take a signal to this process: gRPC does.
[[maybe_unused]] const bool kSignalsBlocked = [] {
  const common::Signals signals(/*upgrades=*/true);
  return true;
}();

class ServerTest : public ::testing::Test {
 protected:
  ServerOptions Options() {
    ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.admin = "127.0.0.1:0";
    options.id = "gw";
    options.workers = 2;
    options.ready_file = dir_.path() + "/ready";
    options.static_file = dir_.path() + "/gateway.yaml";
    options.drain_grace = absl::Seconds(1);
    EXPECT_TRUE(common::WriteFileAtomically(options.static_file, kStatic).ok());
    return options;
  }
  static std::string Get(const std::string& address, const std::string& path,
                         const std::string& host) {
    httplib::Client client("http://" + address);
    const auto result = client.Get(path, httplib::Headers{{"Host", host}});
    if (!result) return "failed";
    return std::to_string(result->status) + " " + result->body;
  }

  TempDir dir_;
};

TEST_F(ServerTest, ServesFromAFileAndShowsItself) {
  auto server = Server::Start(Options());
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string traffic = (*server)->listen_addresses().at(0);
  const std::string admin = (*server)->admin_address();
  EXPECT_EQ(Get(traffic, "/", "hello.test"), "200 hello");
  EXPECT_EQ(Get(traffic, "/", "nobody.test").substr(0, 3), "404");
  EXPECT_EQ(Get(traffic, "/", "web.test").substr(0, 1), "5") << "nobody listens on port 1";
  EXPECT_EQ(Get(admin, "/readyz", "x").substr(0, 3), "200");
  EXPECT_EQ(Get(admin, "/ready", "x"), "200 ready\n");
  EXPECT_EQ(Get(admin, "/healthz", "x").substr(0, 3), "200");
  EXPECT_NE(Get(admin, "/table", "localhost").find("\"connect_failures\": 1"), std::string::npos);
  EXPECT_NE(Get(admin, "/metrics", "x").find("pointsman_gateway_requests_total 3\n"),
            std::string::npos);
  const auto ready = common::ReadFile(dir_.path() + "/ready", 4096);
  ASSERT_TRUE(ready.ok());
  EXPECT_NE(ready->find(traffic), std::string::npos);
  EXPECT_NE(ready->find(admin), std::string::npos);
}

TEST_F(ServerTest, RefusesOpenAddressesWithoutCertificates) {
  ServerOptions options = Options();
  options.admin = "0.0.0.0:0";
  EXPECT_EQ(Server::Start(options).status().code(), absl::StatusCode::kFailedPrecondition);
  options = Options();
  options.listen = {"0.0.0.0:0"};
  EXPECT_EQ(Server::Start(options).status().code(), absl::StatusCode::kFailedPrecondition);
  options.insecure = true;
  EXPECT_TRUE(Server::Start(options).ok());
}

TEST_F(ServerTest, BadOptionsAreRefusedWithTheirName) {
  ServerOptions options = Options();
  options.id = "not a name";
  EXPECT_EQ(Server::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  options = Options();
  options.controller = "127.0.0.1:1";
  EXPECT_EQ(Server::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.controller.clear();
  options.static_file.clear();
  EXPECT_EQ(Server::Start(options).status().code(), absl::StatusCode::kInvalidArgument)
      << "nobody tells it where requests go";
  options = Options();
  EXPECT_TRUE(common::WriteFileAtomically(options.static_file, "servces: []").ok());
  const absl::Status status = Server::Start(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find("services"), std::string::npos) << status;
}

TEST_F(ServerTest, LimitsOfAFileHoldForEveryListener) {
  ServerOptions options = Options();
  const std::string long_path = "/" + std::string(6000, 'a');
  {
    auto server = Server::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    EXPECT_EQ(Get((*server)->listen_addresses().at(0), long_path, "hello.test"), "200 hello");
  }
  options.listener_file = dir_.path() + "/listeners.yaml";
  const std::string limits = "limits: {head_bytes: 4096}\n";
  EXPECT_TRUE(common::WriteFileAtomically(options.listener_file, limits).ok());
  {
    auto server = Server::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    const std::string traffic = (*server)->listen_addresses().at(0);
    EXPECT_EQ(Get(traffic, long_path, "hello.test"), "431 head_too_large\n");
    EXPECT_EQ(Get(traffic, "/", "hello.test"), "200 hello");
  }
  EXPECT_TRUE(common::WriteFileAtomically(options.static_file, kStatic + limits).ok());
  const absl::Status twice = Server::Start(options).status();
  EXPECT_EQ(twice.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(twice.message().find("one of the two"), absl::string_view::npos) << twice;
  options.listener_file.clear();
  auto server = Server::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(Get((*server)->listen_addresses().at(0), long_path, "hello.test"),
            "431 head_too_large\n");
}

TEST_F(ServerTest, TheFlagForASourceGoesBeforeTheFile) {
  ServerOptions options = Options();
  EXPECT_TRUE(common::WriteFileAtomically(
                  options.static_file, std::string(kStatic) + "limits: {connections_per_source: 1}")
                  .ok());
  const auto answers = [&] {
    auto server = Server::Start(options);
    EXPECT_TRUE(server.ok()) << server.status();
    httplib::Client first("http://" + (*server)->listen_addresses().at(0));
    first.set_keep_alive(true);
    const auto held = first.Get("/", httplib::Headers{{"Host", "hello.test"}});
    EXPECT_TRUE(held && held->status == 200);
    return Get((*server)->listen_addresses().at(0), "/", "hello.test").substr(0, 3);
  };
  EXPECT_EQ(answers(), "429");
  options.connections_per_source = 2;
  EXPECT_EQ(answers(), "200");
}

TEST_F(ServerTest, SignalsReloadAndEnd) {
  common::Signals signals;
  ServerOptions options = Options();
  auto server = Server::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  std::thread runner([&] { (*server)->Run(signals); });
  std::string changed = kStatic;
  changed.replace(changed.find("body: hello"), 11, "body: again");
  EXPECT_TRUE(common::WriteFileAtomically(options.static_file, changed).ok());
  kill(getpid(), SIGHUP);
  std::string answer;
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  do {
    answer = Get((*server)->listen_addresses().at(0), "/", "hello.test");
  } while (answer != "200 again" && absl::Now() < deadline);
  EXPECT_EQ(answer, "200 again");
  signals.RequestTermination();
  runner.join();
  EXPECT_EQ(Get((*server)->listen_addresses().at(0), "/", "hello.test"), "failed");
  EXPECT_EQ(Get((*server)->admin_address(), "/ready", "x").substr(0, 3), "503");
}

TEST_F(ServerTest, StartsWithoutAControllerAndIsNotReady) {
  ServerOptions options = Options();
  options.static_file.clear();
  options.controller = "127.0.0.1:1";
  options.state_dir = dir_.path() + "/state";
  auto server = Server::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(Get((*server)->admin_address(), "/readyz", "x").substr(0, 3), "503");
  EXPECT_EQ(Get((*server)->listen_addresses().at(0), "/", "hello.test").substr(0, 3), "503");
}

std::string Post(const std::string& address, const std::string& target) {
  httplib::Client client("http://" + address);
  const auto result = client.Post(target);
  if (!result) return "failed";
  return std::to_string(result->status) + " " + result->body;
}

TEST_F(ServerTest, TheLogsLevelCanBeChanged) {
  auto server = Server::Start(Options());
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string admin = (*server)->admin_address();
  const std::string before = Get(admin, "/log", "localhost");
  EXPECT_EQ(Post(admin, "/log?level=error"), "200 error\n");
  EXPECT_EQ(Get(admin, "/log", "localhost"), "200 error\n");
  EXPECT_EQ(Post(admin, "/log?level=loud").substr(0, 3), "400");
  EXPECT_EQ(Post(admin, "/log").substr(0, 3), "400");
  EXPECT_EQ(Post(admin, "/log?level=" + before.substr(4, before.size() - 5)), before);
  EXPECT_EQ(Post(admin, "/upgrade").substr(0, 3), "404") << "its program is not known";
  EXPECT_NE(Get(admin, "/connections", "localhost").find("\"clients\": 0"), std::string::npos);
}

TEST_F(ServerTest, AChangedFileIsReadAndABadOneChangesNothing) {
  common::Signals signals;
  ServerOptions options = Options();
  auto server = Server::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string admin = (*server)->admin_address();
  const std::string traffic = (*server)->listen_addresses().at(0);
  std::thread runner([&] { (*server)->Run(signals); });
  const auto await_count = [&](const std::string& series) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    bool found = false;
    while (!found && absl::Now() < deadline) {
      found = Get(admin, "/metrics", "x").find(series) != std::string::npos;
    }
    return found;
  };
  EXPECT_TRUE(common::WriteFileAtomically(options.static_file, "servces: []").ok());
  EXPECT_TRUE(await_count("pointsman_gateway_static_refused_total 1\n"));
  EXPECT_EQ(Get(traffic, "/", "hello.test"), "200 hello");
  std::string changed = kStatic;
  changed.replace(changed.find("body: hello"), 11, "body: again");
  EXPECT_TRUE(common::WriteFileAtomically(options.static_file, changed).ok());
  EXPECT_TRUE(await_count("pointsman_gateway_static_applied_total 1\n"));
  std::string answer;
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  do {
    answer = Get(traffic, "/", "hello.test");
  } while (answer != "200 again" && absl::Now() < deadline);
  EXPECT_EQ(answer, "200 again");
  signals.RequestTermination();
  runner.join();
}

TEST_F(ServerTest, DrainCanBeAskedFor) {
  common::Signals signals;
  auto server = Server::Start(Options());
  ASSERT_TRUE(server.ok()) << server.status();
  std::thread runner([&] { (*server)->Run(signals); });
  EXPECT_EQ(Get((*server)->admin_address(), "/drain", "localhost").substr(0, 3), "404");
  EXPECT_EQ(Post((*server)->admin_address(), "/drain").substr(0, 3), "200");
  runner.join();
  EXPECT_EQ(Get((*server)->listen_addresses().at(0), "/", "hello.test"), "failed");
}

TEST_F(ServerTest, AFailingReplacementChangesNothing) {
  common::Signals signals(/*upgrades=*/true);
  ServerOptions options = Options();
  options.program = {"/bin/sh", {"sh", "-c", "exit 1"}};
  auto server = Server::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  std::thread runner([&] { (*server)->Run(signals); });
  const std::string admin = (*server)->admin_address();
  EXPECT_EQ(Post(admin, "/upgrade").substr(0, 26), "500 this process goes on: ");
  EXPECT_EQ(Post(admin, "/upgrade").substr(0, 3), "500") << "it may be asked again";
  EXPECT_EQ(Get((*server)->listen_addresses().at(0), "/", "hello.test"), "200 hello");
  signals.RequestTermination();
  runner.join();
}

// The old process is this test.
TEST_F(ServerTest, TakesOverSocketsThenWaitsForTheWord) {
  Handover handover;
  handover.listeners.push_back({"127.0.0.1:0", {}});
  handover.listeners[0].sockets.push_back(
      *Listen(SocketAddress::From(*common::ParseAddress("127.0.0.1:0")), {}));
  const std::string address =
      SocketAddress::Local(handover.listeners[0].sockets[0].get())->ToString();
  handover.listeners.push_back({"127.0.0.1:1", {}});
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const Fd old_end(ends[0]);
  Predecessor predecessor{Fd(ends[1]), std::move(handover)};
  absl::StatusOr<std::unique_ptr<Server>> server;
  std::thread starting([&] { server = Server::Start(Options(), std::move(predecessor)); });
  pollfd waiting{old_end.get(), POLLIN, 0};
  ASSERT_EQ(poll(&waiting, 1, 20'000), 1);
  const auto taken = ReceiveAnswer(old_end.get(), 2);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(*taken, (std::vector<bool>{true, false}));
  // Nobody accepts yet, but the kernel takes the connection.
  std::string answer;
  std::thread client([&] { answer = Get(address, "/", "hello.test"); });
  ASSERT_TRUE(SendGo(old_end.get()).ok());
  starting.join();
  client.join();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->listen_addresses().at(0), address);
  EXPECT_EQ(answer, "200 hello");
}

TEST_F(ServerTest, TellsThePredecessorWhyItCannotTakeOver) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const Fd old_end(ends[0]);
  ServerOptions options = Options();
  EXPECT_TRUE(common::WriteFileAtomically(options.static_file, "servces: []").ok());
  EXPECT_FALSE(Server::Start(options, Predecessor{Fd(ends[1]), {}}).ok());
  const absl::Status why = ReceiveAnswer(old_end.get(), 0).status();
  EXPECT_EQ(why.code(), absl::StatusCode::kAborted);
  EXPECT_NE(why.message().find("services"), absl::string_view::npos) << why;
}

}  // namespace
}  // namespace pointsman::gateway
