#include "controller/core/shard_core.h"

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "gtest/gtest.h"
#include "tests/controller/core/shard_world.h"

namespace pointsman::controller {
namespace {

std::string Id(int i) { return absl::StrCat("web-", i); }

// A world with `count` endpoints that are healthy and past slow start, and one gateway.
ShardWorld Serving(int count) {
  ShardWorld world;
  world.Configure();
  world.GatewayHello("g1");
  for (int i = 0; i < count; ++i) world.Hello(Id(i));
  world.RunWithReports(absl::Seconds(15));
  for (int i = 0; i < count; ++i) EXPECT_EQ(world.VerdictOf(Id(i)), v1::VERDICT_HEALTHY);
  return world;
}

TEST(ShardCoreTest, NewEndpointsReceiveNothingUntilTheirChecksPass) {
  ShardWorld world;
  world.Configure();
  world.Hello("web-0");
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_STARTING);
  EXPECT_FALSE(world.RoutableOf("web-0"));
  world.Report("web-0");
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_HEALTHY);
  EXPECT_TRUE(world.RoutableOf("web-0"));
  EXPECT_EQ(world.ReasonOf("web-0"), v1::REASON_SLOW_START);
  world.RunWithReports(absl::Seconds(11));
  EXPECT_EQ(world.ReasonOf("web-0"), v1::REASON_CHECKS_PASSED);
}

TEST(ShardCoreTest, StaticEndpointsServeAtOnce) {
  ShardWorld world;
  v1::Endpoint* endpoint = world.config.mutable_services(0)->add_endpoints();
  endpoint->set_id("s1");
  endpoint->set_address("127.0.0.1:1");
  world.Configure();
  EXPECT_EQ(world.VerdictOf("s1"), v1::VERDICT_HEALTHY);
  EXPECT_TRUE(world.RoutableOf("s1"));
  world.Run(absl::Seconds(11));
  EXPECT_EQ(world.ReasonOf("s1"), v1::REASON_STATIC);
}

TEST(ShardCoreTest, AConfiguredServiceWithoutEndpointsHasAnEmptySlice) {
  ShardWorld world;
  world.Configure();
  ASSERT_EQ(world.frames.size(), 1u);
  EXPECT_EQ(world.core->NewestVersion("web"), (SliceVersion{1, 1}));
}

TEST(ShardCoreTest, WhatWaitsForOthersIsToldWithoutLookingAtAllEndpoints) {
  constexpr int kMany = 200;
  ShardWorld world;
  world.Configure();
  for (int i = 0; i < kMany; ++i) world.Hello(Id(i));
  for (int i = 0; i < kMany; ++i) world.Report(Id(i));
  world.RunWithReports(absl::Seconds(3));
  // The ramps of all the others are some way on, but not due yet.
  world.Run(absl::Milliseconds(450));
  world.Hello("late-1");
  const size_t told = world.frames.size();
  world.now = world.now + absl::Milliseconds(1);
  world.Hello("late-2");
  ASSERT_EQ(world.frames.size(), told) << "two joins within a millisecond are told together";
  ASSERT_GT(world.wake_at, world.now);
  world.now = world.wake_at;
  world.Step(TickInput{});
  ASSERT_EQ(world.frames.size(), told + 1);
  EXPECT_EQ(world.frames.back().entries.size(), 1u);
}

TEST(ShardCoreTest, SlowStartRaisesTheWeight) {
  ShardWorld world;
  world.Configure();
  world.Hello("web-0");
  world.Report("web-0");
  const uint32_t first = world.WeightOf("web-0");
  EXPECT_LE(first, kNominalWeight / 8);
  world.RunWithReports(absl::Seconds(5));
  EXPECT_NEAR(world.WeightOf("web-0"), kNominalWeight / 2.0, kNominalWeight / 8.0);
  world.RunWithReports(absl::Seconds(7));
  EXPECT_EQ(world.WeightOf("web-0"), kNominalWeight);
}

