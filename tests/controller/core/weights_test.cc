#include "controller/core/weights.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "absl/random/bit_gen_ref.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/controller/core/shard_world.h"

namespace pointsman::controller {
namespace {

WeightRow Measured(double rps, double in_flight) {
  WeightRow row;
  row.measured = true;
  row.load.has_requests = row.load.has_in_flight = true;
  row.load.requests = row.load.requests_per_second = rps;
  row.load.in_flight = in_flight;
  return row;
}

WeightRules InFlight() {
  WeightRules rules;
  rules.signal = Signal::kInFlight;
  return rules;
}

TEST(WeightsTest, ASlowerEndpointLosesWeightByBoundedSteps) {
  std::vector<WeightRow> rows(3, Measured(100, 1));
  rows[0] = Measured(100, 5);
  const WeightStep step = StepWeights(InFlight(), rows);
  EXPECT_TRUE(step.moved);
  EXPECT_GE(rows[0].weight, kStepDown);
  EXPECT_LT(rows[0].weight, 0.7);
  EXPECT_LE(rows[1].weight, kStepUp);
  EXPECT_GT(rows[1].weight, 1);
}

TEST(WeightsTest, EqualEndpointsDoNotMove) {
  std::vector<WeightRow> rows(4, Measured(100, 2));
  EXPECT_FALSE(StepWeights(InFlight(), rows).moved);
}

TEST(WeightsTest, ACapacityHintMeansMoreInFlight) {
  std::vector<WeightRow> rows = {Measured(400, 4), Measured(100, 1)};
  rows[0].capacity = rows[0].weight = 4;
  EXPECT_FALSE(StepWeights(InFlight(), rows).moved);
}

TEST(WeightsTest, FailingFastDoesNotGain) {
  std::vector<WeightRow> rows(3, Measured(100, 2));
  rows[0] = Measured(100, 0.2);
  rows[0].load.error_share = 0.3;
  StepWeights(InFlight(), rows);
  EXPECT_LE(rows[0].weight, 1);
  EXPECT_TRUE(rows[0].error_ceiling);
}

TEST(WeightsTest, AnErrorFarAboveTheUsualTakesTheWholeGainAtOnce) {
  std::vector<WeightRow> rows(3, Measured(100, 1));
  for (WeightRow& row : rows) {
    row.gain = kGainMin;
    row.usual_error = 0.2F;
  }
  rows[0].load.in_flight = 1.3;  // Of the usual size.
  rows[1].load.in_flight = 5;
  StepWeights(InFlight(), rows);
  EXPECT_FALSE(rows[0].jumped);
  EXPECT_LE(rows[0].gain, 2 * kGainMin);
  EXPECT_TRUE(rows[1].jumped);
  EXPECT_EQ(rows[1].gain, kGainMax);
  EXPECT_NEAR(rows[1].usual_error, 0.5, 0.2) << "a quarter of the new size";
}

TEST(WeightsTest, SwingsOfOneSizeAreNoJumps) {
  std::vector<WeightRow> rows(3, Measured(100, 1));
  double least = 1;
  for (int step = 0; step < 12; ++step) {
    rows[0].load.in_flight = step % 2 == 0 ? 4 : 0.25;
    StepWeights(InFlight(), rows);
    least = std::min(least, rows[0].gain);
    if (step > 0) EXPECT_FALSE(rows[0].jumped) << step;
  }
  EXPECT_EQ(least, kGainMin);
}

// Gateways that pick by what is in flight too: requests go with the weight's power.
TEST(WeightsTest, TheTrimMakesUpForPicksThatDoNotFollowTheWeights) {
  const std::vector<double> capacity = {0.4, 0.4, 1.6, 1.6};
  std::vector<WeightRow> rows(4);
  std::vector<double> used(4);
  for (int step = 0; step < 200; ++step) {
    double sum = 0;
    for (const WeightRow& row : rows) sum += std::pow(row.weight, 1.5);
    for (size_t i = 0; i < rows.size(); ++i) {
      const double rps = 100 * std::pow(rows[i].weight, 1.5) / sum;
      used[i] = rps / capacity[i] / 50;
      rows[i].measured = true;
      rows[i].load.has_requests = rows[i].load.has_cpu = true;
      rows[i].load.requests = rows[i].load.requests_per_second = rps;
      rows[i].load.cpu = used[i];
      rows[i].sent = static_cast<uint32_t>(rows[i].weight * kNominalWeight);
    }
    StepWeights({}, rows);
  }
  EXPECT_NEAR(used[2] / used[0], 1, 0.02);
  EXPECT_LT(rows[2].trim, 0) << "it gets more requests than its weight says";
  EXPECT_NEAR(rows[2].weight / rows[0].weight, std::pow(4, 1 / 1.5), 0.1);
}

TEST(WeightsTest, AnEndpointThatFailsIsNotTrimmedUp) {
  std::vector<WeightRow> rows(3, Measured(100, 1));
  for (WeightRow& row : rows) row.sent = kNominalWeight;
  rows[0].load.requests_per_second = 10;  // Avoided by gateways.
  rows[0].load.error_share = 0.5;
  StepWeights(InFlight(), rows);
  EXPECT_EQ(rows[0].trim, 0);
  EXPECT_EQ(rows[1].trim, 0) << "the others got what their weights say";
}

TEST(WeightsTest, UnmeasuredEndpointsDriftToTheMedian) {
  std::vector<WeightRow> rows(4, Measured(100, 2));
  rows[3] = WeightRow();
  rows[3].weight = 0.3;
  for (int i = 0; i < 30; ++i) StepWeights(InFlight(), rows);
  EXPECT_NEAR(rows[3].weight, rows[0].weight, 0.05);
}

TEST(WeightsTest, CpuNoiseOfAnIdleFleetDecidesNothingUnderMax) {
  std::vector<WeightRow> rows(4, Measured(100, 2));
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].load.has_cpu = true;
    rows[i].load.cpu = i == 0 ? 0.04 : 0.01;
  }
  WeightRules rules;
  EXPECT_FALSE(StepWeights(rules, rows).moved);
  EXPECT_EQ(rows[0].signal, Signal::kInFlight);
}

