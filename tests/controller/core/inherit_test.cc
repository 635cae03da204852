// Taking over an earlier owner's slices: nothing is lost, nothing jumps, nothing partial replaces
// a fuller table.

#include <array>

#include "absl/strings/str_cat.h"
#include "controller/core/codes.h"
#include "gtest/gtest.h"
#include "tests/controller/core/shard_world.h"

namespace pointsman::controller {
namespace {

std::string Id(int i) { return absl::StrCat("web-", i); }

// The slice an earlier owner left: five endpoints with weights of their own.
Frame Earlier(uint64_t epoch = 3, uint64_t revision = 120) {
  Frame frame;
  frame.service = "web";
  frame.epoch = epoch;
  frame.to = revision;
  frame.head = FrameHead{revision, {}};
  for (uint32_t i = 0; i < 5; ++i) {
    FrameEntry entry;
    entry.handle = 10 + i;
    entry.revision = entry.info_revision = revision - i;
    entry.info = MakeInfo(Id(static_cast<int>(i)));
    entry.state = {v1::VERDICT_HEALTHY, v1::REASON_CHECKS_PASSED, kNominalWeight / (i + 1), true};
    frame.entries.push_back(entry);
  }
  return frame;
}

ShardWorld Restarted() {
  WorldOptions options;
  options.shard.epoch = 4;
  ShardWorld world(options);
  world.Configure();
  return world;
}

TEST(InheritTest, AGatewaysFullerTableIsTakenOverBeforeAnythingIsPublished) {
  ShardWorld world = Restarted();
  world.Hello("web-0");
  const size_t frames = world.frames.size();
  Effects effects;
  world.GatewayHello("g1", {{"web", {3, 120}}});
  EXPECT_FALSE(world.core->FullFrame("web").has_value()) << "held back";
  world.Hello("web-1");
  world.Report("web-0");
  EXPECT_EQ(world.frames.size(), frames);
  effects = world.Step(InheritedSliceInput{Earlier(), "gateway:g1"});
  EXPECT_EQ(effects.released_services, std::vector<std::string>{"web"});
  const auto full = world.core->FullFrame("web");
  ASSERT_TRUE(full.has_value());
  EXPECT_EQ(full->entries.size(), 5u);
  EXPECT_EQ(full->continues, (SliceVersion{3, 120}));
  EXPECT_GT(full->to, 119u);
  EXPECT_EQ(world.Events(kEventServiceInherited), 1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(world.HandleOf(Id(i)), 10u + i);
    EXPECT_TRUE(world.RoutableOf(Id(i)));
  }
}

TEST(InheritTest, AHolderOfTheInheritedPairFollowsDeltas) {
  ShardWorld world = Restarted();
  SliceMirror gateway;
  ASSERT_TRUE(gateway.Apply(Earlier()));
  world.GatewayHello("g1", {{"web", {3, 120}}});
  world.Step(InheritedSliceInput{Earlier(), "gateway:g1"});
  for (int i = 0; i < 5; ++i) world.Hello(Id(i));
  world.RunWithReports(absl::Seconds(3));
  EXPECT_TRUE(world.core->Continues("web", {3, 120}));
  const auto delta = world.core->DeltaFrame("web", 120);
  ASSERT_TRUE(delta.has_value());
  EXPECT_TRUE(gateway.Apply(*delta));
  EXPECT_EQ(Difference(gateway, *world.core->FullFrame("web")), "");
}

TEST(InheritTest, WeightsDoNotJump) {
  ShardWorld world = Restarted();
  world.GatewayHello("g1", {{"web", {3, 120}}});
  world.Step(InheritedSliceInput{Earlier(), "gateway:g1"});
  for (int i = 0; i < 5; ++i) world.Hello(Id(i));
  for (int second = 0; second < 30; ++second) {
    std::array<uint32_t, 5> before = {};
    for (int i = 0; i < 5; ++i) before[static_cast<size_t>(i)] = world.WeightOf(Id(i));
    world.RunWithReports(absl::Seconds(1));
    for (int i = 0; i < 5; ++i) {
      EXPECT_LE(world.WeightOf(Id(i)), before[static_cast<size_t>(i)] * 1.3) << Id(i);
      EXPECT_GE(world.WeightOf(Id(i)), before[static_cast<size_t>(i)] * 0.49) << Id(i);
      EXPECT_EQ(world.VerdictOf(Id(i)), v1::VERDICT_HEALTHY);
    }
  }
  EXPECT_EQ(world.WeightOf(Id(4)), kNominalWeight / 5) << "nothing was measured";
  EXPECT_EQ(world.ReasonOf(Id(4)), v1::REASON_CHECKS_PASSED);
}

TEST(InheritTest, AnUploadThatDoesNotComeReleasesAfterTwoSeconds) {
  ShardWorld world = Restarted();
  world.Hello("web-0");
  world.GatewayHello("g1", {{"web", {3, 120}}});
  world.Run(absl::Milliseconds(1900));
  EXPECT_FALSE(world.core->FullFrame("web").has_value());
  world.Run(absl::Milliseconds(300));
  EXPECT_TRUE(world.core->FullFrame("web").has_value());
}

TEST(InheritTest, AnEmptyTableNeverReplacesAnUnseenOne) {
  ShardWorld world = Restarted();
  world.GatewayHello("g1", {{"web", {3, 120}}});
  world.Run(absl::Seconds(30));
  EXPECT_FALSE(world.core->FullFrame("web").has_value());
  world.Step(InheritedSliceInput{Earlier(), "gateway:g1"});
  EXPECT_TRUE(world.core->FullFrame("web").has_value());
}

TEST(InheritTest, TheHigherOfTwoGatewaysPairsIsTaken) {
  ShardWorld world = Restarted();
  world.GatewayHello("g1", {{"web", {3, 118}}});
  world.GatewayHello("g2", {{"web", {3, 120}}});
  world.Step(InheritedSliceInput{Earlier(3, 118), "gateway:g1"});
  EXPECT_FALSE(world.core->FullFrame("web").has_value()) << "a newer one is on its way";
  world.Step(InheritedSliceInput{Earlier(3, 120), "gateway:g2"});
  ASSERT_TRUE(world.core->FullFrame("web").has_value());
  EXPECT_EQ(world.core->FullFrame("web")->continues, (SliceVersion{3, 120}));
}

TEST(InheritTest, UnconfirmedEndpointsLeaveOnlyAfterGraceAndNeverAllAtOnce) {
  ShardWorld world = Restarted();
  world.Step(InheritedSliceInput{Earlier(), "snapshot"});
  world.Hello("web-0");
  world.Hello("web-1");
  world.RunWithReports(absl::Seconds(28));
  EXPECT_EQ(world.VerdictOf("web-4"), v1::VERDICT_HEALTHY);
  EXPECT_EQ(world.ReasonOf("web-4"), v1::REASON_INHERITED);
  world.RunWithReports(absl::Seconds(5));
  int silent = 0;
  for (int i = 2; i < 5; ++i) silent += world.VerdictOf(Id(i)) == v1::VERDICT_UNHEALTHY;
  EXPECT_EQ(silent, 1) << "20 % of 5 within 30 s";
  world.RunWithReports(absl::Minutes(6));
  EXPECT_EQ(world.mirror.entries.size(), 2u);
}

TEST(InheritTest, AGatewaysNewerWeightCountsAlsoForAnEndpointThatIsConfirmedAlready) {
  ShardWorld world = Restarted();
  Frame saved = Earlier(3, 110);
  for (FrameEntry& entry : saved.entries) entry.state.weight = kNominalWeight / 10;
  world.Step(InheritedSliceInput{saved, "snapshot"});
  world.Hello("web-1");
  world.Report("web-1");
  ASSERT_EQ(world.VerdictOf("web-1"), v1::VERDICT_HEALTHY);
  world.Run(absl::Milliseconds(300));
  world.GatewayHello("g1", {{"web", {3, 120}}});
  world.Step(InheritedSliceInput{Earlier(), "gateway:g1"});
  const auto full = world.core->FullFrame("web");
  ASSERT_TRUE(full.has_value());
  for (const FrameEntry& entry : full->entries) {
    EXPECT_EQ(entry.state.weight, kNominalWeight / (entry.handle - 9)) << entry.info->id;
  }
}

TEST(InheritTest, FreshEvidenceContradicts) {
  ShardWorld world = Restarted();
  world.Step(InheritedSliceInput{Earlier(), "snapshot"});
  world.Hello("web-0");
  world.agents["web-0"].process = v1::PROCESS_STATE_GONE;
  world.Report("web-0");
  EXPECT_EQ(world.VerdictOf("web-0"), v1::VERDICT_UNHEALTHY);
}

TEST(InheritTest, AHigherEpochOfAGatewayIsToldAndContinuedAbove) {
  ShardWorld world = Restarted();
  world.Hello("web-0");
  Effects effects =
      world.Step(GatewayHelloInput{"g1", 7, world.next_session++, {}, {{"web", {9, 500}}}});
  EXPECT_EQ(effects.epoch_seen, 9u);
  effects = world.Step(EpochInput{10});
  EXPECT_EQ(world.core->epoch(), 10u);
  ASSERT_EQ(effects.uploads.size(), 1u) << "now it is an earlier owner's";
  EXPECT_EQ(effects.uploads[0].gateway, "g1");
  world.Step(InheritedSliceInput{Earlier(9, 500), "gateway:g1"});
  EXPECT_EQ(world.mirror.entries.size(), 5u);
  EXPECT_GT(world.mirror.version, (SliceVersion{9, 500}));
}

TEST(InheritTest, ATableThatIsAheadTakesOnlyWhatItDoesNotKnow) {
  ShardWorld world = Restarted();
  world.Hello("web-0");
  world.RunWithReports(absl::Seconds(20));
  const uint64_t revision = world.core->NewestVersion("web").revision;
  const uint32_t handle = world.HandleOf("web-0");
  ASSERT_GT(revision, 5u);
  world.Step(InheritedSliceInput{Earlier(3, 5), "gateway:g1"});
  EXPECT_EQ(world.HandleOf("web-0"), handle);
  EXPECT_EQ(world.WeightOf("web-0"), kNominalWeight);
  EXPECT_EQ(world.mirror.entries.size(), 5u);
  EXPECT_EQ(world.core->NewestVersion("web").revision, revision + 1);
}

// As Earlier(), but web-0 is at `ramp` of its slow start; the others have nominal weights.
Frame InSlowStart(double ramp) {
  Frame frame = Earlier();
  for (FrameEntry& entry : frame.entries) entry.state.weight = kNominalWeight;
  frame.entries[0].state.reason = v1::REASON_SLOW_START;
  frame.entries[0].state.weight = static_cast<uint32_t>(kNominalWeight * ramp);
  return frame;
}

TEST(InheritTest, ASlowStartGoesOnOnceItsEndpointIsConfirmed) {
  ShardWorld world = Restarted();
  world.Step(InheritedSliceInput{InSlowStart(0.1), "snapshot"});
  for (int i = 1; i < 5; ++i) world.Hello(Id(i));
  world.RunWithReports(absl::Seconds(5));
  EXPECT_NEAR(world.WeightOf(Id(0)), kNominalWeight * 0.1, 1) << "nothing fresh is known of it";
  world.Hello(Id(0));
  world.Report(Id(0));
  const uint32_t first = world.WeightOf(Id(0));
  EXPECT_NEAR(first, kNominalWeight * 0.1, 1) << "it does not jump";
  uint32_t last = first;
  for (int second = 0; second < 15; ++second) {
    world.RunWithReports(absl::Seconds(1));
    EXPECT_GE(world.WeightOf(Id(0)), last);
    EXPECT_LE(world.WeightOf(Id(0)), last + kNominalWeight * 0.11) << "a tenth a second";
    last = world.WeightOf(Id(0));
  }
  EXPECT_NEAR(last, kNominalWeight, kNominalWeight * 0.01);
  EXPECT_EQ(world.ReasonOf(Id(0)), v1::REASON_CHECKS_PASSED);
}

TEST(InheritTest, ASlowStartGoesOnWhereItWasAndNotFromItsBeginning) {
  ShardWorld world = Restarted();
  world.Step(InheritedSliceInput{InSlowStart(0.8), "snapshot"});
  for (int i = 0; i < 5; ++i) world.Hello(Id(i));
  for (int i = 0; i < 5; ++i) world.Report(Id(i));
  EXPECT_NEAR(world.WeightOf(Id(0)), kNominalWeight * 0.8, 10);
  EXPECT_EQ(world.ReasonOf(Id(0)), v1::REASON_SLOW_START) << "a third owner would go on as well";
  world.RunWithReports(absl::Seconds(3));
  EXPECT_NEAR(world.WeightOf(Id(0)), kNominalWeight, kNominalWeight * 0.01);
}

TEST(InheritTest, ASlowStartGoesOnForAnEndpointWithEvidenceOfItsOwnAlready) {
  ShardWorld world = Restarted();
  world.Hello(Id(0));
  world.Report(Id(0));
  world.Step(InheritedSliceInput{InSlowStart(0.5), "gateway:g1"});
  EXPECT_NEAR(world.WeightOf(Id(0)), kNominalWeight * 0.5, 10);
  world.RunWithReports(absl::Seconds(7));
  EXPECT_NEAR(world.WeightOf(Id(0)), kNominalWeight, kNominalWeight * 0.01);
}

TEST(InheritTest, WhatWasSlowKeepsTheWeightThatItWasSent) {
  Frame frame = Earlier();
  for (FrameEntry& entry : frame.entries) entry.state.weight = kNominalWeight;
  frame.entries[0].state.verdict = v1::VERDICT_DEGRADED;
  frame.entries[0].state.reason = v1::REASON_TRAFFIC_SLOW;
  frame.entries[0].state.weight = kNominalWeight / 5;
  ShardWorld world = Restarted();
  world.Step(InheritedSliceInput{frame, "snapshot"});
  for (int i = 1; i < 5; ++i) world.Hello(Id(i));
  world.RunWithReports(absl::Seconds(5));
  EXPECT_EQ(world.VerdictOf(Id(0)), v1::VERDICT_DEGRADED) << "nothing fresh is known of it";
  EXPECT_NEAR(world.WeightOf(Id(0)), kNominalWeight * 0.2, 2);
  world.Hello(Id(0));
  for (int second = 0; second < 10; ++second) {
    world.RunWithReports(absl::Seconds(1));
    EXPECT_NEAR(world.WeightOf(Id(0)), kNominalWeight * 0.2, 2) << "neither halved nor doubled";
  }
  EXPECT_EQ(world.VerdictOf(Id(0)), v1::VERDICT_HEALTHY) << "what is usual is learned anew";
}

TEST(InheritTest, WeightsOfOneCanLeaveTheirPlace) {
  ShardWorld world = Restarted();
  world.Step(InheritedSliceInput{InSlowStart(0), "snapshot"});
  for (int i = 0; i < 5; ++i) world.Hello(Id(i));
  world.RunWithReports(absl::Minutes(1));
  EXPECT_NEAR(world.WeightOf(Id(0)), kNominalWeight, kNominalWeight * 0.01);
}

}  // namespace
}  // namespace pointsman::controller