TEST(ShardCoreTest, AGoneProcessLeavesAtOnceAndReturnsThroughSlowStart) {
  ShardWorld world = Serving(5);
  world.agents["web-1"].process = v1::PROCESS_STATE_GONE;
  world.Report("web-1");
  EXPECT_EQ(world.VerdictOf("web-1"), v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(world.ReasonOf("web-1"), v1::REASON_UNREACHABLE);
  EXPECT_FALSE(world.RoutableOf("web-1"));
  // Back, but its check has not run since.
  world.now = world.now + absl::Milliseconds(300);
  world.agents["web-1"].process = v1::PROCESS_STATE_RUNNING;
  world.agents["web-1"].check_age = absl::Milliseconds(500);
  world.Report("web-1");
  EXPECT_EQ(world.VerdictOf("web-1"), v1::VERDICT_UNHEALTHY);
  world.agents["web-1"].check_age = absl::Milliseconds(10);
  world.Report("web-1");
  EXPECT_EQ(world.VerdictOf("web-1"), v1::VERDICT_HEALTHY);
  EXPECT_LE(world.WeightOf("web-1"), kNominalWeight / 8);
}

TEST(ShardCoreTest, FailedChecksAreCappedWithinTheWindow) {
  ShardWorld world = Serving(10);
  for (int i = 0; i < 5; ++i) {
    world.agents[Id(i)].check = v1::CHECK_STATUS_FAILING;
    world.agents[Id(i)].failure = v1::CHECK_FAILURE_TIMEOUT;
    world.Report(Id(i));
  }
  int removed = 0;
  for (int i = 0; i < 5; ++i) removed += world.VerdictOf(Id(i)) == v1::VERDICT_UNHEALTHY;
  EXPECT_EQ(removed, 2) << "20 % of 10";
  EXPECT_EQ(world.ReasonOf(Id(4)), v1::REASON_REMOVAL_CAPPED);
  EXPECT_EQ(world.Events(kEventRemovalCapped), 3);
  world.RunWithReports(absl::Seconds(29));
  EXPECT_EQ(world.VerdictOf(Id(4)), v1::VERDICT_HEALTHY);
  world.RunWithReports(absl::Seconds(40));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(world.VerdictOf(Id(i)), v1::VERDICT_UNHEALTHY);
}

TEST(ShardCoreTest, HealthNeverEmptiesASet) {
  ShardWorld world = Serving(4);
  for (int i = 0; i < 4; ++i) {
    world.agents[Id(i)].check = v1::CHECK_STATUS_FAILING;
    world.agents[Id(i)].failure = v1::CHECK_FAILURE_STATUS;
  }
  for (int minute = 0; minute < 5; ++minute) {
    world.RunWithReports(absl::Seconds(31));
    int routable = 0;
    for (int i = 0; i < 4; ++i) routable += world.RoutableOf(Id(i));
    EXPECT_GT(routable, 0);
  }
  EXPECT_EQ(world.VerdictOf(Id(0)), v1::VERDICT_UNHEALTHY);
  EXPECT_TRUE(world.RoutableOf(Id(0))) << "fail-open";
  EXPECT_TRUE(world.mirror.head.fail_open);
  EXPECT_EQ(world.Events(kEventFailOpenBegan), 1);
  for (int i = 0; i < 4; ++i) world.agents[Id(i)].process = v1::PROCESS_STATE_GONE;
  world.RunWithReports(absl::Seconds(2));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(world.RoutableOf(Id(i))) << "nothing else is left";
}

TEST(ShardCoreTest, ASilentAgentsEndpointStaysWhileTrafficSucceeds) {
  ShardWorld world = Serving(3);
  world.agents["web-0"].live = false;
  for (int second = 0; second < 20; ++second) {
    world.RunWithReports(absl::Seconds(1));
    world.Observe("g1", {{"web-0", {.requests = 10}}, {"web-1", {.requests = 10}}});
  }
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_HEALTHY);
  world.RunWithReports(absl::Seconds(15));
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(world.ReasonOf("web-0"), v1::REASON_AGENT_SILENT);
  world.RunWithReports(absl::Minutes(6));
  EXPECT_EQ(world.HandleOf("web-0"), 0u) << "left every count";
  EXPECT_EQ(world.Events(kEventEndpointDeregistered), 1);
}

