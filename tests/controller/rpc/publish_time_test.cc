// The time a report takes through a whole controller, as /metrics shows it.
#include "tests/controller/server_world.h"

namespace pointsman::controller {
namespace {

using PublishTimeTest = ServerWorld;

TEST_F(PublishTimeTest, CountsReportsThatChangeATableAndNoOthers) {
  const std::string count = "pointsman_controller_report_to_publish_seconds_count";
  const auto verdict = [this](v1::Verdict wanted) {
    return Eventually([this, wanted] {
      const auto endpoints = Endpoints();
      return endpoints.size() == 1 && endpoints[0].verdict() == wanted;
    });
  };
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Connect("host-1", 7));
  EXPECT_EQ(Metric(count), 0);
  ASSERT_TRUE(agent.Passes());
  ASSERT_TRUE(verdict(v1::VERDICT_HEALTHY));
  EXPECT_TRUE(Eventually([&] { return Metric(count) == 1; }));
  ASSERT_TRUE(agent.Passes());
  ASSERT_TRUE(agent.Fails());
  ASSERT_TRUE(verdict(v1::VERDICT_UNHEALTHY));
  EXPECT_TRUE(Eventually([&] { return Metric(count) == 2; }));
  EXPECT_EQ(Metric("pointsman_controller_report_to_publish_seconds_bucket{le=\"+Inf\"}"), 2);
  EXPECT_GT(Metric("pointsman_controller_report_to_publish_seconds_sum"), 0);
}

}  // namespace
}  // namespace pointsman::controller
