#include "controller/core/explain.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
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

// Reads the lines of a step back and computes them again.
void ExpectCapacityAddsUp(const v1::Decision& weight) {
  double in_flight = 0, hint = 0, mean = 0, base = 0, utilisation = 0;
  double rps = 0, good = 0, divisor = 0, scale = 0, capacity = 0, before = 0, target = 0;
  int found = 0;
  for (const std::string& line : weight.arithmetic()) {
    if (std::sscanf(line.c_str(),
                    "utilisation = in flight %lf / hint %lf / mean %lf x base %lf = %lf",
                    &in_flight, &hint, &mean, &base, &utilisation) == 5) {
      ++found;
      EXPECT_NEAR(in_flight / hint / mean * base, utilisation, 1e-4 * utilisation) << line;
    }
    if (std::sscanf(line.c_str(), "capacity = rps %lf x good %lf^2 / %lf x scale %lf = %lf", &rps,
                    &good, &divisor, &scale, &capacity) == 5) {
      ++found;
      EXPECT_NEAR(rps * good * good / divisor * scale, capacity, 1e-4 * capacity) << line;
    }
    if (std::sscanf(line.c_str(), "step: %lf x (%lf", &before, &target) == 2) ++found;
  }
  EXPECT_EQ(found, 3);
  EXPECT_NEAR(divisor, utilisation, 1e-4 * utilisation) << "each line's result is in the next";
  EXPECT_NEAR(target, capacity, 1e-4 * capacity);
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
  const v1::DecisionInput* in_flight = Input(weight, "load.in_flight");
  ASSERT_NE(in_flight, nullptr);
  EXPECT_EQ(in_flight->source(), "gateways");
  EXPECT_TRUE(in_flight->has_age());
  ExpectCapacityAddsUp(weight);
  EXPECT_TRUE(Says(weight, "step: "));
  EXPECT_TRUE(Says(weight, "sent = "));
}

// The line that begins with `words`; "": none.
std::string Line(const v1::Decision& decision, const std::string& words) {
  for (const std::string& line : decision.arithmetic()) {
    if (absl::StartsWith(line, words)) return line;
  }
  return "";
}

// "computed = B x slow start R x 65536 = N": true when N is what B, R and the rest give.
::testing::AssertionResult ComputedAddsUp(const v1::Decision& decision, uint32_t* computed) {
  const std::string line = Line(decision, "computed = ");
  double blended = 0;
  double ramp = 0;
  if (std::sscanf(line.c_str(), "computed = %lf x slow start %lf x 65536 = %u", &blended, &ramp,
                  computed) != 3) {
    return ::testing::AssertionFailure() << "no such line: " << line;
  }
  if (std::abs(blended * ramp * 65536 - *computed) <= 1) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << line;
}

TEST(ExplainTest, ASentWeightAddsUpWhileTheDeadBandHolds) {
  ShardWorld world = Five();
  // The slow start ends between two ticks: the last hundredth is not worth sending.
  world.config.mutable_services(0)->mutable_weights()->mutable_slow_start()->set_seconds(200);
  world.Configure();
  bool held = false;
  for (int i = 0; i < 250; ++i) {
    world.RunWithReports(absl::Seconds(1));
    const auto explanation = world.core->Explain("web", "web-0", world.now);
    ASSERT_TRUE(explanation.ok());
    const v1::Decision& weight = explanation->weight();
    uint32_t computed = 0;
    ASSERT_TRUE(ComputedAddsUp(weight, &computed));
    ASSERT_EQ(weight.result(), absl::StrCat(world.WeightOf("web-0")));
    const std::string sent = Line(weight, "sent = ");
    if (weight.result() == absl::StrCat(computed)) continue;
    held = true;
    EXPECT_EQ(sent, absl::StrCat("sent = ", weight.result(), " as before: ", computed,
                                 " is within its dead-band of 1%"));
  }
  EXPECT_TRUE(held);
}

bool WouldChange(const v1::Decision& decision, const std::string& words) {
  return std::any_of(decision.would_change().begin(), decision.would_change().end(),
                     [&](const std::string& line) { return absl::StrContains(line, words); });
}

TEST(ExplainTest, ASlowEndpointSaysWhatIsSlowAndWhatEndsIt) {
  ShardWorld world = Five();
  for (int second = 0; second < 30; ++second) {
    const absl::Duration latency = absl::Milliseconds(second < 24 ? 10 : 50);
    world.RunWithReports(absl::Seconds(1));
    world.Observe("g1", {{"web-0", {.requests = 20, .latency = latency}},
                         {"web-1", {.requests = 20, .latency = absl::Milliseconds(10)}},
                         {"web-2", {.requests = 20, .latency = absl::Milliseconds(10)}}});
  }
  const auto explanation = world.core->Explain("web", "web-0", world.now);
  ASSERT_TRUE(explanation.ok());
  const v1::Decision& verdict = explanation->verdict();
  EXPECT_EQ(verdict.result(), "DEGRADED");
  EXPECT_EQ(verdict.reason(), v1::REASON_TRAFFIC_SLOW);
  EXPECT_TRUE(Says(verdict, "60 of 60 answers took 32ms and more")) << verdict.DebugString();
  EXPECT_TRUE(WouldChange(verdict, "answers under 32ms again"));
}

