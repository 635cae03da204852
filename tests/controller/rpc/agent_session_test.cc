#include "controller/rpc/agent_session.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/core/proto_time.h"

namespace pointsman::controller {
namespace {

// Keeps what is written; the test says when a write has ended.
class Writer final : public CommandWriter {
 public:
  void StartCommand(v1::AgentCommand command) override { written.push_back(std::move(command)); }
  void Close(const absl::Status& status) override { closed = status; }

  std::vector<v1::AgentCommand> written;
  absl::Status closed;
};

class AgentSessionTest : public ::testing::Test {
 protected:
  static v1::Assignment Checks(const std::string& service, const std::string& path) {
    v1::Assignment assignment;
    assignment.set_service(service);
    assignment.add_checks()->mutable_http()->set_path(path);
    return assignment;
  }
  // Ends writes until nothing more is begun.
  void WriteAll() {
    for (size_t before = 0; before != writer_.written.size();) {
      before = writer_.written.size();
      session_.OnWritten();
    }
  }

  Writer writer_;
  AgentSession session_{&writer_};
};

TEST_F(AgentSessionTest, WritesOneCommandAtATimeTheNewestOfEachKind) {
  session_.SendPace(absl::Seconds(1));
  ASSERT_EQ(writer_.written.size(), 1u);
  session_.SendPace(absl::Seconds(2));
  session_.SendPace(absl::Seconds(3));
  session_.SendAssignment(Checks("web", "/a"));
  session_.SendAssignment(Checks("web", "/b"));
  EXPECT_EQ(writer_.written.size(), 1u) << "the first is still under way";
  WriteAll();
  ASSERT_EQ(writer_.written.size(), 3u);
  EXPECT_EQ(writer_.written[1].assignment().checks(0).http().path(), "/b");
  EXPECT_EQ(common::FromProto(writer_.written[2].pace().report_interval()), absl::Seconds(3));
  EXPECT_EQ(session_.interval(), absl::Seconds(3));
}

TEST_F(AgentSessionTest, TheWelcomeComesFirst) {
  session_.SendAssignment(Checks("web", "/"));
  session_.SendPace(absl::Seconds(2));
  v1::AgentWelcome welcome;
  welcome.set_store_id("s");
  common::ToProto(absl::Seconds(1), welcome.mutable_report_interval());
  session_.SendWelcome(welcome);
  WriteAll();
  ASSERT_EQ(writer_.written.size(), 3u);
  EXPECT_TRUE(writer_.written[1].has_welcome()) << "right behind what was under way";
}

TEST_F(AgentSessionTest, AnAssignmentIsSentWhenItDiffers) {
  session_.SendAssignment(Checks("web", "/a"));
  WriteAll();
  session_.SendAssignment(Checks("web", "/a"));
  WriteAll();
  EXPECT_EQ(writer_.written.size(), 1u);
  EXPECT_EQ(session_.AssignmentVersion("web"), 1u);
  session_.SendAssignment(Checks("api", "/a"));
  session_.SendAssignment(Checks("web", "/b"));
  WriteAll();
  EXPECT_EQ(writer_.written.size(), 3u);
  EXPECT_EQ(session_.AssignmentVersion("api"), 2u);
  EXPECT_EQ(session_.AssignmentVersion("web"), 3u);
  EXPECT_EQ(session_.newest_assignment(), 3u);
  EXPECT_EQ(session_.AssignmentVersion("none"), 0u);
}

TEST_F(AgentSessionTest, AServiceNoLongerNamedIsForgotten) {
  session_.SetInstances({{"web", "web-1"}, {"api", "api-1"}}, 7);
  session_.SendPace(absl::Seconds(1));
  session_.SendAssignment(Checks("web", "/"));
  session_.SendAssignment(Checks("api", "/"));
  session_.SetInstances({{"web", "web-1"}}, 8);
  EXPECT_EQ(session_.session(), 8u);
  EXPECT_EQ(session_.AssignmentVersion("api"), 0u);
  WriteAll();
  ASSERT_EQ(writer_.written.size(), 2u) << "what waited for api is not sent";
  session_.SendAssignment(Checks("api", "/"));
  WriteAll();
  EXPECT_EQ(writer_.written.size(), 3u) << "named again: sent again";
}

TEST_F(AgentSessionTest, DecisionsAndRefusalsAreBounded) {
  session_.SendPace(absl::Seconds(1));
  for (uint64_t i = 1; i <= AgentSession::kDecisionsMax + 5; ++i) {
    v1::RestartDecision decision;
    decision.set_request_id(i);
    session_.SendDecision(decision);
  }
  for (size_t i = 1; i <= AgentSession::kRefusalsMax + 2; ++i) {
    session_.SendRefusal(absl::InvalidArgumentError(absl::StrCat("REPORT_INVALID: number ", i)));
  }
  WriteAll();
  ASSERT_EQ(writer_.written.size(), 1 + AgentSession::kDecisionsMax + AgentSession::kRefusalsMax);
  EXPECT_EQ(writer_.written[1].restart_decision().request_id(), 6u) << "the oldest went";
  const v1::Refusal& first = writer_.written[1 + AgentSession::kDecisionsMax].refusal();
  EXPECT_EQ(first.code(), "REPORT_INVALID");
  EXPECT_EQ(first.detail(), "REPORT_INVALID: number 3");
}

TEST_F(AgentSessionTest, NothingIsWrittenAfterDetach) {
  EXPECT_TRUE(session_.live());
  session_.Detach();
  session_.SendPace(absl::Seconds(1));
  session_.Close(absl::AbortedError("x"));
  EXPECT_TRUE(writer_.written.empty());
  EXPECT_TRUE(writer_.closed.ok());
  EXPECT_FALSE(session_.live());
}

TEST_F(AgentSessionTest, TheAgeIsThatOfTheLastReport) {
  const auto at = common::MonotonicTime::FromMicros(5'000'000);
  EXPECT_EQ(session_.ReportAge(at), std::nullopt);
  session_.CountReport(at);
  EXPECT_EQ(session_.ReportAge(at + absl::Seconds(2)), absl::Seconds(2));
  EXPECT_EQ(session_.reports(), 1u);
}

}  // namespace
}  // namespace pointsman::controller