TEST(ShardCoreTest, SilenceOfAllNeverEmptiesTheSlice) {
  ShardWorld world = Serving(3);
  world.Run(absl::Minutes(20));
  EXPECT_EQ(world.mirror.entries.size(), 3u);
  int routable = 0;
  for (int i = 0; i < 3; ++i) routable += world.RoutableOf(Id(i));
  EXPECT_EQ(routable, 3);
}

TEST(ShardCoreTest, AgentsMayDeregisterAllOnPurpose) {
  ShardWorld world = Serving(2);
  world.Goodbye("web-0");
  world.Goodbye("web-1");
  EXPECT_TRUE(world.mirror.entries.empty());
  EXPECT_EQ(world.Events(kEventEndpointDeregistered), 2);
}

TEST(ShardCoreTest, OneGatewayWithAllTheTrafficProvesUnreachability) {
  ShardWorld world = Serving(3);
  world.Observe("g1",
                {{"web-0", {.requests = 3, .connect_failures = 3}}, {"web-1", {.requests = 10}}});
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_HEALTHY) << "it may be over";
  world.Run(absl::Milliseconds(200));
  world.Observe("g1", {{"web-0", {.requests = 1, .connect_failures = 1}}});
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(world.ReasonOf("web-0"), v1::REASON_UNREACHABLE);
}

TEST(ShardCoreTest, OneOfTwoGatewaysProvesNothing) {
  ShardWorld world = Serving(3);
  world.GatewayHello("g2");
  world.Observe("g2", {{"web-0", {.requests = 10}}, {"web-1", {.requests = 10}}});
  for (int i = 0; i < 3; ++i) {
    world.RunWithReports(absl::Seconds(1));
    world.Observe("g1", {{"web-0", {.requests = 3, .connect_failures = 3}}});
    EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_HEALTHY);
  }
  world.Observe("g2", {{"web-0", {.requests = 1, .connect_failures = 1}}});
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_UNHEALTHY);
}

TEST(ShardCoreTest, FailuresFarAboveTheOthersEject) {
  ShardWorld world = Serving(3);
  for (int i = 0; i < 3; ++i) {
    world.RunWithReports(absl::Seconds(1));
    world.Observe("g1", {{"web-0", {.requests = 30, .server_errors = 20}},
                         {"web-1", {.requests = 30}},
                         {"web-2", {.requests = 30, .server_errors = 1}}});
  }
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(world.ReasonOf("web-0"), v1::REASON_TRAFFIC_FAILURES);
  EXPECT_EQ(world.VerdictOf("web-2"), v1::VERDICT_HEALTHY);
}

// Seconds of the same traffic through one gateway, 20 requests a second an endpoint, each answered
// after its endpoint's milliseconds.
void AnswerInMicros(ShardWorld& world, const std::vector<int>& micros, int seconds) {
  for (int second = 0; second < seconds; ++second) {
    world.RunWithReports(absl::Seconds(1));
    std::map<std::string, ShardWorld::Traffic> traffic;
    for (size_t i = 0; i < micros.size(); ++i) {
      traffic[Id(static_cast<int>(i))] = {.requests = 20, .latency = absl::Microseconds(micros[i])};
    }
    world.Observe("g1", traffic);
    world.AckAll("g1");
  }
}
void AnswerIn(ShardWorld& world, std::vector<int> millis, int seconds) {
  for (int& each : millis) each *= 1000;
  AnswerInMicros(world, millis, seconds);
}

TEST(ShardCoreTest, WhoBecomesSlowIsDegradedWithinSecondsAndForAsLongAsItIs) {
  ShardWorld world = Serving(3);
  AnswerIn(world, {10, 10, 40}, 300);
  EXPECT_EQ(world.VerdictOf("web-2"), v1::VERDICT_HEALTHY) << "it always was four times slower";
  const uint32_t weight = world.WeightOf("web-0");
  AnswerIn(world, {50, 10, 40}, 5);
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_DEGRADED);
  EXPECT_EQ(world.ReasonOf("web-0"), v1::REASON_TRAFFIC_SLOW);
  EXPECT_LE(world.WeightOf("web-0"), weight * 0.55);
  EXPECT_TRUE(world.RoutableOf("web-0"));
  EXPECT_EQ(world.VerdictOf("web-2"), v1::VERDICT_HEALTHY);
  AnswerIn(world, {50, 10, 40}, 60);
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_DEGRADED);
  AnswerIn(world, {10, 10, 40}, 10);
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_HEALTHY);
}