TEST(ExplainTest, SaysWhatMovesTheWeightNext) {
  ShardWorld world = Five();
  world.config.mutable_services(0)->mutable_weights()->mutable_slow_start()->set_seconds(200);
  world.Configure();
  world.RunWithReports(absl::Seconds(2));
  const auto explain = [&world] { return *world.core->Explain("web", "web-0", world.now); };
  EXPECT_TRUE(WouldChange(explain().weight(), "slow start, which ends in "))
      << explain().DebugString();
  world.RunWithReports(absl::Seconds(210));
  EXPECT_FALSE(WouldChange(explain().weight(), "slow start"));
  EXPECT_TRUE(WouldChange(explain().weight(), "the next window's measurement"));
  EXPECT_FALSE(WouldChange(explain().weight(), "freeze"));
  world.Step(FreezeInput{true, "operator:alice", "night"});
  EXPECT_TRUE(WouldChange(explain().weight(), "the end of the freeze: operator:alice: night"));
  EXPECT_TRUE(WouldChange(explain().verdict(), "the end of the freeze"));
  world.Step(FreezeInput{false, "operator:alice", ""});
  v1::Override* drain = world.config.add_overrides();
  drain->set_service("web");
  drain->set_endpoint("web-0");
  drain->set_drain(true);
  world.Configure();
  EXPECT_TRUE(Says(explain().weight(), "not used while it is DRAINING"));
  EXPECT_TRUE(WouldChange(explain().weight(), "a verdict that lets it serve"));
}

TEST(ExplainTest, ASentWeightAddsUpWhileAStepBoundHolds) {
  WorldOptions options;
  options.shard.epoch = 4;
  ShardWorld world(options);
  // Nominal is far above what will be taken over.
  world.config.mutable_services(0)->mutable_weights()->set_shadow(true);
  world.Configure();
  Frame earlier;
  earlier.service = "web";
  earlier.epoch = 3;
  earlier.to = 9;
  earlier.head = FrameHead{9, {}};
  FrameEntry entry{1, 9, MakeInfo("web-0"), 9, {}};
  entry.state = {v1::VERDICT_HEALTHY, v1::REASON_CHECKS_PASSED, 1000, true};
  earlier.entries.push_back(entry);
  world.GatewayHello("g1", {{"web", {3, 9}}});
  world.Step(FreezeInput{true, "operator:test", ""});
  world.Step(InheritedSliceInput{earlier, "gateway:g1"});
  auto explanation = world.core->Explain("web", "web-0", world.now);
  ASSERT_TRUE(explanation.ok());
  EXPECT_TRUE(Says(explanation->weight(), "sent = 1000, taken over")) << "nothing computed";
  world.Step(FreezeInput{false, "operator:test", ""});
  world.Hello("web-0");
  explanation = world.core->Explain("web", "web-0", world.now);
  ASSERT_TRUE(explanation.ok());
  uint32_t computed = 0;
  EXPECT_TRUE(ComputedAddsUp(explanation->weight(), &computed));
  EXPECT_EQ(computed, kNominalWeight);
  EXPECT_TRUE(Says(explanation->weight(), "sent = 1250: 65536 is held at x1.25 of the 1000 sent"))
      << explanation->weight().DebugString();
}

TEST(ExplainTest, TheCauseOfAnEndpointSaysWhatItsWeightDoes) {
  ShardWorld world = Five();
  const auto cause = [&world](int i) {
    return (*world.core->Endpoints("web", world.now))[static_cast<size_t>(i)].cause();
  };
  EXPECT_EQ(cause(1), "1 check passes");
  for (int i = 0; i < 5; ++i) {
    LoadSample& load = world.agents[absl::StrCat("web-", i)].load;
    load.cpu_utilisation = i == 1 ? 0.8f : 0.2f;
  }
  world.RunWithReports(absl::Seconds(10));
  EXPECT_TRUE(absl::StartsWith(cause(1), "1 check passes; gets less: cpu 0.80, mean ")) << cause(1);
  EXPECT_TRUE(absl::StrContains(cause(2), "; gets more: cpu 0.20")) << cause(2);
  world.Hello("web-5");
  world.Report("web-5");
  EXPECT_EQ(cause(5), "1 check passes; slow start: 10% of its weight");
}

TEST(ExplainTest, AStaticEndpointIsSaidToHaveNoAgent) {
  ShardWorld world;
  v1::Endpoint* endpoint = world.config.mutable_services(0)->add_endpoints();
  endpoint->set_id("s1");
  endpoint->set_address("127.0.0.1:1");
  world.Configure();
  const auto explanation = world.core->Explain("web", "s1", world.now);
  ASSERT_TRUE(explanation.ok());
  const v1::Decision& verdict = explanation->verdict();
  EXPECT_TRUE(Says(verdict, "no agent runs checks"));
  EXPECT_TRUE(Says(explanation->weight(), "no agent reports its load"));
  EXPECT_EQ(Input(verdict, "agent.liveness"), nullptr);
  ASSERT_EQ(verdict.would_change_size(), 1);
  EXPECT_TRUE(absl::StrContains(verdict.would_change(0), "gateways that cannot reach it"));
}

TEST(ExplainTest, UnknownNamesAreNotFound) {
  ShardWorld world = Five();
  EXPECT_EQ(world.core->Explain("web", "none", world.now).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(world.core->Explain("none", "web-0", world.now).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(RestartTest, ABudgetUsedUpIsToldOnceAndExplained) {
  ShardWorld world = Five();
  world.agents["web-1"].check = v1::CHECK_STATUS_FAILING;
  world.agents["web-1"].restart_budget_spent = true;
  world.Report("web-1");
  world.Report("web-1");
  EXPECT_EQ(world.Events("restart.budget_spent"), 1);
  const auto explanation = world.core->Explain("web", "web-1", world.now);
  ASSERT_TRUE(explanation.ok());
  EXPECT_NE(Input(explanation->verdict(), "agent.restart_budget"), nullptr);
  const auto states = world.core->Endpoints("web", world.now);
  ASSERT_TRUE(states.ok());
  EXPECT_TRUE((*states)[1].restart_budget_spent());
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
