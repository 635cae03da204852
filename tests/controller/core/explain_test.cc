#include "controller/core/explain.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/controller/core/shard_world.h"

namespace pointsman::controller {
namespace {

const v1::DecisionInput* Input(const v1::Decision& decision, const std::string& name) {
  for (const v1::DecisionInput& input : decision.inputs()) {
    if (input.name() == name) return &input;
  }
  return nullptr;
}

bool Says(const v1::Decision& decision, const std::string& words) {
  return std::any_of(decision.arithmetic().begin(), decision.arithmetic().end(),
                     [&](const std::string& line) { return absl::StrContains(line, words); });
}

ShardWorld Five() {
  ShardWorld world;
  world.Configure();
  world.GatewayHello("g1");
  for (int i = 0; i < 5; ++i) world.Hello(absl::StrCat("web-", i));
  world.RunWithReports(absl::Seconds(15));
  return world;
}

TEST(ExplainTest, AFailedCheckIsNamedWithItsNumbers) {
  ShardWorld world = Five();
  world.agents["web-1"].check = v1::CHECK_STATUS_FAILING;
  world.agents["web-1"].failure = v1::CHECK_FAILURE_REFUSED;
  world.Report("web-1");
  world.Run(absl::Seconds(2));
  const auto explanation = world.core->Explain("web", "web-1", world.now);
  ASSERT_TRUE(explanation.ok());
  EXPECT_EQ(explanation->name(), "services/web/endpoints/web-1");
  const v1::Decision& verdict = explanation->verdict();
  EXPECT_EQ(verdict.result(), "UNHEALTHY");
  EXPECT_EQ(verdict.reason(), v1::REASON_CHECKS_FAILED);
  EXPECT_EQ(verdict.age().seconds(), 2);
  const v1::DecisionInput* check = Input(verdict, "check.http");
  ASSERT_NE(check, nullptr);
  EXPECT_TRUE(absl::StrContains(check->value(), "refused"));
  EXPECT_EQ(check->source(), "agent:a-web-1");
  EXPECT_TRUE(Says(verdict, "1 of 1 allowed"));
  EXPECT_GT(verdict.would_change_size(), 0);
  const auto states = world.core->Endpoints("web", world.now);
  ASSERT_TRUE(states.ok());
  EXPECT_EQ((*states)[1].cause(), "http failed 3 times: refused");
  EXPECT_EQ((*states)[1].share(), 0);
  EXPECT_EQ((*states)[0].share(), 0.25);
}

TEST(ExplainTest, AWeightShowsItsArithmetic) {
  ShardWorld world = Five();
  for (int i = 0; i < 4; ++i) {
    world.RunWithReports(absl::Seconds(1));
    std::map<std::string, ShardWorld::Traffic> traffic;
    for (int j = 0; j < 5; ++j) {
      traffic[absl::StrCat("web-", j)] = {.requests = 100, .in_flight = j == 0 ? 5.0 : 1.0};
    }
    world.Observe("g1", traffic);
  }
  const auto explanation = world.core->Explain("web", "web-0", world.now);
  ASSERT_TRUE(explanation.ok());
  const v1::Decision& weight = explanation->weight();
  EXPECT_EQ(weight.result(), absl::StrCat(world.WeightOf("web-0")));
  EXPECT_LT(world.WeightOf("web-0"), kNominalWeight);
  EXPECT_NE(Input(weight, "load.in_flight"), nullptr);
  EXPECT_TRUE(Says(weight, "capacity = "));
  EXPECT_TRUE(Says(weight, "step: "));
  EXPECT_TRUE(Says(weight, "sent = "));
}

TEST(ExplainTest, UnknownNamesAreNotFound) {
  ShardWorld world = Five();
  EXPECT_EQ(world.core->Explain("web", "none", world.now).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(world.core->Explain("none", "web-0", world.now).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(RestartTest, GrantsGoThroughTheShard) {
  WorldOptions options;
  options.shard.first_owner = true;
  ShardWorld world(options);
  world.Configure();
  for (int i = 0; i < 5; ++i) world.Hello(absl::StrCat("web-", i));
  RestartRequestInput request;
  request.agent = "a-web-0";
  request.session = world.agents["web-0"].session;
  request.request_id = 1;
  Effects effects = world.Step(request);
  ASSERT_EQ(effects.restarts.size(), 1u);
  EXPECT_TRUE(effects.restarts[0].granted);
  request.agent = "a-web-1";
  request.session = world.agents["web-1"].session;
  effects = world.Step(request);
  ASSERT_EQ(effects.restarts.size(), 1u);
  EXPECT_FALSE(effects.restarts[0].granted);
  world.Step(RestartResultInput{"a-web-0", world.agents["web-0"].session, 1, true, ""});
  effects = world.Step(request);
  EXPECT_TRUE(effects.restarts[0].granted);
}

TEST(RestartTest, ANewOwnerGivesNoneForOneLeaseTime) {
  ShardWorld world;
  world.Configure();
  world.Hello("web-0");
  RestartRequestInput request;
  request.agent = "a-web-0";
  request.session = world.agents["web-0"].session;
  request.request_id = 1;
  EXPECT_FALSE(world.Step(request).restarts[0].granted);
  world.RunWithReports(absl::Seconds(61));
  EXPECT_TRUE(world.Step(request).restarts[0].granted);
}

}  // namespace
}  // namespace pointsman::controller
