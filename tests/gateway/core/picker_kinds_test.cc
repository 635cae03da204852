// Every way of picking against the weights it is to follow, also while they change; what hashes and
// cookies promise.

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/hashing.h"
#include "gateway/core/picker.h"
#include "gateway/core/service_build.h"
#include "gtest/gtest.h"
#include "tests/gateway/core/bundle_fixture.h"

namespace pointsman::gateway {
namespace {

using Kind = PickerPolicy::Kind;

constexpr Kind kKinds[] = {Kind::kP2c,          Kind::kRandom, Kind::kRoundRobin,
                           Kind::kLeastRequest, Kind::kMaglev, Kind::kRingHash};

// A service whose slice changes as a controller changes it.
class PickerKindsTest : public ::testing::Test {
 protected:
  void Begin(Kind kind, uint32_t endpoints) {
    settings_.picker.kind = kind;
    Apply(MakeSlice("web", 1, endpoints));
    revision_ = 1;
  }
  void Apply(const v1::SliceFrame& frame) {
    SliceChange change;
    const auto refusal = slice_.Apply(frame, &change);
    ASSERT_FALSE(refusal.has_value()) << refusal->detail;
    table_ = builder_.Build(&slice_, change, settings_, {{}, names_, "gw-1"}, &retired_);
  }
  v1::SliceFrame Next() {
    ++revision_;
    return MakeFrame("web", revision_ - 1, revision_);
  }
  void SetWeight(uint32_t handle, uint32_t weight) {
    v1::SliceFrame frame = Next();
    AddEndpoint(&frame, handle, weight);
    Apply(frame);
  }
  void Remove(uint32_t handle) {
    v1::SliceFrame frame = Next();
    v1::Tombstone* gone = frame.add_removed();
    gone->set_handle(handle);
    gone->set_revision(revision_);
    Apply(frame);
  }
  PickResult PickOne(std::optional<uint64_t> hash, std::span<const CellRef> tried = {}) {
    const CountersView view{cells_.worker(0), avoidance_, now_, &turns_};
    return Pick(*table_, view, tried, {.hash = hash, .affinity = affinity_}, random_);
  }
  std::string IdFor(uint64_t hash) { return PickOne(hash).endpoint->id(); }
  const Endpoint& EndpointOf(const std::string& id) const {
    for (size_t i = 0; i < table_->endpoints.size(); ++i) {
      if (table_->endpoints[i].id() == id) return table_->endpoints[i];
    }
    PM_CHECK(false);
  }
  // By id.
  std::map<std::string, double> Shares() const {
    std::map<std::string, double> shares;
    const common::AliasTable& table = table_->groups[0].table;
    for (size_t i = 0; i < table.size(); ++i) {
      if (table.weight(i) == 0) continue;
      shares[table_->endpoints[i].id()] = table.weight(i) / static_cast<double>(table.total());
    }
    return shares;
  }
  // Picks `n` times with random hashes; adds what came and what was to come.
  void Count(int n, std::map<std::string, double>* expected, std::map<std::string, int>* counts) {
    for (const auto& [id, share] : Shares()) (*expected)[id] += n * share;
    for (int i = 0; i < n; ++i) ++(*counts)[PickOne(random_()).endpoint->id()];
  }
  // Three sigma of chance, and what a ring's points stray by.
  static void ExpectClose(Kind kind, const std::map<std::string, double>& expected,
                          const std::map<std::string, int>& counts) {
    for (const auto& [id, wanted] : expected) {
      const double sigma = std::sqrt(wanted);
      const double table = kind == Kind::kRingHash ? 0.12 * wanted : 0;
      const auto found = counts.find(id);
      const int count = found == counts.end() ? 0 : found->second;
      EXPECT_NEAR(count, wanted, 3 * sigma + table) << id << " of kind " << static_cast<int>(kind);
    }
  }

