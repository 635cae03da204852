#include "gateway/gateway_metrics.h"

#include <string>

#include "absl/strings/str_split.h"
#include "common/clock.h"
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

}  // namespace
}  // namespace pointsman::gateway
