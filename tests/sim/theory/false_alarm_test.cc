// How often suspicion alone (controller/core/suspicion.h) would eject an endpoint that fails as all
// others do: alarms at low thresholds are counted over simulated months, and their logarithm, which
// falls in a line, is carried on to the threshold in use. What stands between an alarm and an
// ejection besides (two gateways, five failures, others to compare with) is left out.

#include <cmath>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include "controller/core/suspicion.h"
#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

using controller::Suspicion;
using controller::SuspicionOdds;

constexpr double kDay = 86'400;
constexpr double kPerDayMost = 1e-5;  // 0.01 for each 1,000 endpoints and day.

// Alarms a day at each of the thresholds, for an endpoint with so many tries a second.
std::vector<double> AlarmsPerDay(double share, int rps, const std::vector<double>& thresholds,
                                 int seconds) {
  std::mt19937_64 random(1);
  std::binomial_distribution<int> failures(rps, share);
  const SuspicionOdds odds = controller::OddsOf(share);
  std::vector<Suspicion> suspicion(thresholds.size());
  std::vector<double> alarms(thresholds.size(), 0);
  for (int second = 1; second <= seconds; ++second) {
    const auto now = common::MonotonicTime::FromMicros(int64_t{second} * 1'000'000);
    const auto failed = static_cast<uint32_t>(failures(random));
    for (size_t i = 0; i < thresholds.size(); ++i) {
      suspicion[i].Add(static_cast<uint32_t>(rps), failed, odds, now);
      if (suspicion[i].Nats(now) < thresholds[i]) continue;
      ++alarms[i];
      suspicion[i].Clear();
    }
  }
  for (double& count : alarms) count *= kDay / seconds;
  return alarms;
}

// A line through (threshold, ln alarms) by least squares, carried on to `at`.
double Extrapolate(const std::vector<double>& thresholds, const std::vector<double>& alarms,
                   double at) {
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (size_t i = 0; i < thresholds.size(); ++i) {
    if (alarms[i] <= 0) continue;
    const double x = thresholds[i];
    const double y = std::log(alarms[i]);
    n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  const double slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
  return std::exp((sy - slope * sx) / n + slope * at);
}

class FalseAlarmTest : public ::testing::TestWithParam<std::pair<double, int>> {};

TEST_P(FalseAlarmTest, AreFewerThanOneInAHundredThousandDays) {
  const auto [share, rps] = GetParam();
  const std::vector<double> thresholds = {3, 4, 5, 6, 7};
  const std::vector<double> alarms = AlarmsPerDay(share, rps, thresholds, 5'000'000);
  ASSERT_GT(alarms[2], 0) << "too little to carry on from";
  const double rate = Extrapolate(thresholds, alarms, controller::kSuspicionAlarm);
  std::printf("figure: %.2f errors, %d a second: %.2g alarms a day at %.1f, %.2g at %.1f\n", share,
              rps, alarms.back(), thresholds.back(), rate, controller::kSuspicionAlarm);
  EXPECT_LT(rate, kPerDayMost);
}

INSTANTIATE_TEST_SUITE_P(Noise, FalseAlarmTest,
                         ::testing::Values(std::pair(0.01, 20), std::pair(0.01, 5),
                                           std::pair(0.05, 20), std::pair(0.05, 5)));

}  // namespace
}  // namespace pointsman::sim
