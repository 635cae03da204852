#include "sim/queueing.h"

#include <memory>

#include "gtest/gtest.h"
#include "sim/policies/prequal.h"
#include "sim/policies/unweighted.h"
#include "sim/policies/wrr.h"
#include "tests/sim/seed.h"

namespace pointsman::sim {
namespace {

QueueingOptions Small(uint64_t seed) {
  QueueingOptions options;
  options.speeds.assign(20, 1.0);
  options.load = 0.8;
  options.duration = 2000;
  options.seed = SeedOr(seed);
  return options;
}

template <typename P>
std::unique_ptr<Policy> Make(size_t endpoints, absl::BitGenRef) {
  if constexpr (std::is_constructible_v<P, size_t>) return std::make_unique<P>(endpoints);
  if constexpr (std::is_default_constructible_v<P>) return std::make_unique<P>();
}

std::unique_ptr<Policy> P2c(size_t, absl::BitGenRef) {
  return std::make_unique<PowerOfChoicesPolicy>(2);
}

TEST(QueueingTest, ASeedRepeatsTheRun) {
  QueueingOptions options = Small(1);
  const QueueingResult first = RunQueueing(options, P2c);
  const QueueingResult again = RunQueueing(options, P2c);
  EXPECT_EQ(first.mean, again.mean);
  EXPECT_EQ(first.events, again.events);
  ++options.seed;
  EXPECT_NE(RunQueueing(options, P2c).mean, first.mean);
}

// Little's law, and the work that came was done: both exact but for what is under way at the ends.
TEST(QueueingTest, TheBooksAgree) {
  const QueueingResult result = RunQueueing(Small(2), P2c);
  const double rate = static_cast<double>(result.finished) / 2000 / 20;
  EXPECT_NEAR(rate, 0.8, 0.02);
  EXPECT_NEAR(result.in_flight_mean, rate * result.mean, 0.01);
  EXPECT_NEAR(result.utilisation_mean, 0.8, 0.02);
  EXPECT_GE(result.utilisation_max, result.utilisation_mean);
  EXPECT_LT(result.p50, result.p90);
  EXPECT_LT(result.p99, result.p999);
}

TEST(QueueingTest, OneDispatchersOwnCountIsTheTruth) {
  QueueingOptions options = Small(3);
  const double truth = RunQueueing(options, P2c).mean;
  options.view = InFlightView::kOwn;
  EXPECT_EQ(RunQueueing(options, P2c).mean, truth);
  options.dispatchers = 10;
  EXPECT_GT(RunQueueing(options, P2c).mean, 1.15 * truth) << "ten see a tenth each";
}

TEST(QueueingTest, FreshBoardsAreNearlyTheTruth) {
  QueueingOptions options = Small(4);
  const double truth = RunQueueing(options, P2c).mean;
  options.view = InFlightView::kBoard;
  options.board_period = 0.01;
  EXPECT_NEAR(RunQueueing(options, P2c).mean, truth, 0.03 * truth);
}

// What probes tell is used: with ten dispatchers, by RIF only, it is worth more than two choices by
// own counts.
TEST(QueueingTest, ProbesReachThePolicies) {
  QueueingOptions options = Small(5);
  options.speeds.assign(50, 1.0);
  options.dispatchers = 10;
  options.view = InFlightView::kOwn;
  const double own_counts = RunQueueing(options, P2c).mean;
  const QueueingResult prequal = RunQueueing(options, [](size_t endpoints, absl::BitGenRef) {
    return std::make_unique<PrequalPolicy>(endpoints, PrequalOptions{.q_rif = 0});
  });
  EXPECT_LT(prequal.mean, 0.8 * own_counts);
}

// Servers of speeds 1 : 4 come to the same utilisation by their reports.
TEST(QueueingTest, ReportsReachThePolicies) {
  QueueingOptions options = Small(6);
  for (size_t i = 0; i < 10; ++i) options.speeds[i] = 4;
  options.load = 0.7;
  options.report_period = 10;
  options.warmup = 300;
  options.duration = 3000;
  const QueueingResult result = RunQueueing(options, Make<WrrPolicy>);
  EXPECT_NEAR(result.utilisation_mean, 0.7, 0.02);
  EXPECT_LT(result.utilisation_max / result.utilisation_mean, 1.08);
  options.report_period = 0;
  EXPECT_GT(RunQueueing(options, Make<WrrPolicy>).utilisation_max, 0.99) << "round robin";
}

}  // namespace
}  // namespace pointsman::sim
