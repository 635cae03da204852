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

}  // namespace
}  // namespace pointsman::controller
