#include "gateway/core/slice_state.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

v1::EndpointEntry* AddEntry(v1::SliceFrame* frame, uint32_t handle, uint32_t weight = 65'536,
                            bool with_info = true) {
  v1::EndpointEntry* entry = frame->add_entries();
  entry->set_handle(handle);
  entry->set_revision(frame->to());
  entry->set_weight(weight);
  entry->set_routable(true);
  entry->set_verdict(v1::VERDICT_HEALTHY);
  if (with_info) {
    entry->set_info_revision(frame->to());
    entry->mutable_info()->set_id(absl::StrCat("e", handle));
    entry->mutable_info()->set_address(absl::StrCat("10.0.0.1:", 1000 + handle));
  }
  return entry;
}

v1::SliceFrame Frame(uint64_t epoch, uint64_t base, uint64_t to) {
  v1::SliceFrame frame;
  frame.set_service("web");
  frame.set_epoch(epoch);
  frame.set_base(base);
  frame.set_to(to);
  return frame;
}

std::string Apply(SliceState* state, const v1::SliceFrame& frame) {
  SliceChange change;
  const SliceState before = *state;
  const auto refusal = state->Apply(frame, &change);
  if (refusal.has_value()) {
    EXPECT_EQ(*state, before) << "what is refused leaves no trace";
    EXPECT_LE(refusal->detail.size(), 255u);
  }
  return refusal.has_value() ? refusal->code : "OK";
}

SliceState HoldingTwo() {
  SliceState state;
  v1::SliceFrame frame = Frame(1, 0, 5);
  AddEntry(&frame, 1);
  AddEntry(&frame, 2);
  EXPECT_EQ(Apply(&state, frame), "OK");
  return state;
}

TEST(SliceStateTest, AppliesOnlyWhatReachesWhatIsHeld) {
  SliceState state = HoldingTwo();
  EXPECT_EQ(Apply(&state, Frame(1, 6, 7)), kNackGap);
  EXPECT_EQ(Apply(&state, Frame(1, 3, 5)), kNackStale);
  EXPECT_EQ(Apply(&state, Frame(1, 0, 4)), kNackStale);
  EXPECT_EQ(Apply(&state, Frame(1, 3, 6)), "OK") << "overlap is fine";
  EXPECT_EQ(state.version(), (VersionPair{1, 6}));
  EXPECT_EQ(Apply(&state, Frame(1, 6, 7)), "OK");
}

TEST(SliceStateTest, DeltaNeedsSomethingToStandOn) {
  SliceState state;
  EXPECT_EQ(Apply(&state, Frame(1, 3, 6)), kNackGap);
}

TEST(SliceStateTest, LowerEpochIsNeverApplied) {
  SliceState state = HoldingTwo();
  v1::SliceFrame full = Frame(2, 0, 3);
  AddEntry(&full, 1);
  EXPECT_EQ(Apply(&state, full), "OK") << "a higher epoch may have a lower revision";
  v1::SliceFrame old = Frame(1, 0, 900);
  AddEntry(&old, 1);
  EXPECT_EQ(Apply(&state, old), kNackStale);
  EXPECT_EQ(Apply(&state, Frame(1, 3, 900)), kNackStale);
}

TEST(SliceStateTest, NewEpochContinuesExactlyThePairHeld) {
  SliceState state = HoldingTwo();
  v1::SliceFrame delta = Frame(2, 5, 6);
  EXPECT_EQ(Apply(&state, delta), kNackGap) << "continues nothing";
  delta.mutable_continues()->set_epoch(1);
  delta.mutable_continues()->set_revision(4);
  EXPECT_EQ(Apply(&state, delta), kNackGap) << "continues another pair";
  delta.mutable_continues()->set_revision(5);
  AddEntry(&delta, 1, 7, false);
  EXPECT_EQ(Apply(&state, delta), "OK");
  EXPECT_EQ(state.version(), (VersionPair{2, 6}));
  EXPECT_EQ(state.entries().at(1).weight, 7u);
  EXPECT_EQ(state.entries().at(1).id, "e1") << "handles stay what they were";
}

TEST(SliceStateTest, EmptySliceDoesNotReplaceANonEmptyOne) {
  SliceState state = HoldingTwo();
  v1::SliceFrame empty = Frame(2, 0, 1);
  EXPECT_EQ(Apply(&state, empty), kNackEmpty);
  empty.add_removed()->set_handle(1);
  EXPECT_EQ(Apply(&state, empty), kNackEmpty) << "only one of two is named";
  empty.add_removed()->set_handle(2);
  EXPECT_EQ(Apply(&state, empty), "OK");
  EXPECT_TRUE(state.entries().empty());
  EXPECT_EQ(Apply(&state, Frame(2, 0, 2)), "OK") << "empty after empty";
}

