#include <algorithm>
#include <utility>

#include "agent/core/agent_core.h"
#include "common/core/proto_time.h"
#include "gtest/gtest.h"
#include "tests/agent/core/agent_world.h"

namespace pointsman::agent {
namespace {

TEST(AgentCoreControlTest, HelloNamesEverythingAndReportsWaitForWelcome) {
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

TEST(AgentCoreControlTest, PaceIsKeptWithinItsRange) {
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

TEST(AgentCoreControlTest, RestartsWithAGrantAndTellsTheResult) {
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

TEST(AgentCoreControlTest, AGrantNotWantedIsGivenBack) {
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

TEST(AgentCoreControlTest, RestartsAloneOnlyWithinTheStricterBudget) {
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
  EXPECT_EQ(std::count(world.events_.begin(), world.events_.end(), "restart.budget_spent"), 1);
}

TEST(AgentCoreControlTest, ReportsThatItsBudgetOfRestartsIsUsedUp) {
  World world;
  world.Connect();
  world.Step(ProcessInput{0, Sight::kRunning, 100});
  world.failure_ = v1::CHECK_FAILURE_REFUSED;
  world.Step(ProcessInput{0, Sight::kGone, 100});
  size_t answered = 0;
  for (int i = 0; i < 500 && !world.Web().restart_budget_spent(); ++i) {
    world.Run(absl::Seconds(1));
    for (; answered < world.messages_.size(); ++answered) {
      if (!world.messages_[answered].has_restart_request()) continue;
      v1::AgentCommand grant;
      v1::RestartDecision* decision = grant.mutable_restart_decision();
      decision->set_request_id(world.messages_[answered].restart_request().request_id());
      decision->set_granted(true);
      decision->mutable_duration()->set_seconds(60);
      world.Command(grant);
    }
    for (const RestartEffect& restart : std::exchange(world.restarts_, {})) {
      world.Step(RestartDoneInput{restart.instance, false, "exit status 1"});
    }
  }
  EXPECT_EQ(world.core_.counters().restarts_started, 5u);
  EXPECT_TRUE(world.Web().restart_budget_spent());
  EXPECT_TRUE(world.Saw("restart.budget_spent"));
  world.Run(absl::Minutes(10));
  EXPECT_FALSE(world.Web().restart_budget_spent()) << "the window is over: it asks again";
}

TEST(AgentCoreControlTest, ADrainingInstanceIsNotRestarted) {
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

TEST(AgentCoreControlTest, DisabledRecoveryRestartsNothing) {
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

TEST(AgentCoreControlTest, AnotherAssignmentKeepsTheStateOfChecksOfTheSameName) {
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

TEST(AgentCoreControlTest, RefusesAssignmentsThatAreNotItsOwnOrTooLarge) {
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

TEST(AgentCoreControlTest, ANewStreamReportsNoVersionUntilItIsAssigned) {
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

TEST(AgentCoreControlTest, ALeaseIsPresentedAgainAfterAReconnect) {
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
  EXPECT_EQ(common::FromProto(world.Last().hello().leases(0).remaining()), absl::Seconds(50));
}

TEST(AgentCoreControlTest, AReloadSaysHelloAgainAndKeepsWhatStays) {
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

}  // namespace
}  // namespace pointsman::agent