TEST(ShardCoreTest, WhatMakesAllSlowDegradesNobody) {
  // Wherever in their buckets they lie (8.192 ms is an edge), and by whatever factor.
  for (const double factor : {1.5, 2.0, 2.5, 3.0, 4.0, 5.0}) {
    ShardWorld world = Serving(3);
    AnswerInMicros(world, {8'000, 8'400, 33'000}, 60);
    const auto slower = [&](int micros) { return static_cast<int>(micros * factor); };
    AnswerInMicros(world, {slower(8'000), slower(8'400), slower(33'000)}, 60);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(world.VerdictOf(Id(i)), v1::VERDICT_HEALTHY) << i << " at " << factor;
    }
  }
}

TEST(ShardCoreTest, WhoIsNewIsNoMeasureOfWhatIsSlow) {
  ShardWorld world = Serving(6);
  AnswerIn(world, {10, 10}, 60);
  // The database becomes slow just as four more join.
  AnswerIn(world, {50, 50, 50, 50, 50, 50}, 60);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(world.VerdictOf(Id(i)), v1::VERDICT_HEALTHY) << i;
}

TEST(ShardCoreTest, ASlowEndpointKeepsWhatTheLoopGaveItAndIsSlowWithoutItsAgentToo) {
  ShardWorld world = Serving(3);
  AnswerIn(world, {10, 10, 10}, 300);
  AnswerIn(world, {50, 10, 10}, 6);
  ASSERT_EQ(world.ReasonOf("web-0"), v1::REASON_TRAFFIC_SLOW);
  const uint32_t weight = world.WeightOf("web-0");
  EXPECT_LE(weight, 65'536 / 2 + 1);
  // Its agent falls silent, and its answers become as they were.
  world.agents["web-0"].live = false;
  AnswerIn(world, {50, 10, 10}, 20);
  EXPECT_EQ(world.ReasonOf("web-0"), v1::REASON_TRAFFIC_SLOW);
  AnswerIn(world, {10, 10, 10}, 15);
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_HEALTHY);
  EXPECT_GT(world.WeightOf("web-0"), weight);
}

TEST(ShardCoreTest, ShadowedVerdictsTakeNoWeight) {
  ShardWorld world;
  world.config.mutable_services(0)->mutable_health()->set_shadow(true);
  world.Configure();
  world.GatewayHello("g1");
  for (int i = 0; i < 3; ++i) world.Hello(Id(i));
  world.RunWithReports(absl::Seconds(15));
  AnswerIn(world, {10, 10, 10}, 60);
  AnswerIn(world, {50, 10, 10}, 6);
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_DEGRADED);
  EXPECT_EQ(world.WeightOf("web-0"), world.WeightOf("web-1"));
}

TEST(ShardCoreTest, ASharedDependencyThatFailsEjectsNobody) {
  ShardWorld world = Serving(3);
  for (int i = 0; i < 10; ++i) {
    world.RunWithReports(absl::Seconds(1));
    world.Observe("g1", {{"web-0", {.requests = 30, .server_errors = 21}},
                         {"web-1", {.requests = 30, .server_errors = 20}},
                         {"web-2", {.requests = 30, .server_errors = 22}}});
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world.VerdictOf(Id(i)), v1::VERDICT_HEALTHY);
}

TEST(ShardCoreTest, OverridesDrainEjectAndPin) {
  ShardWorld world = Serving(3);
  v1::Override* drain = world.config.add_overrides();
  drain->set_service("web");
  drain->set_endpoint("web-0");
  drain->set_drain(true);
  drain->set_author("operator:alice");
  v1::Override* pin = world.config.add_overrides();
  pin->set_service("web");
  pin->set_endpoint("web-1");
  pin->set_weight(0.25);
  world.Configure("operator:alice");
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_DRAINING);
  EXPECT_FALSE(world.RoutableOf("web-0"));
  EXPECT_EQ(world.WeightOf("web-1"), kNominalWeight / 4);
  EXPECT_EQ(world.events.back().actor, "operator:alice");
  world.config.clear_overrides();
  world.Configure("operator:alice");
  world.RunWithReports(absl::Seconds(1));
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_HEALTHY);
  EXPECT_EQ(world.WeightOf("web-1"), kNominalWeight);
}

TEST(ShardCoreTest, AFreezeStopsAllButTheOperator) {
  ShardWorld world = Serving(5);
  world.Step(FreezeInput{true, "operator:alice", "maintenance"});
  EXPECT_TRUE(world.core->frozen());
  EXPECT_EQ(world.core->freeze_cause(), "operator:alice: maintenance");
  const size_t frames = world.frames.size();
  world.agents["web-0"].check = v1::CHECK_STATUS_FAILING;
  world.agents["web-1"].process = v1::PROCESS_STATE_GONE;
  world.Hello("web-9");
  world.Goodbye("web-2");
  world.RunWithReports(absl::Seconds(20));
  EXPECT_EQ(world.frames.size(), frames);
  v1::Override* eject = world.config.add_overrides();
  eject->set_service("web");
  eject->set_endpoint("web-3");
  eject->set_eject(true);
  world.Configure();
  EXPECT_EQ(world.VerdictOf("web-3"), v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_HEALTHY);
  world.Step(FreezeInput{false, "operator:alice", ""});
  world.RunWithReports(absl::Seconds(2));
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(world.VerdictOf("web-1"), v1::VERDICT_UNHEALTHY);
  EXPECT_EQ(world.HandleOf("web-2"), 0u);
  EXPECT_NE(world.HandleOf("web-9"), 0u);
}

TEST(ShardCoreTest, WhatAnOperatorBringsBackInAFreezeStartsSlowly) {
  ShardWorld world = Serving(5);
  world.RunWithReports(absl::Minutes(2));
  ASSERT_EQ(world.WeightOf("web-1"), kNominalWeight);
  world.Step(FreezeInput{true, "operator:alice", ""});
  v1::Override* drain = world.config.add_overrides();
  drain->set_service("web");
  drain->set_endpoint("web-1");
  drain->set_drain(true);
  world.Configure("operator:alice");
  EXPECT_EQ(world.VerdictOf("web-1"), v1::VERDICT_DRAINING);
  world.RunWithReports(absl::Seconds(5));
  world.config.clear_overrides();
  world.Configure("operator:alice");
  EXPECT_EQ(world.VerdictOf("web-1"), v1::VERDICT_HEALTHY);
  EXPECT_LT(world.WeightOf("web-1"), kNominalWeight / 2);
  EXPECT_EQ(world.WeightOf("web-2"), kNominalWeight);
  world.RunWithReports(absl::Minutes(2));
  EXPECT_EQ(world.WeightOf("web-1"), kNominalWeight);
}

TEST(ShardCoreTest, MassSilenceFreezesSilenceAndEndsByItself) {
  ShardWorld world = Serving(10);
  world.config.mutable_services(0)->mutable_health()->mutable_deregister_after()->set_seconds(3600);
  world.Configure();
  for (int i = 0; i < 6; ++i) world.agents[Id(i)].live = false;
  world.RunWithReports(absl::Seconds(4));
  world.Step(FleetInput{10, 6, absl::ZeroDuration()});
  EXPECT_EQ(world.Events(kEventFreezeBegan), 1);
  world.RunWithReports(absl::Minutes(4));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(world.VerdictOf(Id(i)), v1::VERDICT_HEALTHY);
  world.RunWithReports(absl::Seconds(62));
  world.Step(FleetInput{10, 6, absl::ZeroDuration()});
  EXPECT_EQ(world.Events(kEventFreezeEnded), 1);
  EXPECT_FALSE(world.core->frozen());
  EXPECT_EQ(world.VerdictOf(Id(0)), v1::VERDICT_UNHEALTHY);
}

TEST(ShardCoreTest, TheLiveAgentKeepsAnEndpointTwoClaim) {
  ShardWorld world = Serving(2);
  AgentHelloInput thief;
  thief.agent = "thief";
  thief.boot = 5;
  thief.session = world.next_session++;
  thief.actor = "agent:thief";
  thief.instances.push_back({"web", MakeInfo("web-0"), false, false});
  world.Step(thief);
  EXPECT_EQ(world.Events(kEventEndpointConflict), 1);
  auto endpoints = world.core->Endpoints("web", world.now);
  ASSERT_TRUE(endpoints.ok());
  EXPECT_EQ((*endpoints)[0].agent(), "a-web-0");
}

TEST(ShardCoreTest, StaleReportsAreIgnoredAndCounted) {
  ShardWorld world = Serving(1);
  world.agents["web-0"].check = v1::CHECK_STATUS_FAILING;
  world.agents["web-0"].sequence -= 1;  // The next report repeats the last one's number.
  world.Report("web-0");
  EXPECT_EQ(world.core->counters().reports_stale, 1u);
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_HEALTHY);
}

