#include "controller/core/table.h"

#include <random>

#include "absl/random/bit_gen_ref.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/controller/core/shard_world.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

EntryState Healthy(uint32_t weight) {
  return {v1::VERDICT_HEALTHY, v1::REASON_CHECKS_PASSED, weight, true};
}

TEST(SliceTableTest, TheFirstCommitMakesARevisionOfAnEmptySlice) {
  SliceTable table("web", 3);
  const auto frame = table.Commit(MonotonicTime());
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->to, 1u);
  EXPECT_TRUE(frame->head.has_value());
  EXPECT_FALSE(table.Commit(MonotonicTime()).has_value());
}

TEST(SliceTableTest, AFrameCarriesOnlyWhatChanged) {
  SliceTable table("web", 1);
  const uint32_t a = table.Add(MakeInfo("a"), Healthy(1));
  const uint32_t b = table.Add(MakeInfo("b"), Healthy(1));
  table.Commit(MonotonicTime());
  table.SetState(a, Healthy(2));
  table.SetState(b, Healthy(1));
  const auto frame = table.Commit(MonotonicTime());
  ASSERT_TRUE(frame.has_value());
  ASSERT_EQ(frame->entries.size(), 1u);
  EXPECT_EQ(frame->entries[0].handle, a);
  EXPECT_EQ(frame->entries[0].info, nullptr);
  EXPECT_EQ(frame->entries[0].info_revision, 1u);
  EXPECT_FALSE(frame->head.has_value());
}

TEST(SliceTableTest, HandlesAreNeverGivenTwice) {
  SliceTable table("web", 1);
  const uint32_t a = table.Add(MakeInfo("a"), Healthy(1));
  table.Commit(MonotonicTime());
  table.Remove(a);
  table.Commit(MonotonicTime());
  EXPECT_GT(table.Add(MakeInfo("a"), Healthy(1)), a);
}

TEST(SliceTableTest, DeltasBelowForgottenTombstonesAreRefused) {
  SliceTable table("web", 1);
  MonotonicTime now = MonotonicTime::FromMicros(1);
  const uint32_t a = table.Add(MakeInfo("a"), Healthy(1));
  table.Add(MakeInfo("b"), Healthy(1));
  table.Commit(now);
  table.Remove(a);
  table.Commit(now);
  EXPECT_TRUE(table.Delta(1).has_value());
  now = now + 2 * SliceTable::kTombstoneAge;
  table.Add(MakeInfo("c"), Healthy(1));
  table.Commit(now);
  EXPECT_FALSE(table.Delta(1).has_value());
  EXPECT_TRUE(table.Delta(2).has_value());
  EXPECT_FALSE(table.Delta(3).has_value()) << "nothing is above the newest";
}

TEST(SliceTableTest, AnInheritedLineageContinuesForItsHoldersOnly) {
  SliceTable old("web", 4);
  old.Add(MakeInfo("a"), Healthy(7));
  const uint32_t b = old.Add(MakeInfo("b"), Healthy(8));
  old.Commit(MonotonicTime());
  old.SetState(b, Healthy(9));
  old.Commit(MonotonicTime());
  SliceMirror exact;
  ASSERT_TRUE(exact.Apply(old.Full()));
  SliceTable table("web", 5);
  table.Inherit(old.version(), old.entries(), old.head());
  EXPECT_EQ(table.version(), (SliceVersion{5, 2}));
  EXPECT_TRUE(table.Knows({4, 2}));
  EXPECT_FALSE(table.Knows({4, 1}));
  table.SetState(b, Healthy(10));
  const uint32_t c = table.Add(MakeInfo("c"), Healthy(1));
  EXPECT_GT(c, b);
  const auto frame = table.Commit(MonotonicTime());
  ASSERT_TRUE(frame.has_value());
  EXPECT_TRUE(exact.Apply(*frame)) << "its holder needs only the delta";
  EXPECT_EQ(Difference(exact, table.Full()), "");
  EXPECT_FALSE(table.Delta(1).has_value()) << "what happened before is not known";
}

