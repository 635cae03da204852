// Limits of a shard: a newcomer is left out, counted and told once; who is in stays.

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "gtest/gtest.h"
#include "tests/controller/core/shard_world.h"

namespace pointsman::controller {
namespace {

std::string Id(int i) { return absl::StrCat("web-", i); }

// The value of a detail of the newest event of a type; "": none.
std::string Detail(const ShardWorld& world, const std::string& type, const std::string& key) {
  std::string found;
  for (const EventOut& event : world.events) {
    if (event.type != type) continue;
    for (const auto& [name, value] : event.details) {
      if (name == key) found = value;
    }
  }
  return found;
}

ShardWorld With(const ShardLimits& limits) {
  WorldOptions options;
  options.shard.limits = limits;
  ShardWorld world(options);
  world.Configure();
  return world;
}

TEST(LimitsTest, EndpointsOfAShardAreLimitedAcrossServices) {
  ShardLimits limits;
  limits.endpoints = 2;
  ShardWorld world = With(limits);
  world.Hello(Id(0));
  AgentHelloInput other;
  other.agent = "b";
  other.boot = 1;
  other.session = world.next_session++;
  other.instances.push_back({"unconfigured", MakeInfo("x"), true, false});
  world.Step(other);
  world.Hello(Id(1));
  world.Hello(Id(2));
  world.RunWithReports(absl::Seconds(5));
  EXPECT_TRUE(world.RoutableOf(Id(0)));
  EXPECT_EQ(world.HandleOf(Id(1)), 0u);
  EXPECT_EQ(world.HandleOf(Id(2)), 0u);
  EXPECT_EQ(world.core->counters().limit_reached, 2u) << "not once more with each report";
  EXPECT_EQ(world.Events(kEventLimitReached), 1) << "once until there is room";
  EXPECT_EQ(Detail(world, kEventLimitReached, "limit"), kLimitShardEndpoints);
  EXPECT_EQ(Detail(world, kEventLimitReached, "most"), "2");
}

TEST(LimitsTest, RoomIsTakenByTheNextReportAndTheNextLimitIsToldAgain) {
  ShardLimits limits;
  limits.endpoints_per_service = 1;
  ShardWorld world = With(limits);
  world.Hello(Id(0));
  world.Hello(Id(1));
  world.Hello(Id(2));
  EXPECT_EQ(world.Events(kEventLimitReached), 1);
  EXPECT_EQ(Detail(world, kEventLimitReached, "limit"), kLimitServiceEndpoints);
  world.Goodbye(Id(0));
  world.Run(absl::Seconds(2));
  world.Report(Id(1));
  EXPECT_NE(world.HandleOf(Id(1)), 0u);
  world.Report(Id(2));
  EXPECT_EQ(world.HandleOf(Id(2)), 0u);
  EXPECT_EQ(world.Events(kEventLimitReached), 2);
}

TEST(LimitsTest, ConfiguredEndpointsAreNeverLeftOut) {
  ShardLimits limits;
  limits.endpoints = 1;
  ShardWorld world = With(limits);
  for (const char* id : {"s1", "s2"}) {
    v1::Endpoint* endpoint = world.config.mutable_services(0)->add_endpoints();
    endpoint->set_id(id);
    endpoint->set_address("127.0.0.1:1");
  }
  world.Configure();
  EXPECT_TRUE(world.RoutableOf("s1"));
  EXPECT_TRUE(world.RoutableOf("s2"));
  EXPECT_EQ(world.core->counters().limit_reached, 0u);
  world.Hello(Id(0));
  EXPECT_EQ(world.HandleOf(Id(0)), 0u) << "but they count";
}

TEST(LimitsTest, AgentsAreToldOnceAndAgainAfterThereWasRoom) {
  ShardLimits limits;
  limits.agents = 1;
  ShardWorld world = With(limits);
  world.Hello(Id(0));
  world.Hello(Id(1));
  world.Hello(Id(2));
  EXPECT_EQ(world.Events(kEventLimitReached), 1);
  EXPECT_EQ(Detail(world, kEventLimitReached, "limit"), kLimitAgents);
  EXPECT_EQ(world.core->counters().limit_reached, 2u);
}

TEST(LimitsTest, GatewaysAreToldOnceUntilThereIsRoom) {
  ShardLimits limits;
  limits.gateways = 1;
  ShardWorld world = With(limits);
  world.GatewayHello("g1");
  world.GatewayHello("g2");
  world.GatewayHello("g3");
  EXPECT_EQ(world.Events(kEventLimitReached), 1);
  EXPECT_EQ(Detail(world, kEventLimitReached, "limit"), kLimitGateways);
  // g1 left, is forgotten after a while, and makes room for g2; then the shard is full again.
  world.Step(GatewayGoneInput{"g1", world.next_session - 3});
  world.Run(absl::Minutes(12));
  world.GatewayHello("g2");
  world.GatewayHello("g3");
  EXPECT_EQ(world.Events(kEventLimitReached), 2);
}

TEST(LimitsTest, AnEndpointHeldBackByTheCapIsCountedOnce) {
  ShardWorld world = With({});
  for (int i = 0; i < 5; ++i) world.Hello(Id(i));
  world.RunWithReports(absl::Seconds(15));
  for (int i = 0; i < 3; ++i) {
    world.agents[Id(i)].check = v1::CHECK_STATUS_FAILING;
    world.agents[Id(i)].failure = v1::CHECK_FAILURE_TIMEOUT;
  }
  world.RunWithReports(absl::Seconds(10));
  EXPECT_EQ(world.Events(kEventRemovalCapped), 2);
  EXPECT_EQ(world.core->counters().removals_capped, 2u) << "one removal in 30 s, two held back";
}

}  // namespace
}  // namespace pointsman::controller
