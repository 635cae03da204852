#include "gateway/core/service_build.h"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/gateway/core/bundle_fixture.h"

namespace pointsman::gateway {
namespace {

class ServiceBuildTest : public ::testing::Test {
 protected:
  std::shared_ptr<const ServiceTable> Apply(const v1::SliceFrame& frame) {
    SliceChange change;
    const auto refusal = slice_.Apply(frame, &change);
    EXPECT_FALSE(refusal.has_value()) << refusal->detail;
    retired_.clear();
    return builder_.Build(&slice_, change, ServiceSettings(), {place_, names_}, &retired_);
  }
  // Share of each endpoint in the group, by id.
  static std::map<std::string, double> Shares(const ServiceTable& table, size_t group = 0) {
    std::map<std::string, double> shares;
    const common::AliasTable& alias = table.groups.at(group).table;
    for (size_t i = 0; i < alias.size(); ++i) {
      if (alias.weight(i) == 0) continue;
      shares[table.endpoints[i].id()] = double(alias.weight(i)) / double(alias.total());
    }
    return shares;
  }

  EndpointCells cells_{1};
  Place place_;
  ResolvedNames names_;
  SliceState slice_;
  ServiceBuilder builder_{"web", cells_};
  std::vector<CellRef> retired_;
};

TEST_F(ServiceBuildTest, NoSliceIsUnavailable) {
  const auto table =
      builder_.Build(nullptr, SliceChange(), ServiceSettings(), {place_, names_}, &retired_);
  EXPECT_EQ(table->unavailable, "no-slice");
  EXPECT_TRUE(table->groups.empty());
  EXPECT_TRUE(table->cell.valid());
}

TEST_F(ServiceBuildTest, EndpointsKeepPositionAndCellWhenWeightsChange) {
  const auto before = Apply(MakeSlice("web", 1, 3));
  v1::SliceFrame delta = MakeFrame("web", 1, 2);
  AddEndpoint(&delta, 2, 131'072);
  const auto after = Apply(delta);
  EXPECT_TRUE(retired_.empty());
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(after->endpoints[i].cell, before->endpoints[i].cell);
  EXPECT_EQ(Shares(*after), (std::map<std::string, double>{{"e1", .25}, {"e2", .5}, {"e3", .25}}));
  EXPECT_EQ(after->cell, before->cell);
}

TEST_F(ServiceBuildTest, RemovedEndpointFreesItsPlaceForANewOne) {
  const auto before = Apply(MakeSlice("web", 1, 3));
  v1::SliceFrame delta = MakeFrame("web", 1, 2);
  delta.add_removed()->set_handle(2);
  const auto without = Apply(delta);
  EXPECT_EQ(retired_, (std::vector<CellRef>{before->endpoints[1].cell}));
  EXPECT_EQ(without->endpoints[1].handle, 0u);
  EXPECT_EQ(Shares(*without).size(), 2u);
  v1::SliceFrame add = MakeFrame("web", 2, 3);
  AddEndpoint(&add, 4);
  const auto after = Apply(add);
  EXPECT_EQ(after->endpoints.size(), 3u);
  EXPECT_EQ(after->endpoints[1].id(), "e4");
}

TEST_F(ServiceBuildTest, AnotherLineageKeepsCellsOfTheSameEndpoints) {
  const auto before = Apply(MakeSlice("web", 5, 2));
  v1::SliceFrame next = MakeFrame("web", 0, 1);
  next.set_epoch(2);
  AddEndpoint(&next, 7)->mutable_info()->set_id("e2");
  next.mutable_entries(0)->mutable_info()->set_address("10.0.0.1:1002");
  AddEndpoint(&next, 8);
  const auto after = Apply(next);
  std::map<std::string, CellRef> cells;
  for (size_t i = 0; i < after->endpoints.size(); ++i) {
    cells[after->endpoints[i].id()] = after->endpoints[i].cell;
  }
  EXPECT_EQ(cells.at("e2"), before->endpoints[1].cell);
  EXPECT_EQ(retired_, (std::vector<CellRef>{before->endpoints[0].cell}));
}

TEST_F(ServiceBuildTest, AnotherAddressIsAnotherCell) {
  const auto before = Apply(MakeSlice("web", 1, 1));
  v1::SliceFrame delta = MakeFrame("web", 1, 2);
  AddEndpoint(&delta, 1, 65'536, "10.0.0.2:1");
  const auto after = Apply(delta);
  EXPECT_NE(after->endpoints[0].cell, before->endpoints[0].cell);
  EXPECT_EQ(retired_.size(), 1u);
}

TEST_F(ServiceBuildTest, UnroutableEndpointsAreInNoGroup) {
  v1::SliceFrame frame = MakeSlice("web", 1, 2);
  frame.mutable_entries(0)->set_routable(false);
  EXPECT_EQ(Shares(*Apply(frame)), (std::map<std::string, double>{{"e2", 1}}));
  v1::SliceFrame delta = MakeFrame("web", 1, 2);
  AddEndpoint(&delta, 2)->set_routable(false);
  const auto none = Apply(delta);
  EXPECT_EQ(none->unavailable, "none-routable");
  EXPECT_TRUE(none->groups.empty());
}

TEST_F(ServiceBuildTest, PrioritiesGetTheirSharesOrTheFirstGetsAll) {
  v1::SliceFrame frame = MakeSlice("web", 1, 3);
  frame.mutable_entries(2)->mutable_info()->set_priority(2);
  auto table = Apply(frame);
  ASSERT_EQ(table->groups.size(), 2u);
  EXPECT_EQ(table->groups[0].share, 65'536u);
  EXPECT_EQ(table->groups[1].share, 0u);
  v1::SliceFrame head = MakeFrame("web", 1, 2);
  for (const uint32_t share : {16'384u, 0u, 49'152u})
    head.mutable_head()->add_priority_share(share);
  table = Apply(head);
  EXPECT_EQ(table->groups[0].share, 16'384u);
  EXPECT_EQ(table->groups[1].share, 49'152u);
  v1::SliceFrame moved = MakeFrame("web", 2, 3);
  AddEndpoint(&moved, 3)->mutable_info()->set_priority(0);
  table = Apply(moved);
  ASSERT_EQ(table->groups.size(), 1u);
  EXPECT_EQ(Shares(*table).size(), 3u);
}

TEST_F(ServiceBuildTest, SplitOfTheGatewaysPlaceIsFoldedIntoWeights) {
  place_ = {"r", "a"};
  v1::SliceFrame frame = MakeSlice("web", 1, 4);
  const char* zones[] = {"a", "a", "a", "b"};
  for (int i = 0; i < 4; ++i) {
    frame.mutable_entries(i)->mutable_info()->mutable_locality()->set_region("r");
    frame.mutable_entries(i)->mutable_info()->mutable_locality()->set_zone(zones[i]);
  }
  v1::LocalitySplit* row = frame.mutable_head()->add_splits();
  row->mutable_from()->set_region("r");
  row->mutable_from()->set_zone("a");
  const auto add = [&](const char* zone, uint32_t share) {
    v1::LocalityShare* to = row->add_to();
    to->mutable_locality()->set_region("r");
    to->mutable_locality()->set_zone(zone);
    to->set_share(share);
  };
  add("a", 49'152);
  add("b", 16'384);
  auto shares = Shares(*Apply(frame));
  EXPECT_NEAR(shares["e1"], 0.25, 1e-6);
  EXPECT_NEAR(shares["e4"], 0.25, 1e-6);
  v1::SliceFrame delta = MakeFrame("web", 1, 2);
  AddEndpoint(&delta, 1, 131'072)->mutable_info()->mutable_locality()->set_region("r");
  delta.mutable_entries(0)->mutable_info()->mutable_locality()->set_zone("a");
  shares = Shares(*Apply(delta));
  EXPECT_NEAR(shares["e1"], 0.375, 1e-6) << "half of its zone's three quarters";
  v1::SliceFrame plain = MakeFrame("web", 2, 3);
  plain.mutable_head();
  shares = Shares(*Apply(plain));
  EXPECT_NEAR(shares["e1"], 0.4, 1e-6) << "without splits its plain weight counts again";
}

TEST_F(ServiceBuildTest, EndpointsOfOneZoneHaveOneLocality) {
  v1::SliceFrame frame = MakeSlice("web", 1, 6);
  const char* places[][2] = {{"r", "a"}, {"r", "a"}, {"r", "b"}, {"s", "a"}, {"", "ra"}, {"", ""}};
  for (int i = 0; i < 6; ++i) {
    v1::Locality* locality = frame.mutable_entries(i)->mutable_info()->mutable_locality();
    locality->set_region(places[i][0]);
    locality->set_zone(places[i][1]);
  }
  const auto table = Apply(frame);
  const auto locality = [&table](size_t i) { return table->endpoints[i].locality; };
  EXPECT_EQ(locality(0), locality(1));
  EXPECT_EQ((std::set<uint32_t>{locality(0), locality(2), locality(3), locality(4), 0}).size(), 5u);
  EXPECT_EQ(locality(5), 0u) << "not known";
}

TEST_F(ServiceBuildTest, SplitForAnotherPlaceChangesNothing) {
  place_ = {"r", "elsewhere"};
  v1::SliceFrame frame = MakeSlice("web", 1, 2);
  frame.mutable_head()->add_splits()->add_to()->set_share(65'536);
  EXPECT_EQ(Shares(*Apply(frame)), (std::map<std::string, double>{{"e1", .5}, {"e2", .5}}));
}

// Whatever the chain of changes, the table equals one built at once from the same slice.
TEST_F(ServiceBuildTest, AnyChainOfDeltasEqualsARebuild) {
  std::mt19937_64 random(11);
  Apply(MakeSlice("web", 1, 300));
  uint32_t next_handle = 301;
  for (uint64_t revision = 2; revision < 150; ++revision) {
    v1::SliceFrame delta = MakeFrame("web", revision - 1, revision);
    std::set<uint32_t> touched;
    for (int i = 0; i < 3; ++i) {
      auto it = slice_.entries().begin();
      std::advance(it, random() % slice_.entries().size());
      touched.insert(it->first);
    }
    for (const uint32_t handle : touched) {
      if (random() % 4 == 0) {
        delta.add_removed()->set_handle(handle);
      } else {
        v1::EndpointEntry* entry = AddEndpoint(&delta, handle, random() % 100'000);
        entry->mutable_info()->set_priority(random() % 3);
        entry->set_routable(random() % 5 != 0);
      }
    }
    if (random() % 2 == 0) AddEndpoint(&delta, next_handle++);
    const auto table = Apply(delta);
    ServiceBuilder fresh("web", cells_);
    std::vector<CellRef> retired;
    SliceChange whole;
    whole.whole = true;
    const auto expected =
        fresh.Build(&slice_, whole, ServiceSettings(), {place_, names_}, &retired);
    ASSERT_EQ(table->groups.size(), expected->groups.size());
    for (size_t g = 0; g < table->groups.size(); ++g) {
      ASSERT_EQ(table->groups[g].share, expected->groups[g].share);
      ASSERT_EQ(Shares(*table, g), Shares(*expected, g));
    }
    fresh.Release(&retired);
    for (const CellRef cell : retired) cells_.Retire(cell);
    cells_.Recycle();
  }
}

TEST_F(ServiceBuildTest, ReleaseGivesBackEveryCell) {
  Apply(MakeSlice("web", 1, 3));
  std::vector<CellRef> cells;
  builder_.Release(&cells);
  EXPECT_EQ(cells.size(), cells_.in_use());
}

}  // namespace
}  // namespace pointsman::gateway
