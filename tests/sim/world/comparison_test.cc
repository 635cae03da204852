#include "sim/world/comparison.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

using testing::HasSubstr;

TEST(ComparisonTest, IntervalsAreStudents) {
  const Estimate two = MeanOf({1, 3});
  EXPECT_DOUBLE_EQ(two.value, 2);
  EXPECT_NEAR(two.high - 2, 12.7062, 1e-3);
  // t of 9 degrees of freedom is 2.262.
  const Estimate ten = MeanOf({1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  EXPECT_NEAR(ten.high - 5.5, 2.262 * std::sqrt(82.5 / 9 / 10), 0.005);
  EXPECT_NEAR(ten.low + ten.high, 11, 1e-9);
}

TEST(ComparisonTest, RatiosArePairedAndGeometric) {
  const Estimate ratio = RatioOf({1, 10, 100}, {2, 20, 200});
  EXPECT_NEAR(ratio.value, 2, 1e-12);
  EXPECT_NEAR(ratio.low, 2, 1e-9) << "each pair agrees";
  EXPECT_NEAR(RatioOf({1, 1}, {4, 0.25}).value, 1, 1e-12);
}

TEST(ComparisonTest, ComparesWhatThereIs) {
  for (const std::string& name : ComparedScenarios()) EXPECT_NE(FindScenario(name), nullptr);
  EXPECT_EQ(ComparedPolicies()[0], kOurs);
  EXPECT_EQ(ComparedPolicies().size(), 11u);
}

TEST(ComparisonTest, AllPoliciesMeetTheSameClients) {
  Scenario scenario = *FindScenario("uniform-50");
  scenario.options.endpoints.resize(6);
  scenario.options.requests_per_second = 120;
  scenario.options.warmup = absl::Seconds(15);
  scenario.options.duration = absl::Seconds(10);
  int runs = 0;
  const ComparedScenario compared = Compare(scenario, 2, [&](absl::string_view) { ++runs; });
  EXPECT_EQ(runs, 22);
  ASSERT_EQ(compared.rows.size(), 11u);
  EXPECT_DOUBLE_EQ(compared.rows[0].ours_p99.value, 1);
  for (const ComparedRow& row : compared.rows) {
    EXPECT_EQ(row.error_share.value, 0) << row.policy;
    EXPECT_GT(row.p99_ms.value, row.p50_ms.value) << row.policy;
    EXPECT_LT(row.p50_ms.value, 500) << row.policy;
  }
  const std::string text = ComparisonMarkdown(compared);
  EXPECT_THAT(text, HasSubstr("## uniform-50"));
  EXPECT_THAT(text, HasSubstr("| prequal |"));
}

}  // namespace
}  // namespace pointsman::sim
