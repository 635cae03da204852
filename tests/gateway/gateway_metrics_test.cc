#include "gateway/gateway_metrics.h"

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/clock.h"
#include "common/core/check.h"
#include "common/core/config_load.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

// An engine of two workers and a control side, which a test may start.
class GatewayMetricsTest : public ::testing::Test {
 protected:
  GatewayMetricsTest() {
    control_.gateway_id = "gw";
    control_.boot_id = 1;
    EngineOptions options;
    options.listeners = {{*common::ParseAddress("127.0.0.1:0"), std::nullopt}};
    options.cells = &cells_;
    options.clock = &common::SystemClock();
    auto engine = Engine::Start(options);
    PM_CHECK(engine.ok());
    engine_ = std::move(*engine);
  }
  std::string Scrape(const ControlLoop& loop) {
    common::Registry registry;
    RegisterMetrics(*engine_, loop, &registry);
    return registry.Scrape();
  }

  EndpointCells cells_{2};
  std::unique_ptr<Engine> engine_;
  ControlOptions control_;
};

TEST_F(GatewayMetricsTest, NamesAreOursAndCountersEndInTotal) {
  const ControlLoop loop(common::SystemClock(), cells_, control_);
  const std::string text = Scrape(loop);
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

TEST_F(GatewayMetricsTest, EndpointsThatAreAvoidedAreCountedByService) {
  control_.publish = [](const std::shared_ptr<const RoutingTable>& /*table*/,
                        const std::function<void()>& adopted) { adopted(); };
  control_.static_config = *common::LoadConfig(
      "services:\n"
      "- {name: api, endpoints: [{id: a1, address: \"127.0.0.1:1\"}]}\n"
      "- {name: web, endpoints: [{id: w1, address: \"127.0.0.1:2\"},"
      " {id: w2, address: \"127.0.0.1:3\"}]}\n",
      "test");
  ControlLoop loop(common::SystemClock(), cells_, control_);
  ASSERT_TRUE(loop.Load().ok());
  loop.Start();
  const auto table = loop.CurrentTable();
  const CellRef second = table->Find("web")->endpoints[1].cell;
  cells_.worker(0).ShowAvoided(second, AvoidedFor::kSlow);
  cells_.worker(1).ShowAvoided(second, AvoidedFor::kNoAnswer);
  const std::string text = Scrape(loop);
  for (const absl::string_view line : {"{service=\"api\"} 0\n", "{service=\"web\"} 1\n"}) {
    EXPECT_TRUE(
        absl::StrContains(text, absl::StrCat("pointsman_gateway_service_endpoints_avoided", line)))
        << text;
  }
  loop.Stop();
}

}  // namespace
}  // namespace pointsman::gateway
