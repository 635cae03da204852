#include "controller/shard/frame_ring.h"

#include <gtest/gtest.h>

#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

RingFrame Make(uint64_t epoch, uint64_t base, uint64_t to, SliceVersion continues = {}) {
  Frame frame;
  frame.service = "web";
  frame.epoch = epoch;
  frame.base = base;
  frame.to = to;
  frame.continues = continues;
  return MakeRingFrame(frame);
}

// The (base, to) pairs of the frames on the way, as a gateway would parse them joined.
std::vector<std::pair<uint64_t, uint64_t>> Way(const FrameRing& ring, SliceVersion have) {
  const auto path = ring.PathFrom(have);
  EXPECT_TRUE(path.has_value());
  std::string joined;
  for (const SharedBytes& bytes : *path) joined += *bytes;
  v1::Bundle bundle;
  EXPECT_TRUE(bundle.ParseFromString(joined));
  std::vector<std::pair<uint64_t, uint64_t>> way;
  for (const v1::SliceFrame& frame : bundle.frames()) way.emplace_back(frame.base(), frame.to());
  return way;
}

using Pairs = std::vector<std::pair<uint64_t, uint64_t>>;

TEST(FrameRingTest, JoinsWhatLeadsToTheHead) {
  FrameRing ring;
  ring.Push(Make(1, 0, 1));
  ring.Push(Make(1, 1, 2));
  ring.Push(Make(1, 2, 5));
  EXPECT_EQ(Way(ring, {1, 1}), (Pairs{{1, 2}, {2, 5}}));
  EXPECT_EQ(Way(ring, {1, 5}), Pairs{});
  EXPECT_EQ(Way(ring, {1, 3}), (Pairs{{2, 5}}));  // Overlap: entries are absolute.
  EXPECT_EQ(Way(ring, {}), (Pairs{{0, 1}, {1, 2}, {2, 5}}));
}

TEST(FrameRingTest, AsksForAComputedFrameBeyondItsMemory) {
  FrameRing ring;
  for (uint64_t i = 0; i < 3 * FrameRing::kFramesMax; ++i) ring.Push(Make(1, i, i + 1));
  EXPECT_FALSE(ring.PathFrom({1, 1}).has_value());
  const uint64_t head = ring.head().revision;
  ring.PushComputed({1, 1}, Make(1, 1, head));
  EXPECT_EQ(Way(ring, {1, 1}).size(), 1u);
  ring.Push(Make(1, head, head + 1));
  EXPECT_EQ(Way(ring, {1, 1}).size(), 2u);  // The computed one, then the ring's.
  EXPECT_TRUE(ring.PathFrom({1, 3 * FrameRing::kFramesMax - 5}).has_value());
}

TEST(FrameRingTest, ForgetsEveryFrameButNotTheHead) {
  FrameRing ring;
  ring.Push(Make(1, 0, 1));
  ring.Push(Make(1, 1, 2));
  ring.PushComputed({}, Make(1, 0, 2));
  ring.Forget();
  EXPECT_EQ(ring.head(), (SliceVersion{1, 2}));
  EXPECT_EQ(Way(ring, {1, 2}), Pairs{});
  EXPECT_FALSE(ring.PathFrom({1, 1}).has_value());
  EXPECT_FALSE(ring.PathFrom({}).has_value());
  ring.Push(Make(1, 2, 3));
  EXPECT_EQ(Way(ring, {1, 2}), (Pairs{{2, 3}}));
  EXPECT_FALSE(ring.PathFrom({1, 1}).has_value());
}

TEST(FrameRingTest, PrefersTheWholeSliceForAGatewayWithoutAnything) {
  FrameRing ring;
  for (uint64_t i = 0; i < 2 * FrameRing::kJoinedFromNothingMax; ++i) ring.Push(Make(1, i, i + 1));
  EXPECT_FALSE(ring.PathFrom({}).has_value());
  ring.PushComputed({}, Make(1, 0, ring.head().revision));
  EXPECT_EQ(Way(ring, {}).size(), 1u);
}

TEST(FrameRingTest, FollowsANewEpochOnlyFromThePairItContinues) {
  FrameRing ring;
  ring.Push(Make(2, 7, 8, {1, 7}));
  EXPECT_EQ(Way(ring, {1, 7}), (Pairs{{7, 8}}));
  EXPECT_FALSE(ring.PathFrom({1, 6}).has_value());
  EXPECT_FALSE(ring.PathFrom({1, 9}).has_value());
}

TEST(FrameRingTest, ForgetsWhatTheNextFrameDoesNotJoin) {
  FrameRing ring;
  ring.Push(Make(2, 0, 1));
  ring.Push(Make(2, 100, 101, {1, 100}));
  EXPECT_EQ(Way(ring, {1, 100}), (Pairs{{100, 101}}));
  EXPECT_FALSE(ring.PathFrom({2, 1}).has_value());
}

TEST(FrameRingTest, NeverLeadsToALowerPair) {
  FrameRing ring;
  ring.Push(Make(2, 0, 3));
  EXPECT_FALSE(ring.PathFrom({3, 1}).has_value());
  EXPECT_FALSE(ring.PathFrom({2, 9}).has_value());
}

}  // namespace
}  // namespace pointsman::controller
