#include "gateway/gateway_metrics.h"

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/clock.h"
#include "common/core/config_load.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(GatewayMetricsTest, NamesAreOursAndCountersEndInTotal) {
  EndpointCells cells(1);
  EngineOptions options;
  options.listeners = {{*common::ParseAddress("127.0.0.1:0"), std::nullopt}};
  options.cells = &cells;
  options.clock = &common::SystemClock();
  auto engine = Engine::Start(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  ControlOptions control;
  control.gateway_id = "gw";
  control.boot_id = 1;
  ControlLoop loop(common::SystemClock(), cells, control);
  common::Registry registry;
  RegisterMetrics(**engine, loop, &registry);
  const std::string text = registry.Scrape();
  int series = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words[0] == "#") {
      if (words[1] == "TYPE" && words[3] == "counter") {
        EXPECT_TRUE(absl::EndsWith(words[2], "_total")) << line;
      }
      continue;
    }
    EXPECT_TRUE(absl::StartsWith(line, "pointsman_gateway_")) << line;
    ++series;
  }
  EXPECT_GT(series, 30);
}

TEST(GatewayMetricsTest, EndpointsThatAreAvoidedAreCountedByService) {
  EndpointCells cells(2);
  EngineOptions options;
  options.listeners = {{*common::ParseAddress("127.0.0.1:0"), std::nullopt}};
  options.cells = &cells;
  options.clock = &common::SystemClock();
  auto engine = Engine::Start(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  ControlOptions control;
  control.gateway_id = "gw";
  control.boot_id = 1;
  control.publish = [](const std::shared_ptr<const RoutingTable>& /*table*/,
                       const std::function<void()>& adopted) { adopted(); };
  control.static_config = *common::LoadConfig(
      "services:\n"
      "- {name: api, endpoints: [{id: a1, address: \"127.0.0.1:1\"}]}\n"
      "- {name: web, endpoints: [{id: w1, address: \"127.0.0.1:2\"},"
      " {id: w2, address: \"127.0.0.1:3\"}]}\n",
      "test");
  ControlLoop loop(common::SystemClock(), cells, control);
  ASSERT_TRUE(loop.Load().ok());
  loop.Start();
  const auto table = loop.CurrentTable();
  const ServiceTable& web = *table->Find("web");
  cells.worker(0).ShowAvoided(web.endpoints[1].cell, AvoidedFor::kSlow);
  cells.worker(1).ShowAvoided(web.endpoints[1].cell, AvoidedFor::kNoAnswer);
  common::Registry registry;
  RegisterMetrics(**engine, loop, &registry);
  const std::string text = registry.Scrape();
  for (const absl::string_view line : {"{service=\"api\"} 0\n", "{service=\"web\"} 1\n"}) {
    EXPECT_TRUE(
        absl::StrContains(text, absl::StrCat("pointsman_gateway_service_endpoints_avoided", line)))
        << text;
  }
  loop.Stop();
}

}  // namespace
}  // namespace pointsman::gateway