TEST(ShardCoreTest, AJournalReplaysToTheSameEffects) {
  ShardWorld world = Serving(6);
  world.agents["web-1"].process = v1::PROCESS_STATE_GONE;
  world.agents["web-2"].check = v1::CHECK_STATUS_FAILING;
  world.RunWithReports(absl::Seconds(5));
  for (int i = 0; i < 10; ++i) {
    world.Observe("g1", {{"web-0", {.requests = 100, .in_flight = 5}},
                         {"web-3", {.requests = 100, .in_flight = 1}}});
    world.RunWithReports(absl::Seconds(1));
  }
  ShardCore replay(ShardOptions{});
  std::vector<Frame> frames;
  std::vector<EventOut> events;
  for (const auto& [input, at] : world.journal) {
    Effects effects = replay.Step(input, at);
    for (Frame& frame : effects.frames) frames.push_back(std::move(frame));
    for (EventOut& event : effects.events) events.push_back(std::move(event));
  }
  ASSERT_EQ(frames.size(), world.frames.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    ASSERT_EQ(frames[i].to, world.frames[i].to);
    ASSERT_EQ(frames[i].entries.size(), world.frames[i].entries.size());
    for (size_t j = 0; j < frames[i].entries.size(); ++j) {
      ASSERT_TRUE(frames[i].entries[j].state == world.frames[i].entries[j].state);
    }
  }
  ASSERT_EQ(events.size(), world.events.size());
  for (size_t i = 0; i < events.size(); ++i) ASSERT_EQ(events[i].summary, world.events[i].summary);
}

