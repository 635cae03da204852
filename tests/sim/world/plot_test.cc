#include "sim/world/plot.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sim/world/world.h"

namespace pointsman::sim {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

WorldResult TwoSeconds() {
  WorldResult result;
  result.series = {{0, 10, 0, 20, 80, 1}, {1, 12, 3, 25.5, 400, 0.25}};
  return result;
}

TEST(PlotTest, CsvHasALineForEachSecond) {
  EXPECT_EQ(SeriesCsv(TwoSeconds()),
            "second,requests,errors,p50_ms,p99_ms,fault_share\n"
            "0,10,0,20.000,80.000,1.0000\n"
            "1,12,3,25.500,400.000,0.2500\n");
}

TEST(PlotTest, SvgShowsWhatWasMeasuredAndWhenItFailed) {
  Scenario scenario = *FindScenario("crash");
  const std::string svg = SeriesSvg(scenario, TwoSeconds());
  EXPECT_THAT(svg, AllOf(StartsWith("<svg xmlns"), HasSubstr("crash, seed 1"), HasSubstr("#f6d5d5"),
                         HasSubstr("errors a second")));
  scenario.options.faults.clear();
  scenario.summary = "a <b> & c";
  const std::string calm = SeriesSvg(scenario, TwoSeconds());
  EXPECT_THAT(calm, AllOf(Not(HasSubstr("#f6d5d5")), Not(HasSubstr("<b>"))));
  EXPECT_EQ(std::count(calm.begin(), calm.end(), '\n'),
            static_cast<long>(std::count(svg.begin(), svg.end(), '\n')) - 6)
      << "the third panel and the shade are gone";
}

TEST(PlotTest, ARunTellsOfEachOfItsSeconds) {
  Scenario scenario = *FindScenario("crash");
  const WorldResult result = RunWorld(scenario.options);
  ASSERT_GE(result.series.size(), 39u);
  uint64_t requests = 0;
  for (const SeriesPoint& point : result.series) requests += point.requests;
  EXPECT_NEAR(static_cast<double>(requests), 12'000, 600);
  EXPECT_NEAR(result.series[5].fault_share, 1, 0.5);
  EXPECT_EQ(result.series[15].fault_share, 0);
  EXPECT_GT(result.series[39 - 1].fault_share, 0) << "it came back";
}

}  // namespace
}  // namespace pointsman::sim
