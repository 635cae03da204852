// What a service says of itself: pointsman explain service.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "controller/core/service_state.h"
#include "pointsman/v1/state.pb.h"
#include "tests/controller/core/shard_world.h"

namespace pointsman::controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

ShardWorld Serving(int count) {
  ShardWorld world;
  world.Configure();
  world.GatewayHello("g1");
  for (int i = 0; i < count; ++i) world.Hello(absl::StrCat("web-", i));
  world.RunWithReports(absl::Seconds(15));
  return world;
}

v1::Explanation Explained(ShardWorld& world) {
  const auto explanation = world.core->Explain("web", "", world.now);
  EXPECT_TRUE(explanation.ok()) << explanation.status();
  return explanation.ok() ? *explanation : v1::Explanation();
}

std::string ValueOf(const v1::Decision& decision, const std::string& input) {
  for (const v1::DecisionInput& each : decision.inputs()) {
    if (each.name() == input) return each.value();
  }
  return "(none)";
}

TEST(ServiceExplainTest, SaysToWhomRequestsGo) {
  ShardWorld world = Serving(5);
  world.agents["web-1"].check = v1::CHECK_STATUS_FAILING;
  world.RunWithReports(absl::Seconds(2));
  const v1::Explanation explanation = Explained(world);
  EXPECT_EQ(explanation.name(), "services/web");
  const v1::Decision& routing = explanation.verdict();
  EXPECT_EQ(routing.result(), "4 of 5 endpoints get requests");
  EXPECT_EQ(ValueOf(routing, "verdict.HEALTHY"), "4");
  EXPECT_EQ(ValueOf(routing, "verdict.UNHEALTHY"), "1");
  EXPECT_THAT(ValueOf(routing, "removals"), StartsWith("1 within 30s"));
  EXPECT_THAT(routing.arithmetic(),
              ElementsAre(StartsWith("taken for usual here: "),
                          HasSubstr("4 serve of 5 that served once and no person took away; it "
                                    "begins under 0.50 x 5 = 2.5")));
}

TEST(ServiceExplainTest, SaysThatItFailsOpenOrIsFrozen) {
  ShardWorld world = Serving(2);
  for (const char* id : {"web-0", "web-1"}) world.agents[id].check = v1::CHECK_STATUS_FAILING;
  world.RunWithReports(absl::Seconds(40));
  EXPECT_THAT(Explained(world).verdict().result(),
              HasSubstr("2 of 2 endpoints get requests, FAIL-"));
  world.Step(FreezeInput{true, "operator:alice", "deploy"});
  const v1::Explanation frozen = Explained(world);
  EXPECT_EQ(frozen.verdict().reason(), v1::REASON_FROZEN);
  EXPECT_THAT(frozen.verdict().would_change(0), HasSubstr("alice"));
  EXPECT_EQ(frozen.weight().result(), "FROZEN");
}

TEST(ServiceExplainTest, SaysWhatTheWeightsWaitFor) {
  ShardWorld world = Serving(3);
  EXPECT_EQ(Explained(world).weight().result(), "NO STEP YET");
  for (int second = 0; second < 3; ++second) {
    world.RunWithReports(absl::Seconds(1));
    std::map<std::string, ShardWorld::Traffic> traffic;
    for (int i = 0; i < 3; ++i) {
      traffic[absl::StrCat("web-", i)] = {.requests = 100, .in_flight = i == 0 ? 5.0 : 1.0};
    }
    world.Observe("g1", traffic);
  }
  const v1::Decision loop = Explained(world).weight();
  EXPECT_EQ(loop.result(), "MOVING");
  EXPECT_TRUE(loop.has_age());
  EXPECT_EQ(loop.inputs(1).name(), "measured");
  EXPECT_EQ(loop.inputs(1).threshold(), "3");
  EXPECT_THAT(loop.would_change(0), HasSubstr("when 3 endpoints are measured"));
  world.config.mutable_services(0)->mutable_weights()->set_signal(v1::LOAD_SIGNAL_NONE);
  world.Configure();
  EXPECT_EQ(Explained(world).weight().result(), "NOT COMPUTED");
}

TEST(ServiceExplainTest, AnUnknownServiceIsNotFound) {
  ShardWorld world = Serving(1);
  EXPECT_TRUE(absl::IsNotFound(world.core->Explain("nothing", "", world.now).status()));
}

}  // namespace
}  // namespace pointsman::controller
