#include "agent/core/agent_core.h"

#include <algorithm>
#include <utility>

#include "common/core/proto_time.h"
#include "gtest/gtest.h"
#include "tests/agent/core/agent_world.h"

namespace pointsman::agent {
namespace {

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
  common::ToProto(absl::Minutes(5), pace.mutable_pace()->mutable_report_interval());
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
  EXPECT_EQ(common::FromProto(first->instances(0).checks(0).age()), absl::ZeroDuration());
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

}  // namespace
}  // namespace pointsman::agent
