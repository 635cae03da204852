// The supermarket model: join the shortest of d queues drawn at random, Poisson arrivals,
// exponential work of mean 1 (Vvedenskaya, Dobrushin, Karpelevich 1996; Mitzenmacher 1996;
// algorithms reference 7). With infinitely many servers the mean time in system is
//
//   sum over i >= 1 of load^((d^i - d) / (d - 1)),      1 / (1 - load) for d = 1.
//
// Finitely many are slower by O(1/n): at n = 100 and load 0.9 by 1.7 % for d = 2, at the 1000 used
// here by less than 0.2 %. For d = 1 servers are independent and n does not matter; there 50
// servers run longer, because queues forget slowly (about 1 / (1 - sqrt(load))^2 services).

#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sim/policies/unweighted.h"
#include "sim/queueing.h"
#include "tests/sim/seed.h"
#include "tests/sim/theory/figure.h"

namespace pointsman::sim {
namespace {

double Theory(int d, double load) {
  if (d == 1) return 1 / (1 - load);
  double sum = 0;
  for (int i = 1; i < 20; ++i) sum += std::pow(load, (std::pow(d, i) - d) / (d - 1));
  return sum;
}

QueueingResult RunChoices(int d, QueueingOptions options, size_t servers, double requests) {
  options.speeds.assign(servers, 1.0);
  options.duration = requests / (options.load * static_cast<double>(servers));
  return RunQueueing(
      options, [d](size_t, absl::BitGenRef) { return std::make_unique<PowerOfChoicesPolicy>(d); });
}

struct Row {
  double load;
  double published;  // The reference's table, of the formula; four digits.
};

// Tolerance 2 %: all are within 0.7 % with this seed, and within 1.1 % with others.
void ExpectTable(int d, std::initializer_list<Row> rows) {
  const uint64_t seed = SeedOr(1);
  for (const auto& [load, published] : rows) {
    ASSERT_NEAR(Theory(d, load), published, 6e-4);
    const QueueingOptions options = {.load = load, .warmup = 100, .seed = seed};
    const double mean = RunChoices(d, options, 1000, 1e6).mean;
    ExpectFigure(absl::StrCat("supermarket, d ", d, ", load ", load), published, mean, 0.02);
  }
}

TEST(SupermarketTest, OneChoice) {
  const uint64_t seed = SeedOr(1);
  struct Long {
    Row row;
    double requests, warmup;
  };
  for (const auto& [row, requests, warmup] :
       {Long{{0.5, 2.0}, 1e6, 200}, Long{{0.7, 3.333}, 1e6, 300}, Long{{0.8, 5.0}, 1.5e6, 1000},
        Long{{0.9, 10.0}, 3e6, 2000}, Long{{0.95, 20.0}, 8e6, 8000}}) {
    const QueueingOptions options = {.load = row.load, .warmup = warmup, .seed = seed};
    // 3 %: at load 0.95 two standard errors of 8 million requests.
    ExpectFigure(absl::StrCat("supermarket, d 1, load ", row.load), row.published,
                 RunChoices(1, options, 50, requests).mean, 0.03);
  }
}

TEST(SupermarketTest, TwoChoices) {
  ExpectTable(2, {{0.5, 1.266}, {0.7, 1.614}, {0.8, 1.947}, {0.9, 2.614}, {0.95, 3.383}});
}

TEST(SupermarketTest, ThreeChoices) {
  ExpectTable(3, {{0.5, 1.125}, {0.7, 1.357}, {0.8, 1.581}, {0.9, 2.028}, {0.95, 2.535}});
}

TEST(SupermarketTest, FiveChoices) {
  ExpectTable(5, {{0.5, 1.031}, {0.7, 1.168}, {0.8, 1.329}, {0.9, 1.633}, {0.95, 1.989}});
}

// The reference's run of 100 servers at load 0.9: mean (p99) random 9.87 (44.3), P2C 2.66 (8.95),
// least of all 1.07 (4.89). The latter two within 2 % and 3 %. Its random run is one of a slowly
// mixing system: theory says 10 and 10 ln 100 = 46.05, which ours is held to, within 5 %.
TEST(SupermarketTest, HundredServers) {
  const QueueingOptions options = {.load = 0.9, .warmup = 1000, .seed = SeedOr(1)};
  const QueueingResult random = RunChoices(1, options, 100, 2e6);
  ExpectFigure("100 servers, random, mean", 10, random.mean, 0.05);
  ExpectFigure("100 servers, random, p99", 46.05, random.p99, 0.05);
  const QueueingResult p2c = RunChoices(2, options, 100, 1e6);
  ExpectFigure("100 servers, P2C, mean", 2.66, p2c.mean, 0.02);
  ExpectFigure("100 servers, P2C, p99", 8.95, p2c.p99, 0.03);
  QueueingOptions all = options;
  all.speeds.assign(100, 1.0);
  all.duration = 4000;
  const QueueingResult least = RunQueueing(
      all, [](size_t, absl::BitGenRef) { return std::make_unique<LeastRequestPolicy>(); });
  ExpectFigure("100 servers, least of all, mean", 1.07, least.mean, 0.02);
  ExpectFigure("100 servers, least of all, p99", 4.89, least.p99, 0.03);
}

}  // namespace
}  // namespace pointsman::sim
