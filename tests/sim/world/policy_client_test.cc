#include "sim/world/policy_client.h"

#include <random>
#include <set>

#include "gtest/gtest.h"
#include "tests/sim/world/fake_wires.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

// Draws endpoint 0 for ever, and writes down what it is told.
class Scripted : public Policy {
 public:
  size_t Pick(const PickView& view, absl::BitGenRef) override {
    in_flight.assign(view.in_flight.begin(), view.in_flight.end());
    ++picks;
    return 0;
  }
  void OnResult(size_t endpoint, const RequestResult& result, MonotonicTime) override {
    results.emplace_back(endpoint, result.ok);
  }
  void OnReport(size_t endpoint, const LoadReport& report, MonotonicTime) override {
    reported.insert(endpoint);
    answers += report.qps;  // Of intervals of a second.
    busy += report.cpu;
  }
  absl::Duration tick_period() const override { return absl::Milliseconds(500); }
  void OnTick(MonotonicTime, absl::BitGenRef) override { ++ticks; }
  void TakeProbes(std::vector<uint32_t>& targets, absl::BitGenRef) override {
    targets.push_back(1);
  }
  void OnProbe(size_t endpoint, const ProbeAnswer& answer, MonotonicTime now,
               absl::BitGenRef) override {
    probed.push_back(endpoint);
    probed_at = now;
  }

  std::vector<uint32_t> in_flight;
  std::vector<std::pair<size_t, bool>> results;
  std::set<size_t> reported;
  std::vector<size_t> probed;
  MonotonicTime probed_at;
  double answers = 0, busy = 0;
  int picks = 0, ticks = 0;
};

class PolicyClientTest : public ::testing::Test, public CompletionSink {
 protected:
  PolicyClientTest() {
    queue.RunUntil(MonotonicTime::FromMicros(1'000'000));
    auto made = std::make_unique<Scripted>();
    policy = made.get();
    client = std::make_unique<PolicyClient>(
        PolicyClient::Parts{queue, path, std::move(made), random, 3});
  }
  void OnCompletion(const Completion&) override {}
  void Run(absl::Duration time) { queue.RunUntil(queue.now() + time); }

  EventQueue queue;
  std::mt19937_64 random{1};
  FakePath path{queue, 3};
  Scripted* policy = nullptr;
  std::unique_ptr<PolicyClient> client;
};

TEST_F(PolicyClientTest, DrawsAgainWhatMayNotBeUsedAndFallsBack) {
  EXPECT_EQ(client->Choose([](size_t) { return true; }), 0u);
  EXPECT_EQ(policy->picks, 1);
  EXPECT_EQ(client->Choose([](size_t endpoint) { return endpoint == 2; }), 2u);
  EXPECT_EQ(policy->picks, 1 + PolicyClient::kDrawsMax);
  EXPECT_EQ(client->Choose([](size_t) { return false; }), std::nullopt);
}

TEST_F(PolicyClientTest, CountsItsOwnRequestsAndTellsHowTheyEnded) {
  client->OnStart(1);
  client->OnStart(1);
  client->OnStart(2);
  client->Choose([](size_t) { return true; });
  EXPECT_EQ(policy->in_flight, (std::vector<uint32_t>{0, 2, 1}));
  client->OnEnd(1, {absl::Milliseconds(3), false});
  client->Choose([](size_t) { return true; });
  EXPECT_EQ(policy->in_flight, (std::vector<uint32_t>{0, 1, 1}));
  EXPECT_EQ(policy->results, (std::vector<std::pair<size_t, bool>>{{1, false}}));
}

TEST_F(PolicyClientTest, ReadsReportsOfThoseThatAnswer) {
  path.reachable[2] = false;
  Run(absl::Seconds(3));
  EXPECT_EQ(policy->reported, (std::set<size_t>{0, 1}));
  EXPECT_EQ(policy->answers, 0);
  EXPECT_GE(policy->ticks, 5);
  EXPECT_LE(policy->ticks, 6);
  // Ten requests of 200 ms of work on four slots.
  for (int i = 0; i < 10; ++i) path.server(1).Submit({200'000, 0, this}, random);
  Run(absl::Seconds(2));
  EXPECT_NEAR(policy->answers, 10, 1e-9);
  EXPECT_NEAR(policy->busy, 0.5, 1e-9);
}

TEST_F(PolicyClientTest, AProbeTakesARoundTripAndADeadServerDoesNotAnswer) {
  const MonotonicTime asked = queue.now();
  client->Choose([](size_t) { return true; });
  Run(absl::Milliseconds(10));
  EXPECT_EQ(policy->probed, std::vector<size_t>{1});
  EXPECT_EQ(policy->probed_at - asked, absl::Milliseconds(2));
  path.server(1).SetFaults({.black_hole = true});
  client->Choose([](size_t) { return true; });
  Run(absl::Seconds(1));
  EXPECT_EQ(policy->probed.size(), 1u);
}

}  // namespace
}  // namespace pointsman::sim
