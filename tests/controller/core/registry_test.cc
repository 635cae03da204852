#include "controller/core/registry.h"

#include <gtest/gtest.h>

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

MonotonicTime At(double seconds) {
  return MonotonicTime::FromMicros(static_cast<int64_t>(seconds * 1e6));
}

AgentHelloInput Hello(const std::string& agent, uint64_t session,
                      const std::vector<std::string>& endpoints) {
  AgentHelloInput input;
  input.agent = agent;
  input.boot = 1;
  input.session = session;
  for (const std::string& id : endpoints) {
    auto info = std::make_shared<EndpointInfo>();
    info->id = id;
    input.instances.push_back({"web", info, false, false});
  }
  return input;
}

Registry::Outcome Accept(Registry& registry, const AgentHelloInput& input, double seconds = 0) {
  std::vector<InstanceInfo> dropped;
  return registry.Hello(input, 100, At(seconds), &dropped);
}

TEST(RegistryTest, OnlyTheNewestSessionSpeaksForAnAgent) {
  Registry registry;
  EXPECT_EQ(Accept(registry, Hello("a", 5, {"e1"})), Registry::Outcome::kAccepted);
  EXPECT_EQ(Accept(registry, Hello("a", 4, {"e1"})), Registry::Outcome::kStale);
  EXPECT_NE(registry.Find("a", 5), nullptr);
  EXPECT_EQ(registry.Find("a", 4), nullptr);
  EXPECT_EQ(registry.Find("b", 5), nullptr);
  EXPECT_FALSE(registry.Gone("a", 4));
  EXPECT_TRUE(registry.Gone("a", 5));
}

TEST(RegistryTest, NamesTheInstancesAnAgentNoLongerNames) {
  Registry registry;
  std::vector<InstanceInfo> dropped;
  registry.Hello(Hello("a", 1, {"e1", "e2", "e3"}), 100, At(0), &dropped);
  EXPECT_TRUE(dropped.empty());
  registry.Hello(Hello("a", 2, {"e2"}), 100, At(1), &dropped);
  ASSERT_EQ(dropped.size(), 2u);
  EXPECT_EQ(dropped[0].endpoint->id, "e1");
  EXPECT_EQ(dropped[1].endpoint->id, "e3");
}

TEST(RegistryTest, RefusesAgentsBeyondItsLimitButNotKnownOnes) {
  Registry registry;
  std::vector<InstanceInfo> dropped;
  EXPECT_EQ(registry.Hello(Hello("a", 1, {}), 1, At(0), &dropped), Registry::Outcome::kAccepted);
  EXPECT_EQ(registry.Hello(Hello("b", 2, {}), 1, At(0), &dropped), Registry::Outcome::kFull);
  EXPECT_EQ(registry.Hello(Hello("a", 3, {}), 1, At(0), &dropped), Registry::Outcome::kAccepted);
}

TEST(RegistryTest, ForgetsAgentsOnlyWhenTheyAreGoneLongEnough) {
  Registry registry;
  Accept(registry, Hello("gone", 1, {"e1"}));
  Accept(registry, Hello("here", 2, {"e2"}));
  registry.Gone("gone", 1);
  registry.Forget(absl::Minutes(5), At(299));
  EXPECT_NE(registry.Find("gone", 1), nullptr);
  registry.Forget(absl::Minutes(5), At(301));
  EXPECT_EQ(registry.Find("gone", 1), nullptr);
  EXPECT_NE(registry.Find("here", 2), nullptr);
}

TEST(RegistryTest, CountsTheSilentAmongItsAgents) {
  Registry registry;
  Accept(registry, Hello("a", 1, {"e1"}), 0);
  Accept(registry, Hello("b", 2, {"e2"}), 8);
  Accept(registry, Hello("elsewhere", 3, {}), 0);  // No instance here: not this shard's.
  uint32_t agents = 0, silent = 0;
  const auto known = [](const std::string&, const InstanceInfo&) { return true; };
  registry.Count(known, absl::Seconds(5), At(10), &agents, &silent);
  EXPECT_EQ(agents, 2u);
  EXPECT_EQ(silent, 1u);
  // What was deregistered since is no part of the fleet.
  const auto left = [](const std::string& agent, const InstanceInfo&) { return agent == "b"; };
  registry.Count(left, absl::Seconds(5), At(10), &agents, &silent);
  EXPECT_EQ(agents, 1u);
  EXPECT_EQ(silent, 0u);
}

TEST(RegistryTest, AnAgentThatReportsUnevenlyIsSilentLater) {
  Registry registry;
  ASSERT_EQ(Accept(registry, Hello("a", 1, {"e1"})), Registry::Outcome::kAccepted);
  AgentRecord* agent = registry.Find("a", 1);
  ASSERT_NE(agent, nullptr);
  for (int i = 0; i < 50; ++i) agent->gaps.Add(absl::Seconds(i % 3), absl::Seconds(5));
  const auto all = [](const std::string&, const InstanceInfo&) { return true; };
  uint32_t agents = 0;
  uint32_t silent = 0;
  registry.Count(all, absl::Seconds(5), At(5.2), &agents, &silent);
  EXPECT_EQ(silent, 0u) << "a second, give or take 0.8";
  registry.Count(all, absl::Seconds(5), At(8), &agents, &silent);
  EXPECT_EQ(silent, 1u);
}

}  // namespace
}  // namespace pointsman::controller
