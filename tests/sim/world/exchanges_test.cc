#include "sim/world/exchanges.h"

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/proto_time.h"
#include "gateway/core/table_state.h"
#include "gtest/gtest.h"
#include "tests/sim/world/fake_wires.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

constexpr size_t kEndpoints = 2;
constexpr double kWork = 10'000;  // Microseconds.

v1::Config Config() {
  v1::Config config;
  v1::Service& service = *config.add_services();
  service.set_name(absl::StrCat("services/", kService));
  for (size_t i = 0; i < kEndpoints; ++i) {
    v1::Endpoint& endpoint = *service.add_endpoints();
    endpoint.set_id(absl::StrCat("e", i));
    endpoint.set_address(absl::StrCat("10.0.0.", i + 1, ":80"));
  }
  common::ToProto(absl::Milliseconds(100), service.mutable_timeouts()->mutable_connect());
  common::ToProto(absl::Milliseconds(500), service.mutable_timeouts()->mutable_first_byte());
  return config;
}

class ExchangesTest : public ::testing::Test {
 protected:
  ExchangesTest() {
    queue.RunUntil(MonotonicTime::FromMicros(1'000'000));
    Use(Config());
  }

  void Use(const v1::Config& config) {
    EXPECT_TRUE(state.ApplyStatic(config, ++revision, queue.now()).ok());
    table = state.Build().table;
    exchanges.SetTable(table->services[0]);
  }
  void Run(absl::Duration time) { queue.RunUntil(queue.now() + time); }
  RequestEnd RunOne() {
    const size_t before = ends().size();
    exchanges.Begin(kWork);
    Run(absl::Seconds(10));
    EXPECT_EQ(ends().size(), before + 1);
    return ends().back();
  }
  const std::vector<RequestEnd>& ends() const { return onlooker.ends; }

  EventQueue queue;
  std::mt19937_64 random{1};
  FakePath path{queue, kEndpoints};
  FakeOnlooker onlooker;
  gateway::EndpointCells cells{1};
  gateway::TableState state{cells, {}};
  uint64_t revision = 0;
  std::shared_ptr<const gateway::RoutingTable> table;
  Exchanges exchanges{{queue, path, onlooker, random, cells.worker(0), 3, kEndpoints}};
};

TEST_F(ExchangesTest, ConnectsOnceAndThenKeepsTheConnection) {
  v1::Config config = Config();
  config.mutable_services(0)->mutable_endpoints()->RemoveLast();
  Use(config);
  const RequestEnd first = RunOne();
  EXPECT_EQ(first.ending, Ending::kOk);
  EXPECT_EQ(first.gateway, 3u);
  // A round trip to connect, one for the request.
  EXPECT_EQ(first.took, absl::Milliseconds(14));
  EXPECT_EQ(RunOne().took, absl::Milliseconds(12));
  exchanges.CloseIdle(0);
  EXPECT_EQ(RunOne().took, absl::Milliseconds(14));
  EXPECT_EQ(exchanges.in_flight(), 0u);
}

TEST_F(ExchangesTest, GoesElsewhereWhenRefusedAndAvoidsWhoRefused) {
  path.servers[0]->SetFaults({.crashed = true});
  uint32_t tries = 0;
  for (int i = 0; i < 20; ++i) {
    exchanges.Begin(kWork);
    Run(absl::Milliseconds(3));
  }
  Run(absl::Seconds(1));
  ASSERT_EQ(ends().size(), 20u);
  for (const RequestEnd& end : ends()) {
    EXPECT_EQ(end.ending, Ending::kOk);
    tries += end.tries;
  }
  // At first some are refused; the others are in its 100 ms.
  EXPECT_GT(tries, 20u);
  EXPECT_LT(tries, 25u);
}

TEST_F(ExchangesTest, LeavesABlackHoleByTimeoutAndItsPlaceThere) {
  path.servers[0]->SetFaults({.black_hole = true});
  for (int i = 0; i < 10; ++i) exchanges.Begin(kWork);
  Run(absl::Milliseconds(400));
  EXPECT_GT(path.servers[0]->in_flight(), 0u);
  Run(absl::Seconds(5));
  EXPECT_EQ(path.servers[0]->in_flight(), 0u);
  absl::Duration longest;
  for (const RequestEnd& end : ends()) {
    EXPECT_EQ(end.ending, Ending::kOk);
    longest = std::max(longest, end.took);
  }
  EXPECT_GT(longest, absl::Milliseconds(500));
  EXPECT_LT(longest, absl::Milliseconds(560));
}

