#include "gateway/core/picker.h"

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/gateway/core/table_fixture.h"

namespace pointsman::gateway {
namespace {

class PickerTest : public ::testing::Test {
 protected:
  PickResult PickOne(const ServiceTable& service, std::span<const CellRef> tried = {}) {
    return Pick(service, {cells_.worker(0), avoidance_, now_, &turns_}, tried, key_, random_);
  }
  std::map<std::string, int> Count(const ServiceTable& service, int picks,
                                   std::span<const CellRef> tried = {}) {
    std::map<std::string, int> counts;
    for (int i = 0; i < picks; ++i) {
      const PickResult result = PickOne(service, tried);
      ++counts[result.endpoint == nullptr ? "none" : result.endpoint->id()];
    }
    return counts;
  }

  // So many tries at it end with an answer of 500.
  void FailAt(CellRef cell, int failures) {
    for (int i = 0; i < failures; ++i) avoidance_.OnOutcome(cell, TryOutcome::kServerError, now_);
  }
  void StartOnEach(const ServiceTable& service, int tries) {
    for (size_t i = 0; i < service.endpoints.size(); ++i) {
      for (int k = 0; k < tries; ++k) cells_.worker(0).StartTry(service.endpoints[i].cell);
    }
  }

  EndpointCells cells_{1};
  LocalAvoidance avoidance_{cells_.worker(0)};
  PickTurns turns_;
  PickKey key_;
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
  std::mt19937_64 random_{7};
};

TEST_F(PickerTest, EmptyServiceHasNoEndpoints) {
  EXPECT_EQ(PickOne(ServiceTable()).status, PickResult::Status::kNoEndpoints);
}

TEST_F(PickerTest, SingleEndpointIsPicked) {
  const ServiceTable service = MakeService(cells_, {{"a"}});
  EXPECT_EQ(PickOne(service).endpoint->id(), "a");
}

TEST_F(PickerTest, EqualWeightsGetEqualShares) {
  const ServiceTable service = MakeService(cells_, {{"a"}, {"b"}, {"c"}, {"d"}});
  for (const auto& [id, count] : Count(service, 40'000)) EXPECT_NEAR(count, 10'000, 500) << id;
}

TEST_F(PickerTest, SharesFollowWeightsWhileNothingIsInFlight) {
  const ServiceTable two = MakeService(cells_, {{"a", 68'000}, {"b", 62'000}});
  EXPECT_NEAR(Count(two, 13'000)["a"], 6'800, 300);
  const ServiceTable starting =
      MakeService(cells_, {{"a", 65'536}, {"b", 65'536}, {"c", 65'536}, {"d", 6'554}});
  EXPECT_NEAR(Count(starting, 31'000)["d"], 1'000, 120);
}

TEST_F(PickerTest, AnIdleEndpointOfLittleWeightIsNotStarved) {
  const ServiceTable service =
      MakeService(cells_, {{"a", 65'536}, {"b", 65'536}, {"small", 6'554}});
  for (size_t i = 0; i < 2; ++i) {
    for (int k = 0; k < 2; ++k) cells_.worker(0).StartTry(service.endpoints[i].cell);
  }
  EXPECT_NEAR(Count(service, 21'000)["small"], 1'000, 120) << "what is its by weight";
  cells_.worker(0).StartTry(service.endpoints[2].cell);
  EXPECT_EQ(Count(service, 21'000)["small"], 0) << "no second one before the first is done";
}

TEST_F(PickerTest, HoldsWeightsWhenLoadIsSpreadByThem) {
  const ServiceTable service = MakeService(cells_, {{"a", 65'536}, {"b", 32'768}, {"c", 16'384}});
  // Requests stay in flight a while: the pick's feedback must keep in-flight near the weights.
  std::vector<CellRef> running;
  std::map<std::string, int> counts;
  for (int i = 0; i < 70'000; ++i) {
    const PickResult result = PickOne(service);
    ++counts[result.endpoint->id()];
    cells_.worker(0).StartTry(result.endpoint->cell);
    running.push_back(result.endpoint->cell);
    if (running.size() > 70) {
      const size_t victim = random_() % running.size();
      cells_.worker(0).EndTry(running[victim]);
      running[victim] = running.back();
      running.pop_back();
    }
  }
  EXPECT_NEAR(counts["a"], 40'000, 2500);
  EXPECT_NEAR(counts["b"], 20'000, 1500);
  EXPECT_NEAR(counts["c"], 10'000, 1000);
}

TEST_F(PickerTest, SlowEndpointGetsLessBecauseOfItsQueue) {
  const ServiceTable service = MakeService(cells_, {{"slow"}, {"b"}, {"c"}, {"d"}, {"e"}});
  for (int i = 0; i < 20; ++i) cells_.worker(0).StartTry(service.endpoints[0].cell);
  const auto counts = Count(service, 10'000);
  // Left only to draws that meet nobody else.
  EXPECT_LT(counts.contains("slow") ? counts.at("slow") : 0, 50);
}

TEST_F(PickerTest, WhatFailsFastDoesNotLookIdle) {
  const ServiceTable service = MakeService(cells_, {{"fails"}, {"b"}, {"c"}, {"d"}, {"e"}});
  StartOnEach(service, 1);
  cells_.worker(0).EndTry(service.endpoints[0].cell);
  EXPECT_NEAR(Count(service, 10'000)["fails"], 4'000, 250) << "whenever it is drawn: idle";
  FailAt(service.endpoints[0].cell, 100);
  EXPECT_LT(Count(service, 10'000)["fails"], 100) << "where it is the only one drawn";
}

TEST_F(PickerTest, OneFailureCountsLessThanOneMoreInFlight) {
  const ServiceTable service = MakeService(cells_, {{"failed"}, {"b"}});
  FailAt(service.endpoints[0].cell, 1);
  EXPECT_LT(Count(service, 1'000)["failed"], 60) << "where it is the only one drawn";
  cells_.worker(0).StartTry(service.endpoints[1].cell);
  EXPECT_NEAR(Count(service, 1'000)["failed"], 500, 60)
      << "one and a quarter under two, drawn first";
}

TEST_F(PickerTest, FailingEndpointsTakeTheirPartWhenOthersHaveFarMoreInFlight) {
  const ServiceTable service = MakeService(cells_, {{"fails"}, {"b"}});
  FailAt(service.endpoints[0].cell, 100);
  cells_.worker(0).StartTry(service.endpoints[1].cell);
  EXPECT_LT(Count(service, 1'000)["fails"], 60) << "where it is the only one drawn";
  for (int i = 0; i < 100; ++i) cells_.worker(0).StartTry(service.endpoints[1].cell);
  EXPECT_NEAR(Count(service, 10'000)["fails"], 5'000, 300) << "its weight, however idle it is";
}

TEST_F(PickerTest, SharesFollowWeightsWhenAllFailAlike) {
  const ServiceTable service = MakeService(cells_, {{"a", 68'000}, {"b", 62'000}});
  for (const size_t i : {0, 1}) FailAt(service.endpoints[i].cell, 5);
  FailAt(service.endpoints[0].cell, 1);
  EXPECT_NEAR(Count(service, 13'000)["a"], 6'800, 300);
}

TEST_F(PickerTest, AFailureIsForgottenWithTime) {
  const ServiceTable service = MakeService(cells_, {{"a"}, {"b"}});
  FailAt(service.endpoints[0].cell, 100);
  EXPECT_LT(Count(service, 1'000)["a"], 60);
  now_ = now_ + 5 * FailingShare::kHalfLife;
  EXPECT_NEAR(Count(service, 10'000)["a"], 5'000, 300);
}

TEST_F(PickerTest, AnIdleEndpointOfLittleWeightIsNotStarvedByAHeavyOneThatFails) {
  const ServiceTable service =
      MakeService(cells_, {{"a", 65'536}, {"b", 65'536}, {"small", 6'554}});
  FailAt(service.endpoints[0].cell, 1);
  EXPECT_GE(Count(service, 21'000)["small"], 1'000 - 120) << "what is its by weight";
}

TEST_F(PickerTest, TriedEndpointsAreLeftOut) {
  const ServiceTable service = MakeService(cells_, {{"a"}, {"b"}, {"c"}});
  const std::vector<CellRef> tried = {service.endpoints[0].cell, service.endpoints[2].cell};
  EXPECT_EQ(Count(service, 1000, tried).at("b"), 1000);
  const std::vector<CellRef> all = {service.endpoints[0].cell, service.endpoints[1].cell,
                                    service.endpoints[2].cell};
  EXPECT_EQ(PickOne(service, all).status, PickResult::Status::kAllTried);
}

TEST_F(PickerTest, FindsTheOnlyOneLeftWhateverItsWeight) {
  std::vector<TestEndpoint> endpoints(600);
  for (size_t i = 0; i < endpoints.size(); ++i) endpoints[i].id = absl::StrCat("e", i);
  endpoints[321].weight = 1;
  const ServiceTable service = MakeService(cells_, endpoints);
  for (size_t i = 0; i < 600; ++i) {
    if (i != 321) {
      avoidance_.OnOutcome(service.endpoints[i].cell, TryOutcome::kConnectFailure, now_);
    }
  }
  EXPECT_EQ(PickOne(service).endpoint->id(), "e321");
}

TEST_F(PickerTest, AvoidedEndpointsAreUsedWhenNothingElseIsLeft) {
  const ServiceTable service = MakeService(cells_, {{"a"}, {"b"}});
  avoidance_.OnOutcome(service.endpoints[0].cell, TryOutcome::kConnectFailure, now_);
  EXPECT_EQ(Count(service, 500).at("b"), 500);
  avoidance_.OnOutcome(service.endpoints[1].cell, TryOutcome::kConnectFailure, now_);
  const PickResult result = PickOne(service);
  EXPECT_EQ(result.status, PickResult::Status::kPicked);
  EXPECT_FALSE(result.probe);
}

TEST_F(PickerTest, EndpointWhoseTimeIsOverIsProbedByOneRequest) {
  const ServiceTable service = MakeService(cells_, {{"a"}, {"b"}});
  avoidance_.OnOutcome(service.endpoints[0].cell, TryOutcome::kConnectFailure, now_);
  now_ = now_ + LocalAvoidance::kFirst;
  PickResult result;
  for (int i = 0; i < 100 && !result.probe; ++i) result = PickOne(service);
  ASSERT_TRUE(result.probe);
  EXPECT_EQ(result.endpoint->id(), "a");
  avoidance_.OnProbeStarted(result.endpoint->cell, now_);
  EXPECT_EQ(Count(service, 500).at("b"), 500);
}

TEST_F(PickerTest, EndpointsAtTheirLimitAreLeftOut) {
  ServiceTable service = MakeService(cells_, {{"a"}, {"b"}});
  service.policy.max_in_flight_per_endpoint = 2;
  for (int i = 0; i < 2; ++i) cells_.worker(0).StartTry(service.endpoints[0].cell, 2);
  EXPECT_EQ(Count(service, 500).at("b"), 500);
  for (int i = 0; i < 2; ++i) cells_.worker(0).StartTry(service.endpoints[1].cell, 2);
  EXPECT_EQ(PickOne(service).status, PickResult::Status::kAtLimit);
}

TEST_F(PickerTest, PickAndStartBeginsTheTryUntilAllAreAtTheirLimit) {
  ServiceTable service = MakeService(cells_, {{"a"}, {"b"}});
  service.policy.max_in_flight_per_endpoint = 3;
  const auto start = [&] {
    return PickAndStart(service, {cells_.worker(0), avoidance_, now_, &turns_}, &cells_.worker(0),
                        {}, key_, random_)
        .status;
  };
  for (int i = 0; i < 6; ++i) EXPECT_EQ(start(), PickResult::Status::kPicked);
  EXPECT_EQ(start(), PickResult::Status::kAtLimit);
  for (const size_t i : {0, 1}) {
    EXPECT_EQ(cells_.worker(0).InFlight(service.endpoints[i].cell), 3u);
  }
  cells_.worker(0).EndTry(service.endpoints[1].cell);
  EXPECT_EQ(start(), PickResult::Status::kPicked);
}

TEST_F(PickerTest, PrioritiesGetTheirShares) {
  const ServiceTable service =
      MakeService(cells_, {{"a", 65'536, 0}, {"b", 65'536, 1}}, {49'152, 16'384});
  const auto counts = Count(service, 40'000);
  EXPECT_NEAR(counts.at("a"), 30'000, 600);
  EXPECT_NEAR(counts.at("b"), 10'000, 600);
}

TEST_F(PickerTest, NextPriorityIsUsedWhenTheFirstHasNothingToTry) {
  const ServiceTable service = MakeService(cells_, {{"a", 65'536, 0}, {"b", 65'536, 1}});
  EXPECT_EQ(Count(service, 100).at("a"), 100);
  const std::vector<CellRef> tried = {service.endpoints[0].cell};
  EXPECT_EQ(PickOne(service, tried).endpoint->id(), "b");
}

// The published law of p2c: the number in flight stays close to the average on every endpoint.
TEST_F(PickerTest, SpreadsManyRequestsEvenly) {
  std::vector<TestEndpoint> endpoints(1000);
  for (size_t i = 0; i < endpoints.size(); ++i) endpoints[i].id = absl::StrCat("e", i);
  const ServiceTable service = MakeService(cells_, endpoints);
  for (int i = 0; i < 10'000; ++i) cells_.worker(0).StartTry(PickOne(service).endpoint->cell);
  uint32_t most = 0;
  for (size_t i = 0; i < service.endpoints.size(); ++i) {
    most = std::max(most, cells_.worker(0).InFlight(service.endpoints[i].cell));
  }
  EXPECT_LE(most, 14u) << "10 each on average; a single random choice reaches about 22";
}

class PickerLocalityTest : public PickerTest {
 protected:
  // Picks of a request that was in these localities.
  std::map<std::string, int> CountFrom(const ServiceTable& service,
                                       const std::vector<uint32_t>& localities,
                                       std::span<const CellRef> tried = {}) {
    key_.localities = localities;
    auto counts = Count(service, 1000, tried);
    key_.localities = {};
    return counts;
  }
  void Avoid(const ServiceTable& service, size_t position) {
    avoidance_.OnOutcome(service.endpoints[position].cell, TryOutcome::kConnectFailure, now_);
  }

  static constexpr uint32_t kNominal = 65'536;
  ServiceTable zones_ = MakeService(cells_, {{"a1", kNominal, 0, 1},
                                             {"a2", kNominal, 0, 1},
                                             {"b1", kNominal, 0, 2},
                                             {"b2", kNominal, 0, 2},
                                             {"c", kNominal, 0, 3}});
};

TEST_F(PickerLocalityTest, WithoutLocalitiesAnyWillDo) {
  EXPECT_EQ(CountFrom(zones_, {}).size(), 5u);
}

TEST_F(PickerLocalityTest, OneElsewhereIsPickedByWeight) {
  auto counts = CountFrom(zones_, {1});
  EXPECT_EQ(counts.size(), 3u);
  for (const auto& [id, count] : counts) EXPECT_NEAR(count, 333, 70) << id;
  EXPECT_EQ(CountFrom(zones_, {1, 2}).at("c"), 1000);
}

TEST_F(PickerLocalityTest, WhenNoneIsElsewhereItIsPickedAsEver) {
  EXPECT_EQ(CountFrom(zones_, {1, 2, 3}).size(), 5u);
  const std::vector<CellRef> tried = {zones_.endpoints[4].cell};
  EXPECT_EQ(CountFrom(zones_, {1, 2}, tried).size(), 4u) << "none that was not tried";
}

TEST_F(PickerLocalityTest, AnAvoidedOneElsewhereIsNoneThatFits) {
  Avoid(zones_, 4);
  const auto counts = CountFrom(zones_, {1, 2});
  EXPECT_EQ(counts.size(), 4u);
  EXPECT_FALSE(counts.contains("c"));
}

TEST_F(PickerLocalityTest, WhereNobodyKnowsIsNotElsewhere) {
  const ServiceTable service =
      MakeService(cells_, {{"a", kNominal, 0, 1}, {"b", kNominal, 0, 2}, {"unknown"}});
  EXPECT_EQ(CountFrom(service, {1}).at("b"), 1000);
  EXPECT_EQ(CountFrom(service, {1, 2}).size(), 3u);
}

TEST_F(PickerLocalityTest, AStandbyIsNotUsedForThatButAnotherPriorityWithAShareIs) {
  const std::vector<TestEndpoint> endpoints = {
      {"a1", kNominal, 0, 1}, {"a2", kNominal, 0, 1}, {"b", kNominal, 1, 2}};
  EXPECT_FALSE(CountFrom(MakeService(cells_, endpoints), {1}).contains("b"));
  EXPECT_EQ(CountFrom(MakeService(cells_, endpoints, {60'000, 5'536}), {1}).at("b"), 1000);
}

TEST_F(PickerLocalityTest, TheOnlyOneElsewhereOfMoreThanTheDrawsMeetIsFoundByTheWalk) {
  std::vector<TestEndpoint> endpoints(200, {"a", kNominal, 0, 1});
  endpoints[77] = {"b", 1, 0, 2};
  EXPECT_EQ(CountFrom(MakeService(cells_, endpoints), {1}).at("b"), 1000);
}

}  // namespace
}  // namespace pointsman::gateway
