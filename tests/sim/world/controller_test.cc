#include "sim/world/controller.h"

#include <memory>

#include "common/core/proto_time.h"
#include "gtest/gtest.h"
#include "sim/world/host.h"
#include "tests/sim/world/fake_wires.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

std::shared_ptr<const v1::Config> Config() {
  auto config = std::make_shared<v1::Config>();
  v1::Service& service = *config->add_services();
  service.set_name("services/web");
  service.add_checks()->mutable_http();
  return config;
}

class ControllerTest : public ::testing::Test {
 protected:
  ControllerTest() {
    queue.RunUntil(MonotonicTime::FromMicros(1'000'000'000));
    Start(1);
  }

  void Start(uint64_t epoch) {
    controller.reset();
    controller = std::make_unique<Controller>(queue, wires, onlooker,
                                              ControllerOptions{epoch, epoch == 1, Config()});
  }
  void Run(absl::Duration time) { queue.RunUntil(queue.now() + time); }

  static v1::AgentMessage AgentHello() {
    v1::AgentMessage message;
    v1::AgentHello& hello = *message.mutable_hello();
    hello.set_agent_id("agent-0");
    hello.set_boot_id(1);
    v1::Instance& instance = *hello.add_instances();
    instance.set_service(kService);
    instance.mutable_endpoint()->set_id(EndpointId(0));
    instance.mutable_endpoint()->set_address(EndpointAddress(0));
    return message;
  }
  v1::AgentMessage Report(v1::CheckStatus status) {
    v1::AgentMessage message;
    v1::AgentReport& report = *message.mutable_report();
    report.set_sequence(++sequence);
    common::ToProto(absl::Seconds(1), report.mutable_window());
    v1::InstanceReport& instance = *report.add_instances();
    instance.set_assignment_version(wires.to_agent[1].assignment().version());
    v1::CheckState& check = *instance.add_checks();
    check.set_status(status);
    check.set_consecutive(3);
    common::ToProto(absl::Seconds(2), check.mutable_since());
    return message;
  }
  void JoinAgent() {
    controller->OnAgentMessage(0, AgentHello());
    controller->OnAgentMessage(0, Report(v1::CHECK_STATUS_PASSING));
  }
  static v1::GatewayMessage GatewayHello(uint64_t epoch, uint64_t revision) {
    v1::GatewayMessage message;
    v1::GatewayHello& hello = *message.mutable_hello();
    hello.set_gateway_id("gateway-0");
    hello.set_boot_id(1);
    if (epoch == 0) return message;
    v1::HeldSlice& held = *hello.add_slices();
    held.set_service(kService);
    held.mutable_version()->set_epoch(epoch);
    held.mutable_version()->set_revision(revision);
    return message;
  }
  static v1::GatewayMessage AckOf(const v1::Bundle& bundle) {
    v1::GatewayMessage message;
    message.mutable_ack();
    for (const v1::SliceFrame& frame : bundle.frames()) {
      v1::HeldSlice& held = *message.mutable_ack()->add_slices();
      held.set_service(frame.service());
      held.mutable_version()->set_epoch(frame.epoch());
      held.mutable_version()->set_revision(frame.to());
    }
    return message;
  }

  EventQueue queue;
  FakeWires wires;
  FakeOnlooker onlooker;
  uint64_t sequence = 0;
  std::unique_ptr<Controller> controller;
};

TEST_F(ControllerTest, WelcomesAnAgentAndGivesItTheChecks) {
  controller->OnAgentMessage(0, AgentHello());
  ASSERT_EQ(wires.to_agent.size(), 2u);
  EXPECT_EQ(common::FromProto(wires.to_agent[0].welcome().report_interval()), absl::Seconds(1));
  EXPECT_EQ(wires.to_agent[1].assignment().checks_size(), 1);
  EXPECT_NE(wires.to_agent[1].assignment().version(), 0u);
}

TEST_F(ControllerTest, ReportsBecomeFramesAndOldOnesNothing) {
  JoinAgent();
  Run(absl::Seconds(1));
  ASSERT_FALSE(onlooker.frames.empty());
  EXPECT_EQ(onlooker.frames.back().entries[0].state.verdict, v1::VERDICT_HEALTHY);
  v1::AgentMessage old = Report(v1::CHECK_STATUS_FAILING);
  old.mutable_report()->set_sequence(1);
  const size_t before = onlooker.frames.size();
  controller->OnAgentMessage(0, old);
  EXPECT_EQ(onlooker.frames.size(), before);
  EXPECT_EQ(controller->core().counters().reports, 1u);
}

TEST_F(ControllerTest, ARestartThatIsAskedForIsGrantedOrNot) {
  JoinAgent();
  const auto ask = [this](uint64_t id) -> const v1::RestartDecision& {
    v1::AgentMessage message;
    message.mutable_restart_request()->set_request_id(id);
    controller->OnAgentMessage(0, message);
    return wires.to_agent.back().restart_decision();
  };
  EXPECT_TRUE(ask(7).granted());
  EXPECT_EQ(wires.to_agent.back().restart_decision().request_id(), 7u);
  EXPECT_FALSE(ask(8).granted()) << "one at once";
  v1::AgentMessage done;
  done.mutable_restart_result()->set_request_id(7);
  done.mutable_restart_result()->set_succeeded(true);
  controller->OnAgentMessage(0, done);
  EXPECT_TRUE(ask(9).granted());
}

TEST_F(ControllerTest, SendsABundleAndTheNextAfterItsAck) {
  JoinAgent();
  controller->OnGatewayMessage(0, GatewayHello(0, 0));
  ASSERT_EQ(wires.to_gateway.size(), 1u);
  EXPECT_TRUE(wires.to_gateway[0].has_config());
  EXPECT_EQ(wires.to_gateway[0].config().config().services(0).checks_size(), 0);
  EXPECT_NE(wires.to_gateway[0].store_id(), "");
  ASSERT_EQ(wires.to_gateway[0].frames_size(), 1);
  // Slow start changes weights meanwhile: one bundle at a time all the same.
  for (int i = 0; i < 5; ++i) {
    Run(absl::Seconds(1));
    controller->OnAgentMessage(0, Report(v1::CHECK_STATUS_PASSING));
  }
  EXPECT_EQ(wires.to_gateway.size(), 1u);
  controller->OnGatewayMessage(0, AckOf(wires.to_gateway[0]));
  ASSERT_EQ(wires.to_gateway.size(), 2u);
  EXPECT_FALSE(wires.to_gateway[1].has_config());
  EXPECT_EQ(wires.to_gateway[1].frames(0).base(), wires.to_gateway[0].frames(0).to());
}

TEST_F(ControllerTest, SendsTheWholeSliceAfterARefusalAndTellsOfIt) {
  JoinAgent();
  controller->OnGatewayMessage(0, GatewayHello(0, 0));
  v1::GatewayMessage refused;
  v1::Nack& nack = *refused.mutable_ack()->add_nacks();
  nack.set_service(kService);
  nack.set_code("GAP");
  controller->OnGatewayMessage(0, refused);
  ASSERT_EQ(wires.to_gateway.size(), 2u);
  EXPECT_EQ(wires.to_gateway[1].frames(0).base(), 0u);
  EXPECT_EQ(onlooker.violations.size(), 1u);
}

TEST_F(ControllerTest, TheNextOwnerAsksAGatewayForWhatItHolds) {
  JoinAgent();
  controller->OnGatewayMessage(0, GatewayHello(0, 0));
  v1::SliceFrame held = wires.to_gateway[0].frames(0);
  Start(2);
  controller->OnGatewayMessage(0, GatewayHello(held.epoch(), held.to()));
  ASSERT_EQ(wires.to_gateway.size(), 2u);
  EXPECT_EQ(wires.to_gateway[1].upload_size(), 1);
  EXPECT_TRUE(wires.to_gateway[1].frames().empty());
  controller->OnGatewayMessage(0, AckOf(wires.to_gateway[1]));
  v1::GatewayMessage upload;
  *upload.mutable_uploaded_slice()->mutable_slice() = held;
  controller->OnGatewayMessage(0, upload);
  Run(absl::Seconds(3));
  ASSERT_GE(wires.to_gateway.size(), 3u);
  EXPECT_EQ(wires.to_gateway.back().frames(0).epoch(), 2u);
}

TEST_F(ControllerTest, LeavesNothingBehindWhenItEnds) {
  JoinAgent();
  Run(absl::Seconds(1));
  controller.reset();
  Run(absl::Minutes(1));
  EXPECT_EQ(queue.pending(), 0u);
}

}  // namespace
}  // namespace pointsman::sim