TEST_F(ExchangesTest, MeetsAnUnreachableHostWhenConnecting) {
  path.reachable = {false, false};
  const RequestEnd end = RunOne();
  EXPECT_EQ(end.ending, Ending::kFailed);
  EXPECT_EQ(end.tries, 2u);  // There is no third endpoint.
  EXPECT_EQ(end.took, absl::Milliseconds(200));
}

TEST_F(ExchangesTest, AnIdleConnectionToAnUnreachableHostTakesTheLongerTime) {
  for (int i = 0; i < 8; ++i) exchanges.Begin(kWork);
  Run(absl::Seconds(1));
  path.reachable = {false, false};
  const RequestEnd end = RunOne();
  EXPECT_EQ(end.ending, Ending::kFailed);
  EXPECT_GE(end.took, absl::Milliseconds(500));
}

TEST_F(ExchangesTest, PassesErrorsOnWithoutAnotherTry) {
  for (auto& server : path.servers) server->SetFaults({.grey_error_share = 1});
  const RequestEnd end = RunOne();
  EXPECT_EQ(end.ending, Ending::kServerError);
  EXPECT_EQ(end.tries, 1u);
}

TEST_F(ExchangesTest, GivesASlowTryUpOnlyForAnotherEndpoint) {
  v1::Config config = Config();
  common::ToProto(absl::Milliseconds(50),
                  config.mutable_services(0)->mutable_retries()->mutable_per_try_timeout());
  Use(config);
  path.servers[0]->SetSpeed(0.1);
  path.servers[1]->SetSpeed(0.1);
  // Both are slow: the second try is waited for.
  const RequestEnd end = RunOne();
  EXPECT_EQ(end.ending, Ending::kOk);
  EXPECT_EQ(end.tries, 2u);
  EXPECT_GE(end.took, absl::Milliseconds(150));
}

TEST_F(ExchangesTest, RetriesEndWithTheBudget) {
  v1::Config config = Config();
  config.mutable_services(0)->mutable_retries()->set_budget_ratio(0);
  config.mutable_services(0)->mutable_retries()->set_budget_min_per_second(0);
  Use(config);
  for (auto& server : path.servers) server->SetFaults({.crashed = true});
  for (int i = 0; i < 10; ++i) exchanges.Begin(kWork);
  Run(absl::Seconds(1));
  for (const RequestEnd& end : ends()) EXPECT_EQ(end.tries, 1u);
}

// Always the first endpoint.
class FirstPolicy : public Policy {
 public:
  size_t Pick(const PickView&, absl::BitGenRef) override { return 0; }
  void OnResult(size_t endpoint, const RequestResult& result, MonotonicTime) override {
    results.emplace_back(endpoint, result.ok);
  }
  std::vector<std::pair<size_t, bool>> results;
};

TEST_F(ExchangesTest, APublishedPolicyPicksButNeverWhatRefusedAMomentAgo) {
  auto made = std::make_unique<FirstPolicy>();
  const FirstPolicy& policy = *made;
  gateway::EndpointCells own_cells{1};
  Exchanges by_policy{
      {queue, path, onlooker, random, own_cells.worker(0), 0, kEndpoints, std::move(made)}};
  gateway::TableState own_state{own_cells, {}};
  EXPECT_TRUE(own_state.ApplyStatic(Config(), 1, queue.now()).ok());
  const auto own_table = own_state.Build().table;
  by_policy.SetTable(own_table->services[0]);
  for (int i = 0; i < 3; ++i) by_policy.Begin(kWork);
  Run(absl::Seconds(1));
  EXPECT_EQ(path.servers[0]->counters().completions, 3u);
  path.servers[0]->SetFaults({.crashed = true});
  by_policy.CloseIdle(0);
  by_policy.Begin(kWork);
  Run(absl::Milliseconds(50));
  by_policy.Begin(kWork);
  Run(absl::Seconds(1));
  ASSERT_EQ(ends().size(), 5u);
  EXPECT_EQ(ends()[3].tries, 2u);
  EXPECT_EQ(ends()[4].tries, 1u) << "it refused 50 ms ago";
  using Result = std::pair<size_t, bool>;
  EXPECT_EQ(
      policy.results,
      (std::vector<Result>{{0, true}, {0, true}, {0, true}, {0, false}, {1, true}, {1, true}}));
}

TEST_F(ExchangesTest, TurnsAwayWithoutATable) {
  exchanges.SetTable(nullptr);
  const RequestEnd end = RunOne();
  EXPECT_EQ(end.ending, Ending::kTurnedAway);
  EXPECT_EQ(end.tries, 0u);
}

}  // namespace
}  // namespace pointsman::sim
