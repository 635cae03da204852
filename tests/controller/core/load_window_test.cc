#include "controller/core/load_window.h"

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

TEST(LoadWindowTest, LostReportsLoseNoRequests) {
  LoadWindow window;
  LoadSample sample;
  sample.requests = 100;
  window.AddReport(sample, 1, absl::Seconds(1), true);
  sample.requests = 150;
  window.AddReport(sample, 1, absl::Seconds(1), true);
  sample.requests = 300;
  window.AddReport(sample, 1, absl::Seconds(1), true);
  EXPECT_EQ(window.Average(absl::Seconds(3)).requests, 200);
  sample.requests = 5;
  EXPECT_TRUE(window.AddReport(sample, 1, absl::Seconds(1), true)) << "went back";
  EXPECT_EQ(window.Average(absl::Seconds(3)).requests, 200);
  sample.requests = 7;
  EXPECT_FALSE(window.AddReport(sample, 2, absl::Seconds(1), true)) << "a new boot";
}

LoadSample Sample(uint64_t requests, float in_flight) {
  LoadSample sample;
  sample.requests = requests;
  sample.in_flight = in_flight;
  return sample;
}

TEST(LoadWindowTest, ChecksDoNotMakeAnEndpointWithoutTrafficLookQuick) {
  LoadWindow window;
  window.AddReport(Sample(100, 0.001f), 1, absl::Seconds(1), true);
  window.AddReport(Sample(104, 0.001f), 1, absl::Seconds(1), true);
  EXPECT_EQ(window.Average(absl::Seconds(2)).requests, 0);
  window.AddObservation({.requests = 1}, 0.02, absl::Seconds(2));
  const LoadWindow::Result load = window.Average(absl::Seconds(2));
  EXPECT_EQ(load.requests, 1);
  EXPECT_NEAR(load.in_flight, 0.02, 1e-9);
}

TEST(LoadWindowTest, TheApplicationCountsWhereItHasOtherClients) {
  LoadWindow window;
  window.AddReport(Sample(100, 4), 1, absl::Seconds(1), true);
  window.AddReport(Sample(300, 4), 1, absl::Seconds(1), true);
  window.AddObservation({.requests = 20}, 0.4, absl::Seconds(2));
  EXPECT_EQ(window.Average(absl::Seconds(2)).requests, 200);
  EXPECT_EQ(window.Average(absl::Seconds(2)).in_flight, 4);
}

}  // namespace
}  // namespace pointsman::controller
