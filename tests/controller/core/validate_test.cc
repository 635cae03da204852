#include "controller/core/validate.h"

#include <limits>

#include "controller/core/codes.h"
#include "controller/core/frame_proto.h"
#include "gtest/gtest.h"
#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/gateway.pb.h"
#include "tests/controller/core/shard_world.h"

namespace pointsman::controller {
namespace {

v1::AgentHello GoodHello() {
  v1::AgentHello hello;
  hello.set_agent_id("host-7");
  hello.set_boot_id(1);
  v1::Instance* instance = hello.add_instances();
  instance->set_service("web");
  instance->mutable_endpoint()->set_id("web-1");
  instance->mutable_endpoint()->set_address("127.0.0.1:80");
  return hello;
}

v1::AgentReport GoodReport() {
  v1::AgentReport report;
  report.set_sequence(1);
  report.mutable_window()->set_seconds(1);
  v1::InstanceReport* instance = report.add_instances();
  instance->add_checks()->set_status(v1::CHECK_STATUS_PASSING);
  instance->mutable_load()->set_in_flight(2);
  return report;
}

v1::Observations GoodObservations() {
  v1::Observations observations;
  observations.set_sequence(1);
  observations.mutable_window()->set_seconds(1);
  v1::ServiceObservations* service = observations.add_services();
  service->set_service("web");
  service->add_endpoints()->set_handle(1);
  return observations;
}

TEST(ValidateTest, GoodMessagesPass) {
  EXPECT_TRUE(ValidateHello(GoodHello()).ok());
  EXPECT_TRUE(ValidateReport(GoodReport(), 1).ok());
  EXPECT_TRUE(ValidateObservations(GoodObservations()).ok());
}

TEST(ValidateTest, NumbersThatAreNotFiniteOrNegativeAreRefused) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    v1::AgentReport report = GoodReport();
    report.mutable_instances(0)->mutable_load()->set_in_flight(bad);
    EXPECT_EQ(CodeOf(ValidateReport(report, 1)), kReportNotFinite);
    report = GoodReport();
    report.mutable_host()->set_cpu_utilisation(bad);
    EXPECT_EQ(CodeOf(ValidateReport(report, 1)), kReportNotFinite);
    v1::Observations observations = GoodObservations();
    observations.mutable_services(0)->mutable_endpoints(0)->set_in_flight(bad);
    EXPECT_EQ(CodeOf(ValidateObservations(observations)), kObservationsNotFinite);
  }
  v1::AgentReport report = GoodReport();
  report.mutable_instances(0)->mutable_load()->set_cpu_utilisation(-1);
  EXPECT_EQ(CodeOf(ValidateReport(report, 1)), kReportOutOfRange);
  report = GoodReport();
  report.mutable_window()->set_seconds(-1);
  EXPECT_EQ(CodeOf(ValidateReport(report, 1)), kReportOutOfRange);
  report = GoodReport();
  report.mutable_instances(0)->mutable_checks(0)->mutable_age()->set_nanos(-1);
  EXPECT_EQ(CodeOf(ValidateReport(report, 1)), kReportOutOfRange);
}

TEST(ValidateTest, ReportsMustBeInTheOrderOfTheHello) {
  EXPECT_EQ(CodeOf(ValidateReport(GoodReport(), 2)), kReportUnknownInstance);
  v1::RestartRequest request;
  request.set_instance(1);
  EXPECT_EQ(CodeOf(ValidateRestartRequest(request, 1)), kReportUnknownInstance);
}