TEST(SliceTableTest, ARaisedEpochContinuesTheOwnSlice) {
  SliceTable table("web", 1);
  const uint32_t a = table.Add(MakeInfo("a"), Healthy(1));
  table.Commit(MonotonicTime());
  SliceMirror mirror;
  ASSERT_TRUE(mirror.Apply(table.Full()));
  table.RaiseEpoch(9);
  table.SetState(a, Healthy(2));
  const auto frame = table.Commit(MonotonicTime());
  ASSERT_TRUE(frame.has_value());
  EXPECT_TRUE(mirror.Apply(*frame));
  EXPECT_EQ(mirror.version, (SliceVersion{9, 2}));
}

// Edits a table at random; returns the frames it made.
struct Edit {
  SliceTable table{"web", 2};
  std::vector<uint32_t> live;
  int made = 0;
  MonotonicTime now = MonotonicTime::FromMicros(1);

  std::optional<Frame> Round(absl::BitGenRef random) {
    now = now + absl::Seconds(absl::Uniform(random, 0, 120));
    const int edits = absl::Uniform(random, 0, 6);
    for (int i = 0; i < edits; ++i) {
      const int kind = absl::Uniform(random, 0, 10);
      if (kind < 3 || live.empty()) {
        live.push_back(table.Add(MakeInfo(absl::StrCat("e", made++)), Healthy(1)));
        continue;
      }
      const size_t pick = absl::Uniform<size_t>(random, 0, live.size());
      if (kind < 7) {
        table.SetState(live[pick], Healthy(absl::Uniform<uint32_t>(random, 1, 5)));
      } else if (kind == 7) {
        table.SetInfo(live[pick], MakeInfo(table.entries()[*table.Find(live[pick])].info->id,
                                           absl::Uniform(random, 1, 4)));
      } else if (kind == 8) {
        HeadState head;
        head.fail_open = absl::Bernoulli(random, 0.5);
        table.SetHead(head);
      } else {
        table.Remove(live[pick]);
        live.erase(live.begin() + static_cast<ptrdiff_t>(pick));
      }
    }
    return table.Commit(now);
  }
};

TEST(SliceTablePropertyTest, FramesInAnyAllowedOrderWithAnyLossesGiveTheFullSlice) {
  std::mt19937_64 engine(SeedOr(20260301));
  absl::BitGenRef random(engine);
  for (int run = 0; run < 200; ++run) {
    Edit edit;
    std::vector<Frame> sent;
    SliceMirror mirror;
    SliceVersion highest;
    for (int round = 0; round < 40; ++round) {
      if (auto frame = edit.Round(random)) {
        ASSERT_GT((SliceVersion{frame->epoch, frame->to}), highest);
        highest = {frame->epoch, frame->to};
        sent.push_back(std::move(*frame));
      }
      // Deliver anything ever sent, in any order, any number of times, or nothing.
      for (int i = absl::Uniform(random, 0, 4); i > 0; --i) {
        const Frame& frame = sent[absl::Uniform<size_t>(random, 0, sent.size())];
        const SliceVersion before = mirror.version;
        const bool applied = mirror.Apply(frame);
        ASSERT_TRUE(applied ? mirror.version > before : mirror.version == before);
      }
      if (absl::Bernoulli(random, 0.2)) {
        const auto delta = edit.table.Delta(mirror.version.revision);
        const bool behind = mirror.version < edit.table.version();
        if (behind) {
          ASSERT_TRUE(mirror.Apply(delta ? *delta : edit.table.Full()));
        }
        ASSERT_EQ(Difference(mirror, edit.table.Full()), "") << "run " << run;
      }
    }
    if (mirror.version < edit.table.version()) {
      ASSERT_TRUE(mirror.Apply(edit.table.Full()));
    }
    ASSERT_EQ(Difference(mirror, edit.table.Full()), "") << "run " << run;
  }
}

}  // namespace
}  // namespace pointsman::controller
