// Choosing by numbers that are T mean service times old (Mitzenmacher, "How useful is old
// information?", 2000; Dahlin, "Interpreting stale load information", 2000; algorithms reference
// 7). 100 servers, load 0.9, mean time in system; a board shows what was in flight at its last
// refresh:
//
//   T     P2C    least loaded     P2C extrapolated,   least loaded + own sends,
//                                 10 gateways         10 gateways
//   0.1   2.69   1.53             2.66                1.48
//   1     2.99   4.04             3.04                3.55
//   5     3.99   11.8             3.76                8.94
//   10    5.04   23.2             4.39                14.7
//   20    7.05   55               4.82                27.7
//   50    12.5   556, unstable    5.51                65
//
// Tolerance 6 %: seeds differ by up to 4 %; the least loaded by plain board 10 %, being noisier.
// The reference's formula, board + G x own sends, gives its third column but not its fourth: there
// own sends count once. Extrapolated, the least loaded is nearly as good as P2C (last test).

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sim/policies/unweighted.h"
#include "sim/queueing.h"
#include "tests/sim/seed.h"
#include "tests/sim/theory/figure.h"

namespace pointsman::sim {
namespace {

constexpr double kPeriods[] = {0.1, 1, 5, 10, 20, 50};
constexpr double kTolerance = 0.06;

std::unique_ptr<Policy> P2c(size_t, absl::BitGenRef) {
  return std::make_unique<PowerOfChoicesPolicy>(2);
}

std::unique_ptr<Policy> Least(size_t, absl::BitGenRef) {
  return std::make_unique<LeastRequestPolicy>();
}

double Mean(double period, InFlightView view, const PolicyMaker& make) {
  QueueingOptions options;
  options.speeds.assign(100, 1.0);
  options.load = 0.9;
  options.dispatchers = view == InFlightView::kBoard ? 1 : 10;
  options.view = view;
  options.board_period = period;
  options.warmup = 500 + 10 * period;
  options.duration = 4000;
  options.seed = SeedOr(1);
  return RunQueueing(options, make).mean;
}

TEST(StaleInformationTest, P2cGetsSlowlyWorse) {
  const double published[] = {2.69, 2.99, 3.99, 5.04, 7.05, 12.5};
  for (int i = 0; i < 6; ++i) {
    const double mean = Mean(kPeriods[i], InFlightView::kBoard, P2c);
    ExpectFigure(absl::StrCat("stale, P2C on board, T ", kPeriods[i]), published[i], mean,
                 kTolerance);
  }
}

// At T = 20 runs of different seeds gave 56 to 73, so 55 is held to within 40 %. At 50 there is no
// mean: what a herd leaves behind takes longer than any run; 556 was one run's, ours are above 300.
TEST(StaleInformationTest, TheLeastLoadedGetsAHerd) {
  const double published[] = {1.53, 4.04, 11.8, 23.2};
  for (int i = 0; i < 4; ++i) {
    const double mean = Mean(kPeriods[i], InFlightView::kBoard, Least);
    ExpectFigure(absl::StrCat("stale, least loaded on board, T ", kPeriods[i]), published[i], mean,
                 0.1);
  }
  ExpectFigure("stale, least loaded on board, T 20", 55, Mean(20, InFlightView::kBoard, Least),
               0.4);
  EXPECT_GT(Mean(50, InFlightView::kBoard, Least), 200);
}

TEST(StaleInformationTest, ExtrapolatingRepairsP2c) {
  const double published[] = {2.66, 3.04, 3.76, 4.39, 4.82, 5.51};
  for (int i = 0; i < 6; ++i) {
    const double mean = Mean(kPeriods[i], InFlightView::kBoardExtrapolated, P2c);
    ExpectFigure(absl::StrCat("stale, P2C extrapolated, T ", kPeriods[i]), published[i], mean,
                 kTolerance);
  }
}

TEST(StaleInformationTest, OwnSendsAloneDoNotStopTheHerd) {
  const double published[] = {1.48, 3.55, 8.94, 14.7, 27.7, 65};
  for (int i = 0; i < 6; ++i) {
    const double mean = Mean(kPeriods[i], InFlightView::kBoardPlusOwn, Least);
    ExpectFigure(absl::StrCat("stale, least loaded + own sends, T ", kPeriods[i]), published[i],
                 mean, kTolerance);
  }
}

// Not in the reference: extrapolated, the least loaded is between 3.4 at T = 1 and 5.5 at T = 50.
TEST(StaleInformationTest, ExtrapolatingStopsTheHerd) {
  for (const double period : {10.0, 50.0}) {
    const double mean = Mean(period, InFlightView::kBoardExtrapolated, Least);
    EXPECT_LT(mean, 0.4 * Mean(period, InFlightView::kBoardPlusOwn, Least));
    ExpectFigure(absl::StrCat("stale, least loaded extrapolated, T ", period, " (ours)"),
                 period == 10 ? 5.0 : 5.5, mean, 0.08);
  }
}

}  // namespace
}  // namespace pointsman::sim