TEST(ValidateTest, NamesAndLimitsOfAHello) {
  v1::AgentHello hello = GoodHello();
  hello.set_agent_id("no spaces");
  EXPECT_EQ(CodeOf(ValidateHello(hello)), kHelloInvalid);
  hello = GoodHello();
  hello.set_boot_id(0);
  EXPECT_EQ(CodeOf(ValidateHello(hello)), kHelloInvalid);
  hello = GoodHello();
  *hello.add_instances() = hello.instances(0);
  EXPECT_EQ(CodeOf(ValidateHello(hello)), kHelloDuplicateInstance);
  hello = GoodHello();
  hello.mutable_instances(0)->set_service("Web");
  EXPECT_EQ(CodeOf(ValidateHello(hello)), kHelloInvalid);
  hello = GoodHello();
  hello.mutable_instances(0)->mutable_endpoint()->set_capacity(
      std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(CodeOf(ValidateHello(hello)), kEndpointInvalid);
  hello = GoodHello();
  for (int i = 0; i < 256; ++i) hello.add_instances();
  EXPECT_EQ(CodeOf(ValidateHello(hello)), kHelloTooManyInstances);
}

// A gateway would refuse the whole slice with such an endpoint, and keep a table that grows old.
TEST(ValidateTest, AddressesMustBeConnectable) {
  for (const char* bad : {"", "web-1", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:70000", "10.0.0.256:80",
                          "[::1]", "::1:80", "a b:80", "unix:", "127.0.0.1:80\n"}) {
    v1::AgentHello hello = GoodHello();
    hello.mutable_instances(0)->mutable_endpoint()->set_address(bad);
    EXPECT_EQ(CodeOf(ValidateHello(hello)), kEndpointInvalid) << bad;
  }
  for (const char* good : {"10.0.0.1:80", "[::1]:80", "backend.test:80", "unix:/run/web.sock"}) {
    v1::AgentHello hello = GoodHello();
    hello.mutable_instances(0)->mutable_endpoint()->set_address(good);
    EXPECT_TRUE(ValidateHello(hello).ok()) << good;
  }
}

TEST(ValidateTest, ObservationsAreBounded) {
  v1::Observations observations = GoodObservations();
  for (int i = 0; i < 4096; ++i) observations.mutable_services(0)->add_endpoints()->set_handle(1);
  EXPECT_EQ(CodeOf(ValidateObservations(observations)), kObservationsTooLarge);
  observations = GoodObservations();
  observations.mutable_services(0)->mutable_endpoints(0)->set_handle(0);
  EXPECT_EQ(CodeOf(ValidateObservations(observations)), kObservationsOutOfRange);
}

TEST(ValidateTest, CodesAreCutOutOfMessages) {
  EXPECT_EQ(CodeOf(absl::InvalidArgumentError("REPORT_STALE: sequence 3")), "REPORT_STALE");
  EXPECT_EQ(CodeOf(absl::InvalidArgumentError("no code here: at all")), "");
  EXPECT_EQ(CodeOf(absl::OkStatus()), "");
}

TEST(FrameProtoTest, AFrameSurvivesTheWire) {
  ShardWorld world;
  world.Configure();
  world.Hello("web-0");
  world.Report("web-0");
  world.Goodbye("web-0");
  for (const Frame& frame : world.frames) {
    v1::SliceFrame message;
    FrameToProto(frame, message);
    const auto back = FrameFromProto(message);
    ASSERT_TRUE(back.ok()) << back.status();
    v1::SliceFrame again;
    FrameToProto(*back, again);
    EXPECT_EQ(message.SerializeAsString(), again.SerializeAsString());
  }
}

TEST(FrameProtoTest, BrokenFramesAreRefused) {
  v1::SliceFrame frame;
  EXPECT_EQ(CodeOf(FrameFromProto(frame).status()), kFrameInvalid);
  frame.set_service("web");
  frame.set_epoch(1);
  frame.set_to(1);
  EXPECT_TRUE(FrameFromProto(frame).ok());
  frame.add_entries();
  EXPECT_EQ(CodeOf(FrameFromProto(frame).status()), kFrameInvalid) << "handle 0";
  frame.mutable_entries(0)->set_handle(1);
  EXPECT_EQ(CodeOf(FrameFromProto(frame).status()), kFrameInvalid) << "no info in a full slice";
  frame.clear_entries();
  frame.mutable_head()->set_scale(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(CodeOf(FrameFromProto(frame).status()), kFrameInvalid);
}

}  // namespace
}  // namespace pointsman::controller
