// The agents' door of a whole controller, over real streams.
#include "controller/rpc/agent_service.h"

#include <cmath>
#include <limits>

#include "common/core/error_reason.h"
#include "gmock/gmock.h"
#include "tests/controller/server_world.h"

namespace pointsman::controller {
namespace {

using ::testing::HasSubstr;

class AgentServiceTest : public ServerWorld {
 protected:
  // One stream that sends `bytes` first: how it ends.
  absl::Status EndOf(const std::string& bytes) {
    TestAgent agent(channel_);
    agent.SendBytes(bytes);
    const absl::Status end = agent.Finish();
    // The reason for programs is the code that people read.
    const std::string reason = common::ReasonOf(end);
    if (end.code() == absl::StatusCode::kInvalidArgument) {
      EXPECT_EQ(std::string(end.message()).find(reason + ": "), 0u) << end;
    }
    return end;
  }
  bool IsHealthy() {
    return Eventually([this] {
      const auto endpoints = Endpoints();
      return !endpoints.empty() && endpoints[0].verdict() == v1::VERDICT_HEALTHY;
    });
  }
};

TEST_F(AgentServiceTest, AnswersHelloWithWelcomeAndAssignment) {
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Send(TestAgent::Hello("host-1", 7)));
  const auto welcome = agent.Read();
  ASSERT_TRUE(welcome && welcome->has_welcome());
  EXPECT_FALSE(welcome->welcome().store_id().empty());
  EXPECT_EQ(welcome->welcome().report_interval().seconds(), 1);
  const auto assignment = agent.Read();
  ASSERT_TRUE(assignment && assignment->has_assignment());
  EXPECT_TRUE(assignment->assignment().configured());
  ASSERT_EQ(assignment->assignment().checks_size(), 1);
  EXPECT_EQ(assignment->assignment().checks(0).http().path(), "/healthz");
}

TEST_F(AgentServiceTest, EndsAStreamThatDoesNotGreetFirst) {
  TestAgent agent(channel_);
  v1::AgentMessage message;
  message.mutable_report()->set_sequence(1);
  agent.Send(message);
  const absl::Status end = agent.Finish();
  EXPECT_EQ(end.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(end.message()), HasSubstr("HELLO_FIRST"));
  EXPECT_EQ(Refused("HELLO_FIRST"), 1);
}

TEST_F(AgentServiceTest, EndsAStreamOfBytesThatAreNoMessage) {
  TestAgent other(channel_);
  ASSERT_TRUE(other.Connect("host-2", 1));
  v1::AgentMessage hello = TestAgent::Hello("host-1", 7);
  const std::string whole = hello.SerializeAsString();
  std::string wrong_utf8 = whole;
  const size_t name = wrong_utf8.find("host-1");
  wrong_utf8[name] = '\xff';
  wrong_utf8[name + 1] = '\xfe';
  for (const std::string& bytes :
       {whole.substr(0, whole.size() - 3), wrong_utf8, std::string(10 << 10, '\xff')}) {
    const absl::Status end = EndOf(bytes);
    EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument) << end;
    EXPECT_THAT(std::string(end.message()), HasSubstr("MESSAGE_MALFORMED"));
  }
  EXPECT_EQ(Refused("MESSAGE_MALFORMED"), 3);
  ASSERT_TRUE(other.Passes());
  EXPECT_TRUE(IsHealthy());
}

