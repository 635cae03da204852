#include "common/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

namespace pointsman::common {
namespace {

using ::testing::HasSubstr;

TEST(MetricsTest, WritesEachKindAsPrometheusText) {
  Registry registry;
  registry.AddCounter({"pointsman_requests_total", "Requests.", {{"code", "2xx"}}}).Add(3);
  registry.AddCounter({"pointsman_requests_total", "Requests.", {{"code", "5xx"}}}).Add();
  registry.AddGauge({"pointsman_sessions", "Sessions."}).Set(2.5);
  Histogram& histogram =
      registry.AddHistogram({"pointsman_step_seconds", "Steps."}, std::vector<double>{0.1, 1});
  histogram.Observe(0.05);
  histogram.Observe(0.1);
  histogram.Observe(0.5);
  histogram.Observe(7);
  EXPECT_EQ(registry.Scrape(),
            "# HELP pointsman_requests_total Requests.\n"
            "# TYPE pointsman_requests_total counter\n"
            "pointsman_requests_total{code=\"2xx\"} 3\n"
            "pointsman_requests_total{code=\"5xx\"} 1\n"
            "# HELP pointsman_sessions Sessions.\n"
            "# TYPE pointsman_sessions gauge\n"
            "pointsman_sessions 2.5\n"
            "# HELP pointsman_step_seconds Steps.\n"
            "# TYPE pointsman_step_seconds histogram\n"
            "pointsman_step_seconds_bucket{le=\"0.1\"} 2\n"
            "pointsman_step_seconds_bucket{le=\"1\"} 3\n"
            "pointsman_step_seconds_bucket{le=\"+Inf\"} 4\n"
            "pointsman_step_seconds_sum 7.65\n"
            "pointsman_step_seconds_count 4\n");
}

TEST(MetricsTest, GivesTheSameMetricForTheSameNameAndLabels) {
  Registry registry;
  Counter& first = registry.AddCounter({"a_total", "A.", {{"k", "v"}}});
  EXPECT_EQ(&first, &registry.AddCounter({"a_total", "A.", {{"k", "v"}}}));
  EXPECT_NE(&first, &registry.AddCounter({"a_total", "A.", {{"k", "w"}}}));
}

TEST(MetricsTest, SumsCallbacksOfOneSeries) {
  Registry registry;
  double worker = 1;
  registry.AddCounterCallback({"a_total", "A."}, [&] { return worker; });
  registry.AddCounterCallback({"a_total", "A."}, [] { return 10.0; });
  registry.AddCounter({"a_total", "A."}).Add(100);
  EXPECT_THAT(registry.Scrape(), HasSubstr("\na_total 111\n"));
  worker = 5;
  EXPECT_THAT(registry.Scrape(), HasSubstr("\na_total 115\n"));
}

TEST(MetricsTest, EscapesLabelsAndBoundsCollectors) {
  Registry registry;
  registry.AddGaugeCollector({"verdicts", "V."}, [] {
    return std::vector<Registry::Sample>{{{{"service", "a\"b\\c\nd"}}, 1}};
  });
  registry.AddGaugeCollector({"many", "M."}, [] {
    std::vector<Registry::Sample> samples;
    for (int i = 0; i < Registry::kCollectedSeriesMax + 5; ++i) {
      samples.push_back({{{"i", std::to_string(i)}}, 1});
    }
    return samples;
  });
  const std::string text = registry.Scrape();
  EXPECT_THAT(text, HasSubstr("verdicts{service=\"a\\\"b\\\\c\\nd\"} 1\n"));
  size_t count = 0;
  for (size_t at = text.find("many{"); at != std::string::npos; at = text.find("many{", at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, static_cast<size_t>(Registry::kCollectedSeriesMax));
}

TEST(MetricsTest, CollectsHistograms) {
  Registry registry;
  registry.AddHistogramCollector({"pointsman_wait_seconds", "Waits."}, {0.1, 1}, [] {
    return std::vector<Registry::HistogramSample>{{{{"service", "web"}}, {2, 0, 3}, 9.5}};
  });
  EXPECT_EQ(registry.Scrape(),
            "# HELP pointsman_wait_seconds Waits.\n"
            "# TYPE pointsman_wait_seconds histogram\n"
            "pointsman_wait_seconds_bucket{service=\"web\",le=\"0.1\"} 2\n"
            "pointsman_wait_seconds_bucket{service=\"web\",le=\"1\"} 2\n"
            "pointsman_wait_seconds_bucket{service=\"web\",le=\"+Inf\"} 5\n"
            "pointsman_wait_seconds_sum{service=\"web\"} 9.5\n"
            "pointsman_wait_seconds_count{service=\"web\"} 5\n");
}

TEST(MetricsTest, WritesNumbersThatReadBack) {
  Registry registry;
  registry.AddGauge({"a", "A."}).Set(0.1);
  registry.AddGauge({"b", "B."}).Set(std::numeric_limits<double>::infinity());
  registry.AddGauge({"c", "C."}).Set(std::numeric_limits<double>::quiet_NaN());
  registry.AddCounter({"d_total", "D."}).Add(1'234'567'890);
  const std::string text = registry.Scrape();
  EXPECT_THAT(text, HasSubstr("\na 0.1\n"));
  EXPECT_THAT(text, HasSubstr("\nb +Inf\n"));
  EXPECT_THAT(text, HasSubstr("\nc NaN\n"));
  EXPECT_THAT(text, HasSubstr("\nd_total 1234567890\n"));
}

TEST(MetricsTest, DropsNotANumber) {
  Histogram histogram(LatencyBounds());
  histogram.Observe(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(histogram.Sum(), 0);
}

TEST(MetricsTest, LosesNoAdditionAcrossThreads) {
  Registry registry;
  Counter& counter = registry.AddCounter({"a_total", "A."});
  Gauge& gauge = registry.AddGauge({"b", "B."});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        counter.Add();
        gauge.Add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 40'000u);
  EXPECT_EQ(gauge.value(), 40'000);
}

TEST(MetricsDeathTest, RefusesTwoKindsOfOneName) {
  Registry registry;
  registry.AddCounter({"a_total", "A."});
  EXPECT_DEATH(registry.AddGauge({"a_total", "A."}), "check failed");
  EXPECT_DEATH(registry.AddGauge({"no good", "A."}), "check failed");
}

}  // namespace
}  // namespace pointsman::common
