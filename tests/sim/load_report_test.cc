#include "sim/load_report.h"

#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

TEST(LoadReportTest, IsOfWhatHappenedBetweenTwoReadings) {
  ServerCounters from;
  from.completions = 100;
  from.errors = 7;
  from.busy_micros = 1e6;
  ServerCounters to = from;
  to.completions += 30;
  to.errors += 10;
  to.busy_micros += 4e6;
  const LoadReport report = ReportOf(from, to, absl::Seconds(2), 4);
  EXPECT_DOUBLE_EQ(report.qps, 20) << "errors are answers too";
  EXPECT_DOUBLE_EQ(report.eps, 5);
  EXPECT_DOUBLE_EQ(report.cpu, 0.5);
  EXPECT_EQ(report.application, 0);
  EXPECT_EQ(report.in_flight, 0u) << "no counter tells it";
}

}  // namespace
}  // namespace pointsman::sim
