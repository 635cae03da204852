#include "sim/testbed.h"

#include <memory>

#include "gtest/gtest.h"
#include "sim/policies/prequal.h"
#include "sim/policies/unweighted.h"

namespace pointsman::sim {
namespace {

TestbedOptions Small() {
  TestbedOptions options;
  options.clients = 10;
  options.servers = 10;
  options.crowded_share = 1e-9;
  options.free_speed = 1;
  options.slots = 4;
  options.work_mean_ms = 60;
  options.warmup = absl::Seconds(5);
  options.duration = absl::Seconds(60);
  return options;
}

std::unique_ptr<Policy> RandomChoice(size_t, absl::BitGenRef) {
  return std::make_unique<RandomPolicy>();
}

TEST(TestbedTest, LoadIsOfTheServersOwnShare) {
  TestbedOptions options = Small();
  options.load = 0.3;
  const TestbedResult result = RunTestbed(options, RandomChoice);
  EXPECT_NEAR(result.utilisation, 0.3, 0.02);
  // 10 servers of 4 slots, 60 ms a query.
  EXPECT_NEAR(static_cast<double>(result.queries), 0.3 * 40 / 0.06 * 60, 500);
  EXPECT_EQ(result.late, 0u);
  // Hardly a queue: the work itself and the way there and back.
  EXPECT_NEAR(result.latency.Mean() / 1e3, 60.4, 3);
}

TEST(TestbedTest, ACrowdedMachineIsSlower) {
  TestbedOptions options = Small();
  options.load = 0.05;
  options.crowded_share = 1 - 1e-9;
  options.crowded_speed = 0.5;
  EXPECT_NEAR(RunTestbed(options, RandomChoice).latency.Mean() / 1e3, 120.4, 6);
}

TEST(TestbedTest, QueriesEndAtTheirDeadline) {
  TestbedOptions options = Small();
  options.load = 1.5;
  options.deadline = absl::Milliseconds(500);
  const TestbedResult result = RunTestbed(options, RandomChoice);
  EXPECT_GT(result.late, result.queries / 5);
  EXPECT_LE(result.latency.max(), 500'000);
  EXPECT_NEAR(result.utilisation, 1, 0.01);
}

TEST(TestbedTest, ProbesReachThePolicyAndMakeItBetter) {
  TestbedOptions options = Small();
  options.servers = 40;
  options.load = 0.9;
  const double random = RunTestbed(options, RandomChoice).latency.Quantile(0.99);
  const double prequal =
      RunTestbed(options, [](size_t servers, absl::BitGenRef) -> std::unique_ptr<Policy> {
        return std::make_unique<PrequalPolicy>(servers);
      }).latency.Quantile(0.99);
  EXPECT_LT(prequal, 0.6 * random);
}

TEST(TestbedTest, ARunIsAFunctionOfItsSeed) {
  const TestbedResult a = RunTestbed(Small(), RandomChoice);
  const TestbedResult b = RunTestbed(Small(), RandomChoice);
  EXPECT_EQ(a.queries, b.queries);
  EXPECT_EQ(a.latency.Mean(), b.latency.Mean());
}

}  // namespace
}  // namespace pointsman::sim