TEST(WeightsTest, OneMeasuredEndpointIsNotCompared) {
  std::vector<WeightRow> rows(2);
  rows[0] = Measured(100, 2);
  EXPECT_FALSE(StepWeights(InFlight(), rows).moved);
}

TEST(WeightsTest, RangeIsKeptAroundTheMean) {
  std::vector<WeightRow> rows(4, Measured(100, 1));
  rows[0] = Measured(100, 1000);
  for (int i = 0; i < 50; ++i) StepWeights(InFlight(), rows);
  double mean = 0;
  for (const WeightRow& row : rows) mean += row.weight / 4;
  EXPECT_NEAR(rows[0].weight, 0.1 * mean, 0.02 * mean);
  EXPECT_TRUE(rows[0].clamped);
}

TEST(WeightsTest, SlowStartIsLinearFromItsInitialShare) {
  WeightRules rules;
  EXPECT_EQ(SlowStartRamp(rules, absl::ZeroDuration()), 0.1);
  EXPECT_EQ(SlowStartRamp(rules, absl::Seconds(5)), 0.5);
  EXPECT_EQ(SlowStartRamp(rules, absl::Seconds(11)), 1);
  rules.slow_start = absl::ZeroDuration();
  EXPECT_EQ(SlowStartRamp(rules, absl::ZeroDuration()), 1);
}

TEST(WeightsTest, ShadowAndBlendKeepNominalParts) {
  SentInput input;
  input.weight = 0.2;
  input.serving = absl::Hours(1);
  WeightRules rules;
  rules.blend = 0.5;
  EXPECT_EQ(SentWeight(rules, input).weight, 39322u);
  rules.shadow = true;
  EXPECT_EQ(SentWeight(rules, input).weight, kNominalWeight);
}

TEST(WeightsTest, UnderOnePercentIsNotSent) {
  EXPECT_FALSE(WorthSending(10000, 10099));
  EXPECT_TRUE(WorthSending(10000, 10100));
  EXPECT_TRUE(WorthSending(10000, 9900));
  EXPECT_TRUE(WorthSending(0, 1));
}

