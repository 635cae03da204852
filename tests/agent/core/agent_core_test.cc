#include "agent/core/agent_core.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "agent/core/proto_time.h"
#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

using common::MonotonicTime;
using Sight = ProcessInput::Sight;

AgentConfig Config() {
  AgentConfig config;
  config.id = "host-7";
  config.region = "eu";
  config.zone = "a";
  InstanceConfig& web = config.instances.emplace_back();
  web.service = "web";
  web.id = "web-1";
  web.address = "127.0.0.1:8080";
  web.labels["version"] = "3";
  web.metrics_url = "http://127.0.0.1:8080/metrics.json";
  web.restart = RestartAction{.argv = {"/bin/true"}, .output = "", .directory = ""};
  InstanceConfig& api = config.instances.emplace_back();
  api.service = "api";
  api.id = "api-1";
  api.address = "127.0.0.1:8081";
  return config;
}

v1::AgentCommand Assign(const std::string& service, uint64_t version) {
  v1::AgentCommand command;
  v1::Assignment* assignment = command.mutable_assignment();
  assignment->set_service(service);
  assignment->set_version(version);
  assignment->set_configured(true);
  v1::HealthCheck* check = assignment->add_checks();
  check->mutable_http()->set_path("/health");
  return command;
}

// Plays the shell: time passes in steps to what is due, probes are answered by `answer`.
class World {
 public:
  explicit World(std::optional<SavedState> saved = std::nullopt, AgentConfig config = Config())
      : core_({.version = "test", .boot_id = 9, .restart = {}}, std::move(config), std::move(saved),
              now_, random_) {}

  AgentEffects Step(AgentInput input) {
    AgentEffects effects = core_.Step(input, now_, random_);
    for (const ProbeEffect& probe : effects.probes) probes_.push_back(probe);
    for (const MetricsEffect& fetch : effects.metrics) fetches_.push_back(fetch);
    for (const RestartEffect& restart : effects.restarts) restarts_.push_back(restart);
    for (const v1::AgentMessage& message : effects.messages) messages_.push_back(message);
    for (const EventEffect& event : effects.events) events_.push_back(event.name);
    if (effects.report != nullptr) reports_.push_back(*effects.report);
    if (effects.persist) saved_ = core_.Save();
    if (effects.sample) {
      LoadInput load;
      load.host.cpu = CpuReading{.used_seconds = 0.25 * Seconds(), .available_seconds = Seconds()};
      load.host.memory_share = 0.5;
      load.instances.resize(core_.config().instances.size());
      Step(std::move(load));
    }
    return effects;
  }

  // Runs for `duration`; every probe ends after `latency_` with `failure_`.
  void Run(absl::Duration duration) {
    const MonotonicTime end = now_ + duration;
    while (true) {
      std::vector<ProbeEffect> probes = std::exchange(probes_, {});
      if (!probes.empty()) now_ = now_ + latency_;
      for (const ProbeEffect& probe : probes) {
        ++runs_;
        Step(ProbeDoneInput{probe.token, {.failure = failure_, .latency = latency_, .detail = ""}});
      }
      for (const MetricsEffect& fetch : std::exchange(fetches_, {})) {
        Step(MetricsDoneInput{fetch.token, metrics_});
      }
      const MonotonicTime due = std::max(core_.NextDue(), now_ + absl::Microseconds(1));
      if (due > end) break;
      now_ = due;
      Step(TickInput{});
    }
    now_ = end;
  }

  void Command(const v1::AgentCommand& command) { Step(CommandInput{command}); }

  void Connect(uint64_t version = 1) {
    Step(StreamUpInput{});
    v1::AgentCommand welcome;
    welcome.mutable_welcome()->set_store_id("store-1");
    Command(welcome);
    Command(Assign("web", version));
    Command(Assign("api", version));
  }

  double Seconds() const { return static_cast<double>(now_.micros()) / 1e6; }
  const v1::InstanceReport& Web() const { return reports_.back().instances(0); }
  v1::CheckStatus WebStatus() const { return Web().checks(0).status(); }
  bool Saw(const std::string& event) const {
    return std::find(events_.begin(), events_.end(), event) != events_.end();
  }
  const v1::AgentMessage& Last() const { return messages_.back(); }