  EndpointCells cells_{1};
  LocalAvoidance avoidance_{cells_.worker(0)};
  PickTurns turns_;
  ServiceBuilder builder_{"web", cells_};
  ServiceSettings settings_;
  ResolvedNames names_;
  SliceState slice_;
  std::vector<CellRef> retired_;
  std::shared_ptr<const ServiceTable> table_;
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
  std::mt19937_64 random_{11};
  uint64_t affinity_ = 0;
  uint64_t revision_ = 0;
};

class EveryKindTest : public PickerKindsTest, public ::testing::WithParamInterface<Kind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryKindTest, ::testing::ValuesIn(kKinds));

TEST_P(EveryKindTest, SharesFollowTheWeights) {
  Begin(GetParam(), 10);
  for (uint32_t i = 1; i <= 10; ++i) SetWeight(i, 13'107 * i);
  std::map<std::string, double> expected;
  std::map<std::string, int> counts;
  Count(100'000, &expected, &counts);
  ExpectClose(GetParam(), expected, counts);
}

TEST_P(EveryKindTest, SharesFollowTheWeightsAcrossAThousandUpdates) {
  Begin(GetParam(), 20);
  std::map<std::string, double> expected;
  std::map<std::string, int> counts;
  for (int update = 0; update < 1'000; ++update) {
    SetWeight(1 + static_cast<uint32_t>(random_() % 20), 6'554 + random_() % 124'518);
    Count(50, &expected, &counts);
  }
  ExpectClose(GetParam(), expected, counts);
}

// A heavy endpoint beside many light ones, and the other way round.
TEST_P(EveryKindTest, LightEndpointsAreNotStarved) {
  Begin(GetParam(), 50);
  for (uint32_t i = 1; i <= 5; ++i) SetWeight(i, 6'554);
  std::map<std::string, double> expected;
  std::map<std::string, int> counts;
  for (int update = 0; update < 200; ++update) {
    SetWeight(50, 65'536 + update % 3);  // A fresh table each time.
    Count(500, &expected, &counts);
  }
  ExpectClose(GetParam(), expected, counts);
}

TEST_P(EveryKindTest, LeavesOutWhatWasTriedAndWhatIsAvoided) {
  Begin(GetParam(), 3);
  const std::vector<CellRef> tried = {EndpointOf("e1").cell};
  avoidance_.OnOutcome(EndpointOf("e2").cell, TryOutcome::kConnectFailure, now_);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(PickOne(random_(), tried).endpoint->id(), "e3");
  const std::vector<CellRef> all = {EndpointOf("e1").cell, EndpointOf("e2").cell,
                                    EndpointOf("e3").cell};
  EXPECT_EQ(PickOne(random_(), all).status, PickResult::Status::kAllTried);
}

TEST_P(EveryKindTest, ARequestWithoutAKeyIsDrawnByWeight) {
  Begin(GetParam(), 4);
  std::map<std::string, int> counts;
  for (int i = 0; i < 8'000; ++i) ++counts[PickOne(std::nullopt).endpoint->id()];
  for (const auto& [id, count] : counts) EXPECT_NEAR(count, 2'000, 3 * std::sqrt(2'000)) << id;
}

class HashedKindTest : public PickerKindsTest, public ::testing::WithParamInterface<Kind> {
 protected:
  std::vector<std::string> IdsOf(int keys) {
    std::vector<std::string> ids;
    ids.reserve(keys);
    for (int key = 0; key < keys; ++key) ids.push_back(IdFor(KeyOf(key)));
    return ids;
  }
  static uint64_t KeyOf(int number) { return common::Hash64(absl::StrCat("key", number)); }
  // Share of keys that are somewhere else now.
  static double Moved(const std::vector<std::string>& before,
                      const std::vector<std::string>& after) {
    int moved = 0;
    for (size_t i = 0; i < before.size(); ++i) moved += before[i] != after[i];
    return moved / static_cast<double>(before.size());
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, HashedKindTest, ::testing::Values(Kind::kMaglev, Kind::kRingHash));

TEST_P(HashedKindTest, AKeyStaysWithItsEndpoint) {
  Begin(GetParam(), 20);
  const std::vector<std::string> before = IdsOf(1'000);
  EXPECT_EQ(Moved(before, IdsOf(1'000)), 0);
  // Another gateway, which learned of the endpoints in another order.
  ServiceBuilder other("web", cells_);
  SliceChange whole;
  whole.whole = true;
  table_ = other.Build(&slice_, whole, settings_, {{}, names_, "gw-2"}, &retired_);
  EXPECT_EQ(Moved(before, IdsOf(1'000)), 0);
}

TEST_P(HashedKindTest, OneEndpointThatLeavesMovesItsOwnKeysAndFewOthers) {
  Begin(GetParam(), 100);
  const std::vector<std::string> before = IdsOf(20'000);
  Remove(50);
  const double moved = Moved(before, IdsOf(20'000));
  EXPECT_GE(moved, 0.007);
  EXPECT_LE(moved, GetParam() == Kind::kMaglev ? 0.022 : 0.014);
}

TEST_P(HashedKindTest, AWeightThatFallsMovesOnlyKeysOfItsEndpoint) {
  Begin(GetParam(), 20);
  const std::vector<std::string> before = IdsOf(20'000);
  SetWeight(7, 32'768);
  const std::vector<std::string> after = IdsOf(20'000);
  int kept = 0;
  int of_seven = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] != "e7") {
      EXPECT_EQ(before[i], after[i]);
      continue;
    }
    ++of_seven;
    kept += after[i] == "e7";
  }
  EXPECT_NEAR(kept / static_cast<double>(of_seven), 0.5, 0.06);
  // And back again to the same endpoint.
  SetWeight(7, 65'536);
  EXPECT_EQ(Moved(before, IdsOf(20'000)), 0);
}

TEST_P(HashedKindTest, AnEndpointThatFailsLendsItsKeysAndGetsThemBack) {
  Begin(GetParam(), 20);
  const std::vector<std::string> before = IdsOf(5'000);
  v1::SliceFrame frame = Next();
  AddEndpoint(&frame, 3)->set_routable(false);
  Apply(frame);
  const std::vector<std::string> without = IdsOf(5'000);
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] == "e3") {
      EXPECT_NE(without[i], "e3");
    } else {
      EXPECT_EQ(before[i], without[i]);
    }
  }
  SetWeight(3, 65'536);
  EXPECT_EQ(Moved(before, IdsOf(5'000)), 0);
}

TEST_P(HashedKindTest, AHotKeySpillsOverAtItsBound) {
  settings_.picker.bounded_load = 2;
  Begin(GetParam(), 10);
  const uint64_t hot = KeyOf(1);
  std::map<std::string, int> counts;
  for (int i = 0; i < 400; ++i) {
    const PickResult pick = PickOne(hot);
    cells_.worker(0).StartTry(pick.endpoint->cell);
    cells_.worker(0).StartTry(table_->cell);
    ++counts[pick.endpoint->id()];
  }
  int most = 0;
  for (const auto& [id, count] : counts) most = std::max(most, count);
  EXPECT_LE(most, 400 / 10 * 2 + 1);
  EXPECT_GE(counts.size(), 5u);
}

TEST_P(HashedKindTest, AFewInFlightAreNoReasonToLeave) {
  Begin(GetParam(), 10);
  const std::string home = IdFor(KeyOf(1));
  for (int i = 0; i < 15; ++i) {
    cells_.worker(0).StartTry(EndpointOf(home).cell);
    cells_.worker(0).StartTry(table_->cell);
  }
  EXPECT_EQ(IdFor(KeyOf(1)), home);
}

TEST_P(HashedKindTest, KeysKeepTheirPriority) {
  settings_.picker.kind = GetParam();
  v1::SliceFrame frame = MakeSlice("web", 1, 20);
  for (int i = 10; i < 20; ++i) frame.mutable_entries(i)->mutable_info()->set_priority(1);
  frame.mutable_head()->set_revision(1);
  frame.mutable_head()->add_priority_share(49'152);
  frame.mutable_head()->add_priority_share(16'384);
  Apply(frame);
  revision_ = 1;
  const std::vector<std::string> before = IdsOf(4'000);
  EXPECT_EQ(Moved(before, IdsOf(4'000)), 0);
  const auto spilled = std::count_if(before.begin(), before.end(), [](const std::string& id) {
    return std::stoi(id.substr(1)) > 10;
  });
  EXPECT_NEAR(static_cast<double>(spilled), 1'000, 3 * std::sqrt(1'000));
}

TEST_F(PickerKindsTest, LeastRequestTakesTheBestOfItsChoices) {
  settings_.picker.choices = 16;
  Begin(Kind::kLeastRequest, 16);
  for (uint32_t i = 1; i <= 16; ++i) {
    for (uint32_t k = 0; k < i; ++k) {
      cells_.worker(0).StartTry(EndpointOf(absl::StrCat("e", i)).cell);
    }
  }
  std::map<std::string, int> counts;
  for (int i = 0; i < 1'000; ++i) ++counts[PickOne(std::nullopt).endpoint->id()];
  // Two choices would find it in an eighth of the picks.
  EXPECT_GE(counts["e1"], 500);
}

TEST_F(PickerKindsTest, AClientStaysWithTheEndpointOfItsCookie) {
  settings_.picker.affinity.name = "pm";
  Begin(Kind::kP2c, 10);
  affinity_ = AffinityOf("web", "e4");
  for (int i = 0; i < 200; ++i) EXPECT_EQ(PickOne(std::nullopt).endpoint->id(), "e4");
  // Draining, tried and unknown ones are picked around.
  const std::vector<CellRef> tried = {EndpointOf("e4").cell};
  EXPECT_NE(PickOne(std::nullopt, tried).endpoint->id(), "e4");
  v1::SliceFrame frame = Next();
  AddEndpoint(&frame, 4)->set_routable(false);
  Apply(frame);
  for (int i = 0; i < 200; ++i) EXPECT_NE(PickOne(std::nullopt).endpoint->id(), "e4");
  affinity_ = 1;
  EXPECT_EQ(PickOne(std::nullopt).status, PickResult::Status::kPicked);
}

// An overload that has every endpoint avoided must not scatter keys and clients.
TEST_P(HashedKindTest, KeysStayWhereTheyAreWhenAllIsAvoided) {
  Begin(GetParam(), 10);
  const std::vector<std::string> before = IdsOf(500);
  for (uint32_t i = 1; i <= 10; ++i) {
    avoidance_.OnOutcome(EndpointOf(absl::StrCat("e", i)).cell, TryOutcome::kConnectFailure, now_);
  }
  EXPECT_EQ(Moved(before, IdsOf(500)), 0);
}

TEST_P(HashedKindTest, ASubsetHasATableOfItsOwn) {
  settings_.picker.subset_size = 3;
  Begin(GetParam(), 400);
  const std::vector<std::string> before = IdsOf(2'000);
  EXPECT_EQ(Moved(before, IdsOf(2'000)), 0);
  EXPECT_EQ(std::set<std::string>(before.begin(), before.end()).size(), 3u);
}

// So much more than all others that most hashes find nobody in their own sequence.
TEST_P(HashedKindTest, KeysStayAlsoWhenFewEndpointsHaveAWeight) {
  Begin(GetParam(), 400);
  v1::SliceFrame frame = Next();
  for (uint32_t i = 3; i <= 400; ++i) AddEndpoint(&frame, i)->set_routable(false);
  Apply(frame);
  const std::vector<std::string> before = IdsOf(2'000);
  EXPECT_EQ(Moved(before, IdsOf(2'000)), 0);
}

TEST_F(PickerKindsTest, AClientStaysWhenAllIsAvoided) {
  settings_.picker.affinity.name = "pm";
  Begin(Kind::kP2c, 4);
  affinity_ = AffinityOf("web", "e2");
  for (uint32_t i = 1; i <= 4; ++i) {
    avoidance_.OnOutcome(EndpointOf(absl::StrCat("e", i)).cell, TryOutcome::kConnectFailure, now_);
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(PickOne(std::nullopt).endpoint->id(), "e2");
}

// The table of one priority has no places for the endpoints of another.
TEST_F(PickerKindsTest, TurnsOfOnePriorityAreNotDilutedByAnother) {
  settings_.picker.kind = Kind::kRoundRobin;
  v1::SliceFrame frame = MakeSlice("web", 1, 500);
  for (int i = 2; i < 500; ++i) frame.mutable_entries(i)->mutable_info()->set_priority(1);
  Apply(frame);
  EXPECT_EQ(table_->groups.at(0).table.size(), 2u);
}

TEST_F(PickerKindsTest, ASubsetIsUsedAloneAndStaysAsItIs) {
  settings_.picker.subset_size = 5;
  Begin(Kind::kRandom, 40);
  const auto used = [this] {
    std::map<std::string, double> shares = Shares();
    return shares;
  };
  const auto before = used();
  EXPECT_EQ(before.size(), 5u);
  // One that is in it leaves: one other takes its place.
  Remove(static_cast<uint32_t>(std::stoi(before.begin()->first.substr(1))));
  const auto after = used();
  EXPECT_EQ(after.size(), 5u);
  size_t same = 0;
  for (const auto& [id, share] : after) same += before.contains(id);
  EXPECT_EQ(same, 4u);
}

TEST_F(PickerKindsTest, SubsetsOfManyGatewaysCoverAllEndpoints) {
  settings_.picker.subset_size = 5;
  Begin(Kind::kRandom, 40);
  std::map<std::string, int> gateways_of;
  for (int i = 0; i < 200; ++i) {
    ServiceBuilder builder("web", cells_);
    SliceChange whole;
    whole.whole = true;
    const std::string gateway = absl::StrCat("gw-", i);
    table_ = builder.Build(&slice_, whole, settings_, {{}, names_, gateway}, &retired_);
    for (const auto& [id, share] : Shares()) ++gateways_of[id];
    builder.Release(&retired_);
    for (const CellRef cell : retired_) cells_.Retire(cell);
    retired_.clear();
    cells_.Recycle();
  }
  EXPECT_EQ(gateways_of.size(), 40u);
  // Binomial of 200 and 1/8: 25, sigma 4.7.
  for (const auto& [id, count] : gateways_of) EXPECT_NEAR(count, 25, 18) << id;
}

}  // namespace
}  // namespace pointsman::gateway
