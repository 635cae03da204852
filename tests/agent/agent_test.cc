// The whole agent in this process, against a fake controller and a scripted service.

#include "agent/agent.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "agent/restart/spawn.h"
#include "common/files.h"
#include "common/rpc/channel.h"
#include "gtest/gtest.h"
#include "tests/agent/fake_controller.h"
#include "tests/agent/scripted_server.h"

namespace pointsman::agent {
namespace {

using testing::FakeController;
using testing::Ok;
using testing::ScriptedServer;

// An agent on a thread of its own; ends with the object, as SIGTERM would end it.
class RunningAgent {
 public:
  RunningAgent(AgentConfig config, const std::string& state_dir, const std::string& controller) {
    AgentOptions options;
    options.config = std::move(config);
    options.state_dir = state_dir;
    options.channel = *common::MakeChannel({.targets = {controller},
                                            .tls = {},
                                            .backoff_min = absl::Milliseconds(50),
                                            .backoff_max = absl::Milliseconds(200),
                                            .own_connection = true});
    options.restart.alone_after = absl::Milliseconds(100);
    agent_ = *Agent::Create(std::move(options), common::SystemClock(), registry_);
    thread_ = std::thread([this] { agent_->Run(); });
  }
  ~RunningAgent() {
    agent_->RequestStop();
    thread_.join();
  }
  std::string Metrics() const { return registry_.Scrape(); }

 private:
  common::Registry registry_;
  std::unique_ptr<Agent> agent_;
  std::thread thread_;
};

// A service that answers while it is up, and else resets.
class Service {
 public:
  Service()
      : server_([this](ScriptedServer& server, int fd) {
          server.ReadHead(fd);
          if (up_.load()) return server.Send(fd, Ok("fine"));
          ScriptedServer::ResetOnClose(fd);
        }) {}
  void SetUp(bool up) { up_.store(up); }
  const std::string& address() const { return server_.address(); }

 private:
  std::atomic<bool> up_{true};
  ScriptedServer server_;
};

class AgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/pm-agent-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override {
    for (const int64_t pid : kill_) kill(static_cast<pid_t>(pid), SIGKILL);
    std::filesystem::remove_all(folder_);
  }

  AgentConfig ConfigFor(const std::string& address) {
    AgentConfig config;
    config.id = "host-7";
    InstanceConfig& web = config.instances.emplace_back();
    web.service = "web";
    web.id = "web-1";
    web.address = address;
    web.pid_file = folder_ + "/web.pid";
    return config;
  }

  static v1::Assignment HttpEvery100Ms() {
    v1::Assignment assignment;
    assignment.set_service("web");
    assignment.set_version(1);
    assignment.set_configured(true);
    v1::HealthCheck* check = assignment.add_checks();
    check->mutable_http()->set_path("/health");
    check->mutable_interval()->set_nanos(100'000'000);
    return assignment;
  }

  int64_t StartService() {
    const absl::StatusOr<int64_t> pid =
        Spawn({.argv = {"/bin/sleep", "600"}, .output = "", .detached = true});
    PM_CHECK(pid.ok());
    kill_.push_back(*pid);
    std::ofstream(folder_ + "/web.pid") << *pid;
    return *pid;
  }

  static bool Reports(const v1::AgentMessage& message, v1::CheckStatus status) {
    return message.has_report() && message.report().instances(0).checks_size() == 1 &&
           message.report().instances(0).checks(0).status() == status;
  }
  static bool Process(const v1::AgentMessage& message, v1::ProcessState state) {
    return message.has_report() && message.report().instances(0).process() == state;
  }

  std::string state_dir() const { return folder_ + "/state"; }