TEST_F(AgentServiceTest, EndsAStreamWithAMessageThatIsTooLarge) {
  const absl::Status ten = EndOf(std::string(10 << 20, 'x'));
  EXPECT_EQ(ten.code(), absl::StatusCode::kResourceExhausted) << ten;
  EXPECT_THAT(std::string(ten.message()), HasSubstr("MESSAGE_TOO_LARGE"));
  EXPECT_EQ(Refused("MESSAGE_TOO_LARGE"), 1);
  // Beyond what the transport reads.
  EXPECT_EQ(EndOf(std::string(33 << 20, 'x')).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(AgentServiceTest, EndsAStreamOfAnEmptyOrInvalidHello) {
  EXPECT_THAT(std::string(EndOf("").message()), HasSubstr("MESSAGE_EMPTY"));
  v1::AgentMessage hello = TestAgent::Hello("host-1", 0);
  EXPECT_THAT(std::string(EndOf(hello.SerializeAsString()).message()), HasSubstr("HELLO_INVALID"));
  hello = TestAgent::Hello("host-1", 1, 257);
  EXPECT_THAT(std::string(EndOf(hello.SerializeAsString()).message()),
              HasSubstr("HELLO_TOO_MANY_INSTANCES"));
  EXPECT_EQ(Refused("MESSAGE_EMPTY"), 1);
  EXPECT_EQ(Refused("HELLO_INVALID"), 1);
  EXPECT_EQ(Refused("HELLO_TOO_MANY_INSTANCES"), 1);
}

TEST_F(AgentServiceTest, DropsReportsThatLieAndGoesOn) {
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Connect("host-1", 7));
  const float wrong[] = {std::nanf(""), std::numeric_limits<float>::infinity(), -1.0f, 1e30f};
  const char* codes[] = {"REPORT_NOT_FINITE", "REPORT_NOT_FINITE", "REPORT_OUT_OF_RANGE",
                         "REPORT_OUT_OF_RANGE"};
  for (int i = 0; i < 4; ++i) {
    v1::AgentMessage report = agent.Report(v1::CHECK_STATUS_PASSING);
    report.mutable_report()->mutable_instances(0)->mutable_load()->set_utilisation(wrong[i]);
    ASSERT_TRUE(agent.Send(report));
    EXPECT_EQ(agent.ReadRefusal(), codes[i]);
  }
  v1::AgentMessage many = agent.Report(v1::CHECK_STATUS_PASSING);
  many.mutable_report()->add_instances();
  ASSERT_TRUE(agent.Send(many));
  EXPECT_EQ(agent.ReadRefusal(), "REPORT_UNKNOWN_INSTANCE");
  v1::AgentMessage text = agent.Report(v1::CHECK_STATUS_PASSING);
  text.mutable_report()->mutable_instances(0)->mutable_checks(0)->set_detail(std::string(128, 'x'));
  ASSERT_TRUE(agent.Send(text));
  EXPECT_EQ(agent.ReadRefusal(), "REPORT_TOO_LARGE");
  EXPECT_EQ(Refused("REPORT_NOT_FINITE"), 2);
  EXPECT_EQ(Refused("REPORT_OUT_OF_RANGE"), 2);
  EXPECT_EQ(Refused("REPORT_UNKNOWN_INSTANCE"), 1);
  EXPECT_EQ(Endpoints().at(0).verdict(), v1::VERDICT_STARTING);
  ASSERT_TRUE(agent.Passes());
  EXPECT_TRUE(IsHealthy());
}

TEST_F(AgentServiceTest, DropsAReplayedSequence) {
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Connect("host-1", 7));
  const v1::AgentMessage passing = agent.Report(v1::CHECK_STATUS_PASSING);
  v1::AgentMessage replayed = agent.Report(v1::CHECK_STATUS_FAILING);
  replayed.mutable_report()->set_sequence(passing.report().sequence());
  ASSERT_TRUE(agent.Send(passing));
  ASSERT_TRUE(IsHealthy());
  ASSERT_TRUE(agent.Send(replayed));
  EXPECT_EQ(agent.ReadRefusal(), "REPORT_STALE");
  EXPECT_EQ(Refused("REPORT_STALE"), 1);
  EXPECT_EQ(Endpoints().at(0).verdict(), v1::VERDICT_HEALTHY);
}

TEST_F(AgentServiceTest, RefusesASecondHelloOfAnotherAgent) {
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Connect("host-1", 7));
  ASSERT_TRUE(agent.Send(TestAgent::Hello("host-2", 7)));
  const absl::Status end = agent.Finish();
  EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refused("HELLO_INVALID"), 1);
}

TEST_F(AgentServiceTest, TakesNewInstancesInASecondHello) {
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Connect("host-1", 7));
  ASSERT_TRUE(agent.Send(TestAgent::Hello("host-1", 7, 2)));
  EXPECT_TRUE(Eventually([this] { return Endpoints().size() == 2; }));
  EXPECT_EQ(Metric("pointsman_controller_agents_connected"), 1);
}

TEST_F(AgentServiceTest, RefusesAnotherBootWhileOneIsLive) {
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Connect("host-1", 7));
  TestAgent twin(channel_);
  ASSERT_TRUE(twin.Send(TestAgent::Hello("host-1", 8)));
  EXPECT_EQ(twin.Finish().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Refused("AGENT_CONNECTED"), 1);
  ASSERT_TRUE(agent.Passes());
  EXPECT_TRUE(IsHealthy());
}

TEST_F(AgentServiceTest, ReplacesTheStreamOfTheSameBoot) {
  TestAgent old(channel_);
  ASSERT_TRUE(old.Connect("host-1", 7));
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Connect("host-1", 7));
  const absl::Status end = old.Finish();
  EXPECT_EQ(end.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(common::ReasonOf(end), "STREAM_REPLACED");
  EXPECT_EQ(Refused("STREAM_REPLACED"), 1);
  ASSERT_TRUE(agent.Passes());
  EXPECT_TRUE(IsHealthy());
  EXPECT_TRUE(Eventually([this] { return Metric("pointsman_controller_agents_connected") == 1; }));
}

}  // namespace
}  // namespace pointsman::controller