TEST(ShardCoreTest, AServiceThatReturnsContinuesItsRevisions) {
  ShardWorld world = Serving(2);
  const SliceVersion before = world.core->NewestVersion("web");
  v1::Config empty;
  v1::Config full = world.config;
  world.config = empty;
  world.Configure();
  EXPECT_FALSE(world.core->FullFrame("web").has_value());
  EXPECT_FALSE(world.core->Endpoints("web", world.now).ok());
  world.Goodbye("web-0");
  world.Goodbye("web-1");
  world.config = full;
  world.Configure();
  ASSERT_TRUE(world.core->FullFrame("web").has_value());
  EXPECT_GT(world.core->NewestVersion("web"), before);
}

TEST(ShardCoreTest, InALargeServiceWhatBeginsToServeWaitsForOthersAndWhatLeavesDoesNot) {
  ShardWorld world;
  world.Configure();
  const int count = 2000;
  for (int i = 0; i < count; ++i) world.Hello(Id(i));
  world.RunWithReports(absl::Seconds(12));
  const size_t before = world.frames.size();
  for (int i = 0; i < 3; ++i) {
    world.agents[Id(i)].process = v1::PROCESS_STATE_GONE;
    world.Report(Id(i));
    EXPECT_FALSE(world.RoutableOf(Id(i)));
  }
  EXPECT_EQ(world.frames.size(), before + 3) << "each at once";
  world.now = world.now + absl::Milliseconds(1);
  for (int i = 0; i < 3; ++i) {
    world.agents[Id(i)].process = v1::PROCESS_STATE_RUNNING;
    world.agents[Id(i)].check_age = absl::ZeroDuration();
    world.Report(Id(i));
  }
  EXPECT_EQ(world.frames.size(), before + 3) << "none yet";
  world.Run(absl::Milliseconds(100));
  EXPECT_EQ(world.frames.size(), before + 4) << "all in one";
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(world.RoutableOf(Id(i)));
}

}  // namespace
}  // namespace pointsman::controller