  std::string folder_;
  std::vector<int64_t> kill_;
};

TEST_F(AgentTest, RegistersChecksAndReports) {
  ScriptedServer service(testing::Answer(Ok("{\"in_flight\": 4, \"requests\": 9}")));
  FakeController controller;
  controller.Assign(HttpEvery100Ms());
  controller.SetInterval(absl::Milliseconds(200));
  AgentConfig config = ConfigFor(service.address());
  config.instances[0].metrics_url = "http://" + service.address() + "/metrics.json";
  StartService();
  RunningAgent agent(config, state_dir(), controller.address());
  EXPECT_TRUE(controller.Await([](const v1::AgentMessage& message) {
    return Reports(message, v1::CHECK_STATUS_PASSING) &&
           Process(message, v1::PROCESS_STATE_RUNNING) &&
           message.report().instances(0).load().in_flight() == 4 &&
           message.report().instances(0).load().requests() == 9 &&
           message.report().instances(0).load().memory_bytes() > 0 &&
           message.report().host().memory_utilisation() > 0;
  }));
  const std::vector<v1::AgentMessage> messages = controller.Take();
  ASSERT_TRUE(messages[0].has_hello());
  EXPECT_EQ(messages[0].hello().agent_id(), "host-7");
  EXPECT_TRUE(absl::StrContains(agent.Metrics(), "pointsman_agent_connected 1\n"));
}

TEST_F(AgentTest, AServiceThatIsKilledIsReportedAndRestartedWithAGrant) {
  FakeController controller;
  controller.Assign(HttpEvery100Ms());
  Service service;
  AgentConfig config = ConfigFor(service.address());
  config.instances[0].pid_file.clear();
  RestartAction& restart = config.instances[0].restart.emplace();
  restart.argv = {"/bin/sleep", "600"};
  restart.kind = RestartAction::Kind::kSimple;
  // Its first process is known from a file that stays as it is.
  const int64_t first = StartService();
  config.instances[0].pid_file = folder_ + "/web.pid";
  RunningAgent agent(config, state_dir(), controller.address());
  ASSERT_TRUE(controller.Await([](const v1::AgentMessage& message) {
    return Reports(message, v1::CHECK_STATUS_PASSING) &&
           Process(message, v1::PROCESS_STATE_RUNNING);
  }));
  controller.Take();
  service.SetUp(false);
  kill(static_cast<pid_t>(first), SIGKILL);
  EXPECT_TRUE(controller.Await(
      [](const v1::AgentMessage& m) { return Process(m, v1::PROCESS_STATE_GONE); }));
  EXPECT_TRUE(controller.Await([](const v1::AgentMessage& m) { return m.has_restart_request(); }));
  EXPECT_TRUE(controller.Await([](const v1::AgentMessage& m) {
    return Process(m, v1::PROCESS_STATE_RUNNING) && m.report().instances(0).restarts() == 1;
  }));
  service.SetUp(true);
  EXPECT_TRUE(controller.Await([](const v1::AgentMessage& m) {
    return m.has_restart_result() && m.restart_result().succeeded();
  }));
  // The new process is ended with the test; the old one's file still names the old one.
  const absl::StatusOr<std::string> state = common::ReadFile(state_dir() + "/agent.state", 1 << 20);
  ASSERT_TRUE(state.ok());
  const absl::StatusOr<SavedState> saved = DecodeState(*state);
  ASSERT_TRUE(saved.ok());
  kill_.push_back(saved->instances[0].pid);
  EXPECT_NE(saved->instances[0].pid, first);
}

TEST_F(AgentTest, GoesOnWithoutItsControllerAndComesBack) {
  Service service;
  int port = 0;
  uint64_t sequence = 0;
  const int64_t pid = StartService();
  std::unique_ptr<RunningAgent> agent;
  AgentConfig config = ConfigFor(service.address());
  config.instances[0].restart = RestartAction{
      .argv = {"/usr/bin/touch", folder_ + "/restarted"}, .output = "", .directory = ""};
  {
    FakeController controller;
    port = controller.port();
    controller.Assign(HttpEvery100Ms());
    agent = std::make_unique<RunningAgent>(config, state_dir(), controller.address());
    ASSERT_TRUE(controller.Await([](const v1::AgentMessage& m) {
      return Reports(m, v1::CHECK_STATUS_PASSING) && Process(m, v1::PROCESS_STATE_RUNNING);
    }));
    for (const v1::AgentMessage& message : controller.Take()) {
      if (message.has_report()) sequence = message.report().sequence();
    }
  }
  service.SetUp(false);
  kill(static_cast<pid_t>(pid), SIGKILL);
  const common::MonotonicTime deadline = common::SystemClock().Now() + absl::Seconds(20);
  while (!std::filesystem::exists(folder_ + "/restarted") &&
         common::SystemClock().Now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/restarted"));
  FakeController controller(port);
  EXPECT_TRUE(controller.Await([sequence](const v1::AgentMessage& m) {
    return m.has_report() && m.report().sequence() > sequence &&
           m.report().instances(0).restarts() == 1;
  }));
}

TEST_F(AgentTest, AnAgentThatStartsAgainContinues) {
  ScriptedServer service(testing::Answer(Ok("fine")));
  FakeController controller;
  controller.Assign(HttpEvery100Ms());
  controller.SetInterval(absl::Milliseconds(100));
  uint64_t boot = 0;
  uint64_t sequence = 0;
  const int64_t pid = StartService();
  for (int life = 0; life < 3; ++life) {
    {
      RunningAgent agent(ConfigFor(service.address()), state_dir(), controller.address());
      ASSERT_TRUE(controller.AwaitAll([](const std::vector<v1::AgentMessage>& messages) {
        return messages.size() > 5 && Reports(messages.back(), v1::CHECK_STATUS_PASSING);
      }));
    }
    for (const v1::AgentMessage& message : controller.Take()) {
      if (message.has_hello()) {
        EXPECT_TRUE(boot == 0 || boot == message.hello().boot_id());
        boot = message.hello().boot_id();
      }
      if (!message.has_report()) continue;
      EXPECT_GT(message.report().sequence(), sequence);
      sequence = message.report().sequence();
      // From the second life on the first report knows what the life before knew.
      EXPECT_TRUE(life == 0 || Reports(message, v1::CHECK_STATUS_PASSING));
    }
  }
  EXPECT_EQ(kill(static_cast<pid_t>(pid), 0), 0);  // The service never noticed.
}

TEST_F(AgentTest, ASlowControllerGetsTheNewestReport) {
  ScriptedServer service(testing::Answer(Ok("fine")));
  FakeController controller;
  controller.SetInterval(absl::Milliseconds(100));
  AgentConfig config = ConfigFor(service.address());
  for (int i = 2; i <= 200; ++i) {  // Large reports fill the stream's window soon.
    config.instances.push_back(config.instances[0]);
    config.instances.back().id = absl::StrCat("web-", i);
    config.instances.back().pid_file.clear();
  }
  v1::Assignment assignment = HttpEvery100Ms();
  for (int i = 0; i < 7; ++i) {
    v1::HealthCheck* check = assignment.add_checks();
    check->set_name(absl::StrCat("never-run-but-reported-with-its-name-", i));
    check->mutable_tcp();
    check->mutable_interval()->set_seconds(600);
  }
  controller.Assign(assignment);
  RunningAgent agent(config, state_dir(), controller.address());
  ASSERT_TRUE(controller.Await([](const v1::AgentMessage& m) { return m.has_report(); }));
  controller.Pause();
  const common::MonotonicTime deadline = common::SystemClock().Now() + absl::Seconds(20);
  while (absl::StrContains(agent.Metrics(), "pointsman_agent_reports_conflated_total 0\n") &&
         common::SystemClock().Now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(absl::StrContains(agent.Metrics(), "pointsman_agent_reports_conflated_total 0\n"));
  controller.Take();
  controller.Resume();
  // Sequences only rise, with gaps where reports were replaced.
  EXPECT_TRUE(controller.AwaitAll([](const std::vector<v1::AgentMessage>& messages) {
    uint64_t last = 0;
    bool gap = false;
    for (const v1::AgentMessage& message : messages) {
      if (!message.has_report()) continue;
      gap = gap || (last != 0 && message.report().sequence() > last + 1);
      last = message.report().sequence();
    }
    return gap;
  }));
}

TEST_F(AgentTest, ARefusedStreamIsTriedAgain) {
  ScriptedServer service(testing::Answer(Ok("fine")));
  FakeController controller;
  controller.Refuse(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "later"));
  RunningAgent agent(ConfigFor(service.address()), state_dir(), controller.address());
  const common::MonotonicTime deadline = common::SystemClock().Now() + absl::Seconds(20);
  while (!absl::StrContains(agent.Metrics(), "pointsman_agent_streams_total 3\n") &&
         common::SystemClock().Now() < deadline) {
    std::this_thread::yield();
  }
  controller.Refuse(grpc::Status::OK);
  EXPECT_TRUE(controller.Await([](const v1::AgentMessage& m) { return m.has_report(); }));
}

TEST_F(AgentTest, TwoAgentsCannotShareAStateFolder) {
  ScriptedServer service(testing::Answer(Ok("fine")));
  FakeController controller;
  RunningAgent agent(ConfigFor(service.address()), state_dir(), controller.address());
  AgentOptions options;
  options.state_dir = state_dir();
  common::Registry registry;
  EXPECT_TRUE(absl::IsFailedPrecondition(
      Agent::Create(std::move(options), common::SystemClock(), registry).status()));
}

}  // namespace
}  // namespace pointsman::agent
