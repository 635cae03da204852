// Single stations whose answers are known exactly: M/M/1, M/M/c (Erlang's C formula, 1917), and
// independent M/M/1 queues of different speeds. Speeds and slots are the Server's, so these hold
// the server and the experiment's clockwork to theory, with no policy in between.

#include <cmath>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sim/policies/unweighted.h"
#include "sim/policies/weighted.h"
#include "sim/queueing.h"
#include "tests/sim/seed.h"
#include "tests/sim/theory/figure.h"

namespace pointsman::sim {
namespace {

std::unique_ptr<Policy> Only(size_t, absl::BitGenRef) { return std::make_unique<RandomPolicy>(); }

// Probability that a request waits with c slots and `load` of their capacity: from Erlang's B by
// its recursion over the slots.
double ErlangC(int c, double load) {
  const double offered = load * c;
  double blocked = 1;
  for (int k = 1; k <= c; ++k) blocked = offered * blocked / (k + offered * blocked);
  return blocked / (1 - load * (1 - blocked));
}

// Time in system is exponential with mean 1 / (1 - load): mean within 2 %, quantiles within 3 %.
TEST(ClosedFormsTest, OneServerOneSlot) {
  const uint64_t seed = SeedOr(2);
  for (const double load : {0.3, 0.6, 0.8}) {
    const QueueingResult result =
        RunQueueing({.speeds = {1}, .load = load, .duration = 2e6, .seed = seed}, Only);
    const double mean = 1 / (1 - load);
    ExpectFigure(absl::StrCat("M/M/1, load ", load, ", mean"), mean, result.mean, 0.02);
    EXPECT_NEAR(result.p50 / (mean * std::log(2)), 1, 0.03) << load;
    ExpectFigure(absl::StrCat("M/M/1, load ", load, ", p99"), mean * std::log(100), result.p99,
                 0.03);
    EXPECT_NEAR(result.utilisation_mean / load, 1, 0.01) << load;
  }
}

TEST(ClosedFormsTest, ErlangsTable) {
  // Known values: C(1, a) = a, C(2, 1) = 1/3, C(10, 8) = 0.4092.
  EXPECT_NEAR(ErlangC(1, 0.7), 0.7, 1e-12);
  EXPECT_NEAR(ErlangC(2, 0.5), 1.0 / 3, 1e-12);
  EXPECT_NEAR(ErlangC(10, 0.8), 0.4092, 1e-4);
}

// Mean 1 + C / (c (1 - load)): within 2 %.
TEST(ClosedFormsTest, OneServerManySlots) {
  const uint64_t seed = SeedOr(3);
  for (const int c : {2, 4, 16}) {
    for (const double load : {0.5, 0.8, 0.9}) {
      const QueueingOptions options = {.speeds = {1},
                                       .concurrency = static_cast<uint32_t>(c),
                                       .load = load,
                                       .warmup = 1000,
                                       .duration = 2e6 / c,
                                       .seed = seed};
      const double mean = 1 + ErlangC(c, load) / (c * (1 - load));
      ExpectFigure(absl::StrCat("M/M/", c, ", load ", load, ", mean"), mean,
                   RunQueueing(options, Only).mean, 0.02);
    }
  }
}

// Shares by capacity make each server an M/M/1 queue at the same load; a request spends
// 1 / (speed (1 - load)) there, and the share-weighted mean is n / (sum of speeds (1 - load)).
TEST(ClosedFormsTest, SharesByCapacity) {
  const std::vector<double> speeds = {0.25, 0.5, 1, 2, 4, 0.25, 1, 2};
  const QueueingOptions options = {
      .speeds = speeds, .load = 0.7, .warmup = 1000, .duration = 3e5, .seed = SeedOr(4)};
  const QueueingResult result = RunQueueing(options, [&](size_t, absl::BitGenRef random) {
    return std::make_unique<WeightedPolicy>(ScheduleKind::kAlias, speeds, random);
  });
  ExpectFigure("eight speeds by capacity, load 0.7, mean", 8 / (11 * 0.3), result.mean, 0.02);
  EXPECT_LT(result.utilisation_max, 0.72);
}

}  // namespace
}  // namespace pointsman::sim