// Queues in a closed loop with StepWeights: `rate` requests a second in all, split by weight.
// The utilisation of each is rate / speed; requests in flight follow M/M/1 (queueing) or
// rate / speed (many servers, no queue), with counting noise.
struct Loop {
  std::vector<double> speed;
  double rate = 0;
  bool queueing = true;
  double noise = 0;
  std::vector<WeightRow> rows;
  std::mt19937_64 engine{SeedOr(7)};

  void Step(const WeightRules& rules) {
    double sum = 0;
    for (const WeightRow& row : rows) sum += row.weight;
    absl::BitGenRef random(engine);
    for (size_t i = 0; i < rows.size(); ++i) {
      const double rps = rate * rows[i].weight / sum;
      const double used = std::min(rps / speed[i], 0.995);
      const double level = queueing ? used / (1 - used) : used;
      const double jitter = noise > 0 ? absl::Gaussian(random, 1.0, noise) : 1.0;
      WeightRow measured = Measured(rps, std::max(level * jitter, 1e-3));
      rows[i].load = measured.load;
      rows[i].measured = true;
    }
    StepWeights(rules, rows);
  }

  // max / mean of utilisation.
  double Spread() const {
    double sum = 0, mean = 0, most = 0;
    for (const WeightRow& row : rows) sum += row.weight;
    for (size_t i = 0; i < rows.size(); ++i) {
      const double used = rate * rows[i].weight / sum / speed[i];
      mean += used / static_cast<double>(rows.size());
      most = std::max(most, used);
    }
    return most / mean;
  }
};

TEST(WeightLoopTest, SpeedsOfOneToFourConverge) {
  for (const double load : {0.3, 0.6, 0.8, 0.9}) {
    Loop loop;
    loop.speed = {100, 100, 200, 200, 400, 400};
    loop.rate = load * 1400;
    loop.rows.resize(6);
    for (int i = 0; i < 40; ++i) loop.Step(InFlight());
    for (int i = 0; i < 40; ++i) {
      loop.Step(InFlight());
      EXPECT_LT(loop.Spread(), 1.05) << "load " << load << ", step " << i;
    }
  }
}

TEST(WeightLoopTest, AFiveTimesSlowerEndpointIsFollowedWithoutOscillation) {
  Loop loop;
  loop.speed = {100, 100, 100, 100, 100};
  loop.rate = 150;
  loop.queueing = false;
  loop.rows.resize(5);
  for (int i = 0; i < 10; ++i) loop.Step(InFlight());
  loop.speed[2] = 20;
  double last = loop.rows[2].weight;
  int turns = 0;
  for (int i = 0; i < 20; ++i) {
    loop.Step(InFlight());
    if (loop.rows[2].weight > last * 1.02) ++turns;
    last = loop.rows[2].weight;
    if (i >= 6) {
      EXPECT_LT(loop.Spread(), 1.2) << i;
    }
  }
  EXPECT_EQ(turns, 0);
  EXPECT_LT(loop.Spread(), 1.03);
  EXPECT_NEAR(loop.rows[2].weight / loop.rows[0].weight, 0.2, 0.01);
  loop.speed[2] = 100;
  for (int i = 0; i < 25; ++i) loop.Step(InFlight());
  EXPECT_LT(loop.Spread(), 1.03) << "and comes back";
}

TEST(WeightLoopTest, NoiseDoesNotAccumulate) {
  Loop loop;
  loop.speed = std::vector<double>(20, 100);
  loop.rate = 1400;
  loop.noise = 0.2;
  loop.rows.resize(20);
  double worst = 0;
  double mean = 0;
  for (int i = 0; i < 600; ++i) {
    loop.Step(InFlight());
    worst = std::max(worst, loop.Spread());
    mean += loop.Spread() / 600;
  }
  // Each step sees 20 % noise; gains that halve at every turn keep most of it out.
  EXPECT_LT(mean, 1.2);
  EXPECT_LT(worst, 1.5);
}