TEST(SliceStateTest, TombstonesOfADeltaMayEmptyIt) {
  SliceState state = HoldingTwo();
  v1::SliceFrame delta = Frame(1, 5, 6);
  delta.add_removed()->set_handle(1);
  delta.add_removed()->set_handle(2);
  EXPECT_EQ(Apply(&state, delta), "OK");
  EXPECT_TRUE(state.entries().empty());
}

TEST(SliceStateTest, RefusesBrokenFields) {
  const auto code = [](auto edit) {
    SliceState state = HoldingTwo();
    v1::SliceFrame frame = Frame(1, 5, 6);
    edit(&frame);
    return Apply(&state, frame);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(code([](auto* f) { f->set_service("Not a name"); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { f->set_epoch(0); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { f->set_to(5); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 0); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 4), AddEntry(f, 3); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 4), AddEntry(f, 4); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 1, UINT32_MAX); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 3)->mutable_info()->set_id("e1"); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 3)->mutable_info()->set_id("a b"); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 3)->mutable_info()->set_address("x"); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 3)->mutable_info()->set_address("h:0"); }),
            kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 3)->mutable_info()->set_priority(16); }), kNackInvalid);
  EXPECT_EQ(code([&](auto* f) { AddEntry(f, 3)->mutable_info()->set_capacity(nan); }),
            kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 3)->set_revision(7); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { AddEntry(f, 3, 1, false); }), kNackGap) << "new, but who is it";
  EXPECT_EQ(code([](auto* f) { f->add_removed(); }), kNackInvalid);
  EXPECT_EQ(code([&](auto* f) { f->mutable_head()->set_scale(inf); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { f->mutable_head()->set_scale(-1); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) { f->mutable_head()->add_priority_share(5); }), kNackInvalid);
  EXPECT_EQ(code([](auto* f) {
              for (int i = 0; i < 17; ++i) f->mutable_head()->add_priority_share(0);
            }),
            kNackTooLarge);
  EXPECT_EQ(code([](auto* f) {
              for (int i = 0; i < 17; ++i) f->mutable_head()->add_splits();
            }),
            kNackTooLarge);
  EXPECT_EQ(code([](auto* f) {
              for (int i = 0; i < 65'537; ++i) f->add_entries();
            }),
            kNackTooLarge);
}

TEST(SliceStateTest, ReportsWhatChanged) {
  SliceState state = HoldingTwo();
  v1::SliceFrame delta = Frame(1, 5, 6);
  AddEntry(&delta, 2, 5, false);
  AddEntry(&delta, 3);
  delta.add_removed()->set_handle(1);
  SliceChange change;
  ASSERT_FALSE(state.Apply(delta, &change).has_value());
  EXPECT_FALSE(change.whole);
  EXPECT_FALSE(change.head);
  EXPECT_EQ(change.handles, (std::vector<uint32_t>{2, 3}));
  EXPECT_EQ(change.removed, (std::vector<uint32_t>{1}));
}

TEST(SliceStateTest, FullFrameOfASliceGivesTheSameSlice) {
  SliceState state = HoldingTwo();
  v1::SliceFrame delta = Frame(1, 5, 6);
  v1::EndpointEntry* entry = AddEntry(&delta, 9, 77);
  entry->mutable_info()->mutable_locality()->set_zone("z");
  (*entry->mutable_info()->mutable_labels())["k"] = "v";
  v1::SliceHead* head = delta.mutable_head();
  head->set_scale(2);
  head->add_priority_share(65'536);
  head->add_splits()->add_to()->set_share(65'536);
  ASSERT_EQ(Apply(&state, delta), "OK");
  SliceState copy;
  ASSERT_EQ(Apply(&copy, state.ToFrame("web")), "OK");
  EXPECT_EQ(copy, state);
}

// The controller's side in small: a slice with its history, which prints any delta and the whole.
class Owner {
 public:
  explicit Owner(uint64_t seed) : random_(seed) { Change(); }

  uint64_t revision() const { return revision_; }

  void Change() {
    ++revision_;
    const int edits = 1 + random_() % 3;
    for (int i = 0; i < edits; ++i) Edit();
    if (random_() % 4 == 0) head_ = {revision_, 1.0 + double(random_() % 7)};
  }

  // A new owner that continues this one.
  void RaiseEpoch() {
    continues_ = {epoch_, revision_};
    ++epoch_;
  }

  v1::SliceFrame Print(uint64_t base, uint64_t to) const {
    v1::SliceFrame frame = Frame(epoch_, base, to);
    if (continues_.epoch != 0) {
      frame.mutable_continues()->set_epoch(continues_.epoch);
      frame.mutable_continues()->set_revision(continues_.revision);
    }
    for (const auto& [handle, history] : endpoints_) PrintOne(handle, history, &frame);
    return frame;
  }

  v1::SliceFrame Whole() const {
    v1::SliceFrame frame = Print(0, revision_);
    frame.mutable_head()->set_revision(head_.first);
    frame.mutable_head()->set_scale(head_.second);
    return frame;
  }
  v1::SliceFrame Delta(uint64_t base) const {
    v1::SliceFrame frame = Print(base, revision_);
    if (head_.first > base) {
      frame.mutable_head()->set_revision(head_.first);
      frame.mutable_head()->set_scale(head_.second);
    }
    return frame;
  }

 private:
  struct History {
    uint64_t added = 0, changed = 0, removed = 0;
    uint32_t weight = 0;
  };

  void Edit() {
    const bool add = endpoints_.size() < 3 || random_() % 5 == 0;
    if (add) {
      endpoints_[next_handle_++] = {revision_, revision_, 0, uint32_t(random_() % 1000)};
      ++alive_;
      return;
    }
    auto it = endpoints_.begin();
    std::advance(it, random_() % endpoints_.size());
    History& history = it->second;
    if (history.removed != 0) return;
    if (random_() % 4 == 0 && alive_ > 1) {
      history.removed = revision_;
      --alive_;
    } else {
      history.changed = revision_;
      history.weight = random_() % 1000;
    }
  }

  static void PrintOne(uint32_t handle, const History& history, v1::SliceFrame* frame) {
    const uint64_t base = frame->base();
    if (history.removed != 0) {
      if (base != 0 && history.removed > base) {
        v1::Tombstone* tombstone = frame->add_removed();
        tombstone->set_handle(handle);
        tombstone->set_revision(history.removed);
      }
      return;
    }
    if (history.changed <= base) return;
    v1::EndpointEntry* entry = AddEntry(frame, handle, history.weight, history.added > base);
    entry->set_revision(history.changed);
    if (entry->has_info()) entry->set_info_revision(history.added);
  }

  std::mt19937_64 random_;
  uint64_t epoch_ = 1;
  uint64_t revision_ = 0;
  VersionPair continues_;
  uint32_t next_handle_ = 1;
  int alive_ = 0;  // Never 0: emptying a slice has a test of its own.
  std::map<uint32_t, History> endpoints_;
  std::pair<uint64_t, double> head_ = {1, 1.0};
};

// Any chain of frames, in any order, with losses and repeats: the pair never falls, and what is
// held at the owner's revision equals the whole slice.
TEST(SliceStateTest, AnyChainOfFramesEqualsTheWholeSlice) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 random(seed);
    Owner owner(seed);
    SliceState state;
    std::vector<v1::SliceFrame> in_flight = {owner.Whole()};
    int compared = 0;
    for (int step = 0; step < 120; ++step) {
      if (random() % 2 == 0) owner.Change();
      if (random() % 40 == 0) owner.RaiseEpoch(), owner.Change();
      const uint64_t behind = random() % 6;
      const uint64_t base = owner.revision() > behind + 1 ? owner.revision() - behind - 1 : 0;
      in_flight.push_back(base == 0 || random() % 15 == 0 ? owner.Whole() : owner.Delta(base));
      std::shuffle(in_flight.begin(), in_flight.end(), random);
      const v1::SliceFrame frame = in_flight.back();
      if (random() % 3 != 0) in_flight.pop_back();  // Else it comes again.
      if (random() % 5 == 0) continue;              // Lost.
      const VersionPair before = state.version();
      const std::string code = Apply(&state, frame);
      ASSERT_GE(state.version(), before);
      ASSERT_TRUE(code == "OK" || code == kNackStale || code == kNackGap) << code;
      if (code != "OK") continue;
      const v1::SliceFrame whole = owner.Whole();
      if (state.version() == VersionPair{whole.epoch(), whole.to()}) {
        SliceState expected;
        ASSERT_EQ(Apply(&expected, whole), "OK");
        ASSERT_EQ(state, expected);
        ++compared;
      }
    }
    EXPECT_GT(compared, 0);
  }
}

}  // namespace
}  // namespace pointsman::gateway
