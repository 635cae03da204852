#include "gateway/table_dump.h"

#include <nlohmann/json.hpp>

#include "gateway/core/table_state.h"
#include "gtest/gtest.h"
#include "tests/gateway/core/bundle_fixture.h"

namespace pointsman::gateway {
namespace {

TEST(TableDumpTest, ShowsServicesEndpointsAndCounters) {
  EndpointCells cells(1);
  TableState state(cells, {});
  v1::Bundle bundle;
  *bundle.mutable_config() = MakeConfig(4, {"a", "b"});
  *bundle.add_frames() = MakeSlice("a", 7, 2);
  *bundle.add_frames() = MakeSlice("b", 8, 1500);
  state.Apply(bundle, common::MonotonicTime::FromMicros(1));
  const auto table = state.Build().table;
  cells.worker(0).StartTry(table->services[0]->endpoints[1].cell);
  auto json = nlohmann::json::parse(DumpTable(*table, cells, ""));
  EXPECT_EQ(json["config"]["revision"], 4);
  ASSERT_EQ(json["services"].size(), 2u);
  EXPECT_EQ(json["services"][0]["endpoints"][1]["id"], "e2");
  EXPECT_EQ(json["services"][0]["endpoints"][1]["in_flight"], 1);
  EXPECT_EQ(json["services"][1]["endpoint_count"], 1500);
  EXPECT_EQ(json["services"][1]["endpoints"].size(), 1000u) << "bounded";
  json = nlohmann::json::parse(DumpTable(*table, cells, "b"));
  ASSERT_EQ(json["services"].size(), 1u);
  EXPECT_EQ(json["services"][0]["name"], "b");
}

TEST(TableDumpTest, ShowsBothAddressesOfAName) {
  EndpointCells cells(1);
  TableState state(cells, {});
  v1::Bundle bundle;
  *bundle.mutable_config() = MakeConfig(1, {"a"});
  v1::SliceFrame frame = MakeFrame("a", 0, 1);
  AddEndpoint(&frame, 1, 65'536, "backend.test:80");
  AddEndpoint(&frame, 2);
  *bundle.add_frames() = frame;
  state.Apply(bundle, common::MonotonicTime::FromMicros(1));
  state.SetResolved("backend.test", {*common::ParseAddress("10.0.0.8:0"),
                                     *common::ParseAddress("[2001:db8::8]:0")});
  const auto json = nlohmann::json::parse(DumpTable(*state.Build().table, cells, ""));
  const auto& endpoints = json["services"][0]["endpoints"];
  EXPECT_EQ(endpoints[0]["address"], "[2001:db8::8]:80");
  EXPECT_EQ(endpoints[0]["other_address"], "10.0.0.8:80");
  EXPECT_FALSE(endpoints[1].contains("other_address"));
}

TEST(TableDumpTest, ShowsWhoIsAvoidedAndWhy) {
  EndpointCells cells(2);
  TableState state(cells, {});
  v1::Bundle bundle;
  *bundle.mutable_config() = MakeConfig(1, {"a"});
  v1::SliceFrame frame = MakeFrame("a", 0, 1);
  AddEndpoint(&frame, 1);
  AddEndpoint(&frame, 2);
  *bundle.add_frames() = frame;
  state.Apply(bundle, common::MonotonicTime::FromMicros(1));
  const auto table = state.Build().table;
  cells.worker(1).ShowAvoided(table->services[0]->endpoints[1].cell, AvoidedFor::kSlow);
  const auto json = nlohmann::json::parse(DumpTable(*table, cells, ""));
  const auto& endpoints = json["services"][0]["endpoints"];
  EXPECT_FALSE(endpoints[0].contains("avoided_for"));
  EXPECT_EQ(endpoints[1]["avoided_for"], "slow");
  EXPECT_EQ(endpoints[1]["avoided_by_workers"], 1);
}

}  // namespace
}  // namespace pointsman::gateway