TEST(WeightLoopTest, TheWholePathLowersASlowBackendsWeight) {
  ShardWorld world;
  world.config.mutable_services(0)->mutable_weights()->set_signal(v1::LOAD_SIGNAL_IN_FLIGHT);
  world.Configure();
  world.GatewayHello("g1");
  for (int i = 0; i < 5; ++i) world.Hello(absl::StrCat("web-", i));
  world.RunWithReports(absl::Seconds(12));
  double seconds_to_fall = -1;
  for (int second = 0; second < 30; ++second) {
    world.RunWithReports(absl::Seconds(1));
    double sum = 0;
    for (int i = 0; i < 5; ++i) sum += world.WeightOf(absl::StrCat("web-", i));
    std::map<std::string, ShardWorld::Traffic> traffic;
    for (int i = 0; i < 5; ++i) {
      const std::string id = absl::StrCat("web-", i);
      const double rps = 500 * world.WeightOf(id) / sum;
      const absl::Duration latency = absl::Milliseconds(i == 2 && second >= 5 ? 50 : 10);
      ShardWorld::Traffic& add = traffic[id];
      add.requests = static_cast<uint64_t>(rps);
      add.latency_sum = latency * add.requests;
      add.in_flight = absl::ToDoubleSeconds(latency) * rps;
    }
    world.Observe("g1", traffic);
    world.AckAll("g1");
    const double ratio = 1.0 * world.WeightOf("web-2") / world.WeightOf("web-0");
    if (seconds_to_fall < 0 && ratio < 0.3) seconds_to_fall = second - 5;
  }
  EXPECT_GE(seconds_to_fall, 0);
  EXPECT_LE(seconds_to_fall, 12);
  EXPECT_NEAR(1.0 * world.WeightOf("web-2") / world.WeightOf("web-0"), 0.2, 0.04);
}

TEST(WeightLoopTest, AnEndpointThatIsOutFollowsTheOthersReCentring) {
  ShardWorld world;
  world.config.mutable_services(0)->mutable_weights()->set_signal(v1::LOAD_SIGNAL_IN_FLIGHT);
  world.Configure();
  world.GatewayHello("g1");
  for (int i = 0; i < 5; ++i) world.Hello(absl::StrCat("web-", i));
  world.RunWithReports(absl::Seconds(12));
  world.agents["web-4"].process = v1::PROCESS_STATE_GONE;
  world.Report("web-4");
  const auto others = [&world] {
    double sum = 0;
    for (int i = 0; i < 4; ++i) sum += world.WeightOf(absl::StrCat("web-", i));
    return sum;
  };
  // Speeds that turn round lose a little of the weights' sum with each turn, until it is brought
  // back at once.
  int recentred = 0;
  for (int second = 0; second < 400 && recentred == 0; ++second) {
    const double out = world.WeightOf("web-4");
    world.RunWithReports(absl::Seconds(1));
    const double sum = others();
    const bool turned = second / 12 % 2 == 1;
    std::map<std::string, ShardWorld::Traffic> traffic;
    for (int i = 0; i < 4; ++i) {
      const std::string id = absl::StrCat("web-", i);
      const absl::Duration latency = absl::Milliseconds((i < 2) == turned ? 80 : 10);
      ShardWorld::Traffic& add = traffic[id];
      add.requests = static_cast<uint64_t>(1000 * world.WeightOf(id) / sum);
      add.latency_sum = latency * add.requests;
      add.in_flight = absl::ToDoubleSeconds(add.latency_sum);
    }
    world.Observe("g1", traffic);
    world.AckAll("g1");
    world.Run(absl::Milliseconds(100));
    const auto explanation = world.core->Explain("web", "web-0", world.now);
    ASSERT_TRUE(explanation.ok());
    for (const std::string& line : explanation->weight().arithmetic()) {
      double before = 0;
      double divisor = 0;
      if (std::sscanf(line.c_str(), "re-centred with all others: %lf / %lf", &before, &divisor) !=
          2) {
        continue;
      }
      ++recentred;
      EXPECT_LT(divisor, 0.5);
      EXPECT_NEAR(world.WeightOf("web-4") / out, 1 / divisor, 0.02 / divisor);
    }
  }
  EXPECT_EQ(recentred, 1) << "the sum never drifted so far";
}

}  // namespace
}  // namespace pointsman::controller