  MonotonicTime now_ = MonotonicTime::FromMicros(1'000'000'000);
  std::mt19937_64 random_{1};
  v1::CheckFailure failure_ = v1::CHECK_FAILURE_UNSPECIFIED;
  absl::Duration latency_ = absl::Milliseconds(2);
  absl::StatusOr<ServiceMetrics> metrics_ = ServiceMetrics{};
  std::vector<ProbeEffect> probes_;
  std::vector<MetricsEffect> fetches_;
  std::vector<RestartEffect> restarts_;
  std::vector<v1::AgentMessage> messages_;
  std::vector<v1::AgentReport> reports_;
  std::vector<std::string> events_;
  SavedState saved_;
  int runs_ = 0;
  AgentCore core_;
};

TEST(AgentCoreTest, HelloNamesEverythingAndReportsWaitForWelcome) {
  World world;
  world.Step(StreamUpInput{});
  ASSERT_EQ(world.messages_.size(), 1u);
  const v1::AgentHello& hello = world.messages_[0].hello();
  EXPECT_EQ(hello.agent_id(), "host-7");
  EXPECT_EQ(hello.boot_id(), 9u);
  ASSERT_EQ(hello.instances_size(), 2);
  EXPECT_EQ(hello.instances(0).endpoint().id(), "web-1");
  EXPECT_EQ(hello.instances(0).endpoint().locality().zone(), "a");
  EXPECT_EQ(hello.instances(0).endpoint().labels().at("version"), "3");
  EXPECT_TRUE(hello.instances(0).restartable());
  EXPECT_FALSE(hello.instances(1).restartable());
  world.Run(absl::Seconds(5));
  EXPECT_TRUE(world.reports_.empty());
  world.Connect();
  EXPECT_FALSE(world.reports_.empty());
}

TEST(AgentCoreTest, ReportsEachIntervalInOneShape) {
  World world;
  world.Connect();
  world.Run(absl::Seconds(5));
  world.reports_.clear();
  const MonotonicTime start = world.now_;
  world.Run(absl::Seconds(100));
  EXPECT_NEAR(static_cast<double>(world.reports_.size()), 100, 5);
  uint64_t sequence = 0;
  absl::Duration windows;
  for (const v1::AgentReport& report : world.reports_) {
    EXPECT_GT(report.sequence(), sequence);
    sequence = report.sequence();
    windows += FromProto(report.window());
    ASSERT_EQ(report.instances_size(), 2);
    EXPECT_EQ(report.instances(0).checks_size(), 1);
    EXPECT_EQ(report.instances(0).assignment_version(), 1u);
    EXPECT_NEAR(report.host().cpu_utilisation(), 0.25, 0.001);
    EXPECT_FLOAT_EQ(report.host().memory_utilisation(), 0.5);
  }
  // The windows cover the time without gaps.
  EXPECT_NEAR(absl::ToDoubleSeconds(windows), absl::ToDoubleSeconds(world.now_ - start), 2.2);
}

TEST(AgentCoreTest, ChecksRunAtTheirIntervalAndFasterWhileChanging) {
  World world;
  world.Connect();
  world.Run(absl::Seconds(10));
  world.runs_ = 0;
  world.Run(absl::Seconds(100));
  EXPECT_NEAR(world.runs_, 2 * 50, 6);  // Two instances, every 2 s.
  // From a first failed run to FAILING: two transition intervals of 400 ms.
  world.failure_ = v1::CHECK_FAILURE_REFUSED;
  world.reports_.clear();
  world.Run(absl::Milliseconds(2100 + 2 * 420 + 50));
  EXPECT_EQ(world.WebStatus(), v1::CHECK_STATUS_FAILING);
  EXPECT_EQ(world.Web().checks(0).last_failure(), v1::CHECK_FAILURE_REFUSED);
}

TEST(AgentCoreTest, AChangedCheckReportsAtOnce) {
  World world;
  world.Connect();
  v1::AgentCommand pace;
  ToProto(absl::Minutes(5), pace.mutable_pace()->mutable_report_interval());
  world.Run(absl::Seconds(10));
  world.Command(pace);
  world.Run(absl::Minutes(6));
  world.reports_.clear();
  world.failure_ = v1::CHECK_FAILURE_TIMEOUT;
  world.Run(absl::Seconds(4));
  const auto first =
      std::find_if(world.reports_.begin(), world.reports_.end(), [](const v1::AgentReport& report) {
        return report.instances(0).checks(0).status() == v1::CHECK_STATUS_FAILING;
      });
  ASSERT_NE(first, world.reports_.end());
  // It left in the very step of the third failed run.
  EXPECT_EQ(FromProto(first->instances(0).checks(0).age()), absl::ZeroDuration());
}

TEST(AgentCoreTest, PaceIsKeptWithinItsRange) {
  World world;
  world.Connect();
  v1::AgentCommand pace;
  pace.mutable_pace()->mutable_report_interval()->set_seconds(-5);
  world.Command(pace);
  EXPECT_EQ(world.core_.report_interval(), absl::Milliseconds(100));
  pace.mutable_pace()->mutable_report_interval()->set_seconds(1'000'000);
  world.Command(pace);
  EXPECT_EQ(world.core_.report_interval(), absl::Minutes(5));
}

TEST(AgentCoreTest, GoneProcessIsReportedAtOnceAndVoidsItsChecks) {
  World world;
  world.Connect();
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.Run(absl::Seconds(5));
  EXPECT_EQ(world.Web().process(), v1::PROCESS_STATE_RUNNING);
  EXPECT_EQ(world.WebStatus(), v1::CHECK_STATUS_PASSING);
  world.reports_.clear();
  world.probes_.clear();
  world.Step(ProcessInput{0, Sight::kGone, 100});
  ASSERT_EQ(world.reports_.size(), 1u);
  EXPECT_EQ(world.Web().process(), v1::PROCESS_STATE_GONE);
  EXPECT_EQ(world.WebStatus(), v1::CHECK_STATUS_UNSPECIFIED);
  EXPECT_EQ(world.probes_.size(), 1u);  // And checked at once.
}

TEST(AgentCoreTest, AStalePidFileAloneIsNotAGoneProcess) {
  World world;
  world.Connect();
  world.Step(ProcessInput{0, Sight::kGone, 100});
  EXPECT_EQ(world.Web().process(), v1::PROCESS_STATE_UNSPECIFIED);
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.Step(ProcessInput{0, Sight::kGone, 100});
  EXPECT_EQ(world.Web().process(), v1::PROCESS_STATE_GONE);
  // Something answers after all.
  world.Run(absl::Seconds(2));
  EXPECT_EQ(world.Web().process(), v1::PROCESS_STATE_UNSPECIFIED);
}

TEST(AgentCoreTest, RestartsWithAGrantAndTellsTheResult) {
  World world;
  world.Connect();
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.Run(absl::Seconds(5));
  world.failure_ = v1::CHECK_FAILURE_REFUSED;
  world.Step(ProcessInput{0, Sight::kGone, 100});
  ASSERT_TRUE(world.Last().has_restart_request());
  const uint64_t id = world.Last().restart_request().request_id();
  EXPECT_EQ(world.Last().restart_request().instance(), 0u);
  EXPECT_TRUE(world.restarts_.empty());
  v1::AgentCommand decision;
  decision.mutable_restart_decision()->set_request_id(id);
  decision.mutable_restart_decision()->set_granted(true);
  decision.mutable_restart_decision()->mutable_duration()->set_seconds(60);
  world.Command(decision);
  ASSERT_EQ(world.restarts_.size(), 1u);
  EXPECT_EQ(world.Web().process(), v1::PROCESS_STATE_RESTARTING);
  EXPECT_EQ(world.Web().restarts(), 1u);
  world.failure_ = v1::CHECK_FAILURE_UNSPECIFIED;
  world.Step(RestartDoneInput{0, true, ""});
  world.Step(ProcessInput{0, Sight::kRunning, 101});
  world.Run(absl::Seconds(3));
  ASSERT_TRUE(world.Last().has_restart_result());
  EXPECT_EQ(world.Last().restart_result().request_id(), id);
  EXPECT_TRUE(world.Last().restart_result().succeeded());
  EXPECT_EQ(world.WebStatus(), v1::CHECK_STATUS_PASSING);
}

TEST(AgentCoreTest, AGrantNotWantedIsGivenBack) {
  World world;
  world.Connect();
  v1::AgentCommand decision;
  decision.mutable_restart_decision()->set_request_id(555);
  decision.mutable_restart_decision()->set_granted(true);
  world.Command(decision);
  ASSERT_TRUE(world.Last().has_restart_result());
  EXPECT_EQ(world.Last().restart_result().request_id(), 555u);
  EXPECT_FALSE(world.Last().restart_result().succeeded());
}

TEST(AgentCoreTest, RestartsAloneOnlyWithinTheStricterBudget) {
  World world;
  world.Connect();
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.Run(absl::Seconds(5));
  world.Step(StreamDownInput{});
  world.failure_ = v1::CHECK_FAILURE_REFUSED;
  world.Step(ProcessInput{0, Sight::kGone, 100});
  EXPECT_TRUE(world.restarts_.empty());
  for (int i = 0; i < 300; ++i) {
    world.Run(absl::Seconds(1));
    for (const RestartEffect& restart : std::exchange(world.restarts_, {})) {
      world.Step(RestartDoneInput{restart.instance, false, "exit status 1"});
    }
  }
  EXPECT_EQ(world.core_.counters().restarts_started, 2u);
  EXPECT_GT(world.runs_, 100);  // Checks went on.
}

TEST(AgentCoreTest, ADrainingInstanceIsNotRestarted) {
  AgentConfig config = Config();
  config.instances[0].draining = true;
  World world(std::nullopt, config);
  world.Connect();
  EXPECT_TRUE(world.messages_[0].hello().instances(0).draining());
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.Step(ProcessInput{0, Sight::kGone, 100});
  world.Run(absl::Seconds(60));
  for (const v1::AgentMessage& message : world.messages_) {
    EXPECT_FALSE(message.has_restart_request());
  }
}

TEST(AgentCoreTest, DisabledRecoveryRestartsNothing) {
  World world;
  world.Connect();
  v1::AgentCommand command = Assign("web", 2);
  command.mutable_assignment()->mutable_recovery()->set_disabled(true);
  world.Command(command);
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.Step(ProcessInput{0, Sight::kGone, 100});
  world.failure_ = v1::CHECK_FAILURE_REFUSED;
  world.Run(absl::Seconds(60));
  for (const v1::AgentMessage& message : world.messages_) {
    EXPECT_FALSE(message.has_restart_request());
  }
}

TEST(AgentCoreTest, MetricsReachTheReportAndBadOnesAreCounted) {
  World world;
  world.metrics_->in_flight = 3;
  world.metrics_->requests = 50;
  world.Connect();
  world.Run(absl::Seconds(3));
  EXPECT_FLOAT_EQ(world.Web().load().in_flight(), 3);
  EXPECT_EQ(world.Web().load().requests(), 50u);
  EXPECT_FALSE(world.reports_.back().instances(1).load().has_in_flight());
  world.metrics_ = absl::InvalidArgumentError("METRICS_VALUE: in_flight: negative");
  world.Run(absl::Seconds(3));
  EXPECT_GE(world.core_.counters().metrics_refused, 2u);
  EXPECT_FALSE(world.Web().load().has_in_flight());
  EXPECT_EQ(world.Web().load().requests(), 50u);  // Cumulative: nothing is lost.
}

TEST(AgentCoreTest, AnotherAssignmentKeepsTheStateOfChecksOfTheSameName) {
  World world;
  world.Connect();
  world.Run(absl::Seconds(5));
  v1::AgentCommand command = Assign("web", 2);
  command.mutable_assignment()->mutable_checks(0)->mutable_http()->set_path("/other");
  command.mutable_assignment()->add_checks()->mutable_tcp();
  world.Command(command);
  ASSERT_EQ(world.Web().checks_size(), 2);
  EXPECT_EQ(world.Web().assignment_version(), 2u);
  EXPECT_EQ(world.Web().checks(0).status(), v1::CHECK_STATUS_PASSING);
  EXPECT_EQ(world.Web().checks(1).status(), v1::CHECK_STATUS_UNSPECIFIED);
  command.mutable_assignment()->set_configured(false);
  command.mutable_assignment()->set_version(3);
  world.Command(command);
  EXPECT_EQ(world.Web().checks_size(), 0);
}

TEST(AgentCoreTest, RefusesAssignmentsThatAreNotItsOwnOrTooLarge) {
  World world;
  world.Connect();
  world.Command(Assign("other", 1));
  v1::AgentCommand large = Assign("web", 2);
  for (int i = 0; i < 8; ++i) large.mutable_assignment()->add_checks()->mutable_tcp();
  world.Command(large);
  world.Command(v1::AgentCommand());
  EXPECT_EQ(world.core_.counters().commands_refused, 3u);
  world.Run(absl::Seconds(1));
  EXPECT_EQ(world.Web().assignment_version(), 1u);
}

TEST(AgentCoreTest, ANewStreamReportsNoVersionUntilItIsAssigned) {
  World world;
  world.Connect(7);
  world.Run(absl::Seconds(3));
  world.Step(StreamDownInput{});
  world.reports_.clear();
  world.Step(StreamUpInput{});
  v1::AgentCommand welcome;
  welcome.mutable_welcome()->set_store_id("store-2");
  world.Command(welcome);
  ASSERT_FALSE(world.reports_.empty());
  EXPECT_EQ(world.Web().assignment_version(), 0u);
  EXPECT_EQ(world.WebStatus(), v1::CHECK_STATUS_PASSING);
  EXPECT_TRUE(world.Saw("controller.store_changed"));
}

TEST(AgentCoreTest, AnotherAgentContinuesWhereThisOneEnded) {
  World world;
  world.metrics_->requests = 50;
  world.Connect();
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.Run(absl::Seconds(30));
  const uint64_t sequence = world.reports_.back().sequence();
  // Killed: what was saved last is what is there.
  const absl::StatusOr<SavedState> saved = DecodeState(EncodeState(world.saved_));
  ASSERT_TRUE(saved.ok());
  World next(*saved);
  next.now_ = world.now_ + absl::Seconds(1);
  // Checks go on before any controller speaks.
  next.Run(absl::Seconds(5));
  EXPECT_GT(next.runs_, 2);
  next.Connect();
  EXPECT_EQ(next.messages_[0].hello().boot_id(), 9u);
  next.Run(absl::Milliseconds(100));
  EXPECT_GT(next.reports_.front().sequence(), sequence);
  EXPECT_EQ(next.WebStatus(), v1::CHECK_STATUS_PASSING);
  EXPECT_EQ(next.Web().load().requests(), 50u);
  EXPECT_EQ(next.Web().process(), v1::PROCESS_STATE_RUNNING);
}

TEST(AgentCoreTest, NoSequenceIsEverUsedAgainHoweverOftenTheAgentDies) {
  std::optional<SavedState> saved;
  uint64_t highest = 0;
  for (int life = 0; life < 20; ++life) {
    World world(saved);
    world.Connect();
    world.Run(absl::Seconds(life * 40));
    ASSERT_GT(world.reports_.front().sequence(), highest);
    highest = world.reports_.back().sequence();
    saved = world.saved_;
    EXPECT_GE(saved->reserved_id, highest);
  }
}

TEST(AgentCoreTest, ALeaseIsPresentedAgainAfterAReconnect) {
  World world;
  world.Connect();
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.failure_ = v1::CHECK_FAILURE_REFUSED;
  world.Step(ProcessInput{0, Sight::kGone, 100});
  v1::AgentCommand decision;
  decision.mutable_restart_decision()->set_request_id(world.Last().restart_request().request_id());
  decision.mutable_restart_decision()->set_granted(true);
  decision.mutable_restart_decision()->mutable_duration()->set_seconds(60);
  world.Command(decision);
  world.now_ = world.now_ + absl::Seconds(10);
  world.Step(StreamDownInput{});
  world.Step(StreamUpInput{});
  ASSERT_EQ(world.Last().hello().leases_size(), 1);
  EXPECT_EQ(world.Last().hello().leases(0).service(), "web");
  EXPECT_EQ(FromProto(world.Last().hello().leases(0).remaining()), absl::Seconds(50));
}

TEST(AgentCoreTest, AReloadSaysHelloAgainAndKeepsWhatStays) {
  World world;
  world.Connect();
  world.Run(absl::Seconds(5));
  AgentConfig config = Config();
  std::swap(config.instances[0], config.instances[1]);
  config.instances[1].draining = true;
  InstanceConfig& more = config.instances.emplace_back();
  more.service = "web";
  more.id = "web-2";
  more.address = "127.0.0.1:8090";
  world.Step(ConfigInput{config});
  ASSERT_TRUE(world.Last().has_hello());
  EXPECT_EQ(world.Last().hello().instances(0).service(), "api");
  EXPECT_TRUE(world.Last().hello().instances(1).draining());
  world.Run(absl::Milliseconds(1200));
  const v1::AgentReport& report = world.reports_.back();
  ASSERT_EQ(report.instances_size(), 3);
  EXPECT_EQ(report.instances(1).checks(0).status(), v1::CHECK_STATUS_PASSING);
  ASSERT_EQ(report.instances(2).checks_size(), 1);  // Has its service's checks at once.
}

TEST(AgentCoreTest, TheSameSeedGivesTheSameReports) {
  World first;
  World second;
  for (World* world : {&first, &second}) {
    world->Connect();
    world->Run(absl::Seconds(60));
  }
  ASSERT_EQ(first.reports_.size(), second.reports_.size());
  EXPECT_EQ(first.reports_.back().SerializeAsString(), second.reports_.back().SerializeAsString());
}

}  // namespace
}  // namespace pointsman::agent
