#include "sim/world/host.h"

#include <algorithm>
#include <random>

#include "common/core/proto_time.h"
#include "gtest/gtest.h"
#include "tests/sim/world/fake_wires.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

class HostTest : public ::testing::Test {
 protected:
  HostTest() { queue.RunUntil(MonotonicTime::FromMicros(1'000'000'000)); }

  void Run(absl::Duration time) { queue.RunUntil(queue.now() + time); }
  // As a controller answers a Hello, with one check each second.
  void Greet(Host& host) {
    host.OnStreamUp();
    v1::AgentCommand welcome;
    welcome.mutable_welcome()->set_store_id("store");
    host.OnCommand(welcome);
    v1::AgentCommand command;
    v1::Assignment& assignment = *command.mutable_assignment();
    assignment.set_service(kService);
    assignment.set_version(1);
    assignment.set_configured(true);
    v1::HealthCheck& check = *assignment.add_checks();
    check.mutable_http();
    common::ToProto(absl::Seconds(1), check.mutable_interval());
    host.OnCommand(command);
  }
  const v1::InstanceReport& LastReport() const {
    for (auto it = wires.from_agent.rbegin(); it != wires.from_agent.rend(); ++it) {
      if (it->has_report()) return it->report().instances(0);
    }
    return v1::InstanceReport::default_instance();
  }
  v1::CheckStatus Status() const {
    return LastReport().checks().empty() ? v1::CHECK_STATUS_UNSPECIFIED
                                         : LastReport().checks(0).status();
  }

  EventQueue queue;
  FakeWires wires;
  std::mt19937_64 random{1};
};

TEST_F(HostTest, SaysHelloAndThenReportsEachSecond) {
  Host host(queue, wires, 7, {}, 1);
  Run(absl::Seconds(5));
  EXPECT_TRUE(wires.from_agent.empty());
  Greet(host);
  ASSERT_TRUE(wires.from_agent[0].has_hello());
  const v1::Instance& instance = wires.from_agent[0].hello().instances(0);
  EXPECT_EQ(instance.service(), kService);
  EXPECT_EQ(instance.endpoint().id(), "e7");
  EXPECT_EQ(instance.endpoint().address(), "10.0.0.7:8080");
  Run(absl::Seconds(3));
  const size_t before = wires.from_agent.size();
  Run(absl::Seconds(10));
  EXPECT_NEAR(static_cast<double>(wires.from_agent.size() - before), 10, 1);
  EXPECT_EQ(Status(), v1::CHECK_STATUS_PASSING);
}

TEST_F(HostTest, TellsItsServersLoad) {
  class Sink : public CompletionSink {
    void OnCompletion(const Completion&) override {}
  } sink;
  Host host(queue, wires, 0, {.concurrency = 4}, 1);
  Greet(host);
  Run(absl::Seconds(2));
  // Two slots for long, and three answers.
  for (int i = 0; i < 2; ++i) host.server().Submit({60e6, 0, &sink}, random);
  for (int i = 0; i < 3; ++i) host.server().Submit({10, 0, &sink}, random);
  Run(absl::Seconds(4));
  const v1::InstanceLoad& load = LastReport().load();
  EXPECT_NEAR(load.cpu_utilisation(), 0.5, 0.01);
  EXPECT_EQ(load.in_flight(), 2);
  EXPECT_EQ(load.requests(), 3u);
  EXPECT_EQ(load.errors(), 0u);
}

TEST_F(HostTest, MayTellLessThanItsLoad) {
  class Sink : public CompletionSink {
    void OnCompletion(const Completion&) override {}
  } sink;
  Host host(queue, wires, 0, {.concurrency = 4, .told_load = 0.5}, 1);
  Greet(host);
  Run(absl::Seconds(2));
  for (int i = 0; i < 2; ++i) host.server().Submit({60e6, 0, &sink}, random);
  Run(absl::Seconds(4));
  EXPECT_NEAR(LastReport().load().cpu_utilisation(), 0.25, 0.01);
  EXPECT_EQ(LastReport().load().in_flight(), 1);
}

TEST_F(HostTest, LivesByItsOwnClock) {
  for (const double rate : {0.8, 1.25}) {
    wires.from_agent.clear();
    Host host(queue, wires, 0, {.clock_rate = rate, .clock_ahead = absl::Hours(30)}, 1);
    Greet(host);
    Run(absl::Seconds(5));
    const size_t before = wires.from_agent.size();
    Run(absl::Seconds(40));
    EXPECT_NEAR(static_cast<double>(wires.from_agent.size() - before), 40 * rate, 2);
    EXPECT_EQ(Status(), v1::CHECK_STATUS_PASSING);
  }
}

TEST_F(HostTest, ACrashFailsItsCheck) {
  Host host(queue, wires, 0, {}, 1);
  Greet(host);
  Run(absl::Seconds(5));
  host.SetFaults({.crashed = true});
  EXPECT_EQ(Status(), v1::CHECK_STATUS_PASSING);
  Run(absl::Seconds(5));
  EXPECT_EQ(Status(), v1::CHECK_STATUS_FAILING);
  EXPECT_EQ(LastReport().checks(0).last_failure(), v1::CHECK_FAILURE_REFUSED);
  EXPECT_EQ(LastReport().process(), v1::PROCESS_STATE_UNSPECIFIED);
  EXPECT_FALSE(LastReport().load().has_in_flight());
}

TEST_F(HostTest, WhoWatchesTheProcessTellsOfItsEndAtOnce) {
  Host host(queue, wires, 0, {.process_watched = true}, 1);
  Greet(host);
  Run(absl::Seconds(5));
  EXPECT_EQ(LastReport().process(), v1::PROCESS_STATE_RUNNING);
  host.SetFaults({.crashed = true});
  EXPECT_EQ(LastReport().process(), v1::PROCESS_STATE_GONE);
  host.SetFaults({});
  EXPECT_EQ(LastReport().process(), v1::PROCESS_STATE_RUNNING);
}

TEST_F(HostTest, SaysThatItLeavesAndThatItDoesNot) {
  Host host(queue, wires, 7, {}, 1);
  Greet(host);
  const auto draining = [this] {
    for (auto it = wires.from_agent.rbegin(); it != wires.from_agent.rend(); ++it) {
      if (it->has_hello()) return it->hello().instances(0).draining();
    }
    return false;
  };
  EXPECT_FALSE(draining());
  host.SetDraining(true);
  EXPECT_TRUE(draining());
  host.SetDraining(false);
  EXPECT_FALSE(draining());
}

TEST_F(HostTest, RestartsItsProcessOnceItMay) {
  EndpointSpec spec;
  spec.process_watched = spec.restartable = true;
  Host host(queue, wires, 7, spec, 1);
  Greet(host);
  ServerFaults crashed;
  crashed.crashed = true;
  host.SetFaults(crashed);
  const auto asks = [](const v1::AgentMessage& message) { return message.has_restart_request(); };
  const auto asked = std::find_if(wires.from_agent.begin(), wires.from_agent.end(), asks);
  ASSERT_NE(asked, wires.from_agent.end());
  EXPECT_TRUE(wires.restarts.empty()) << "it waits for its grant";
  v1::AgentCommand command;
  command.mutable_restart_decision()->set_request_id(asked->restart_request().request_id());
  command.mutable_restart_decision()->set_granted(true);
  common::ToProto(absl::Seconds(60), command.mutable_restart_decision()->mutable_duration());
  host.OnCommand(command);
  EXPECT_EQ(wires.restarts, (std::vector<bool>{true}));
  Run(Host::kRestartTakes);
  EXPECT_EQ(wires.restarts, (std::vector<bool>{true, false}));
}

TEST_F(HostTest, ABlackHoleFailsByTimeoutAndComesBack) {
  Host host(queue, wires, 0, {}, 1);
  Greet(host);
  Run(absl::Seconds(5));
  host.SetFaults({.black_hole = true});
  Run(absl::Seconds(10));
  EXPECT_EQ(Status(), v1::CHECK_STATUS_FAILING);
  EXPECT_EQ(LastReport().checks(0).last_failure(), v1::CHECK_FAILURE_TIMEOUT);
  host.SetFaults({});
  Run(absl::Seconds(5));
  EXPECT_EQ(Status(), v1::CHECK_STATUS_PASSING);
}

TEST_F(HostTest, ACheckWaitsForAPauseToEnd) {
  Host host(queue, wires, 0, {}, 1);
  Greet(host);
  Run(absl::Seconds(5));
  // Shorter than a check's timeout of 1 s: late answers, no failure.
  for (int i = 0; i < 40; ++i) {
    host.server().SetSpeed(0);
    Run(absl::Milliseconds(500));
    host.server().SetSpeed(1);
    Run(absl::Milliseconds(100));
  }
  EXPECT_EQ(Status(), v1::CHECK_STATUS_PASSING);
  host.server().SetSpeed(0);
  Run(absl::Seconds(10));
  EXPECT_EQ(Status(), v1::CHECK_STATUS_FAILING);
  EXPECT_EQ(LastReport().checks(0).last_failure(), v1::CHECK_FAILURE_TIMEOUT);
}

TEST_F(HostTest, GreyErrorsAreHiddenFromChecksAndAddToItsOwn) {
  Host host(queue, wires, 0, {.error_share = 0.1}, 1);
  Greet(host);
  EXPECT_EQ(host.server().faults().grey_error_share, 0.1);
  host.SetFaults({.grey_error_share = 0.5, .slow_factor = 3});
  EXPECT_EQ(host.server().faults().grey_error_share, 0.5);
  Run(absl::Seconds(10));
  EXPECT_EQ(Status(), v1::CHECK_STATUS_PASSING);
  EXPECT_EQ(common::FromProto(LastReport().checks(0).last_latency()), absl::Milliseconds(3));
  host.SetFaults({});
  EXPECT_EQ(host.server().faults().grey_error_share, 0.1);
}

}  // namespace
}  // namespace pointsman::sim
