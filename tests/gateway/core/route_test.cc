#include "gateway/core/route.h"

#include <cstdint>
#include <map>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

RouteEntry SplitOf(std::vector<SplitTarget> split) {
  RouteEntry route;
  route.split = std::move(split);
  return route;
}

TEST(RouteTest, WithoutASplitThereIsOneTarget) {
  RouteEntry route;
  EXPECT_EQ(route.Target(0), RouteEntry::kNoService);
  route.service = 7;
  EXPECT_EQ(route.Target(0), 7u);
  EXPECT_EQ(route.Target(UINT32_MAX), 7u);
}

TEST(RouteTest, TicketsAreDividedByWeight) {
  const RouteEntry route = SplitOf({{10, 3}, {20, 1}});
  EXPECT_EQ(route.Target(0), 10u);
  EXPECT_EQ(route.Target(0xBFFFFFFF), 10u);
  EXPECT_EQ(route.Target(0xC0000000), 20u);
  EXPECT_EQ(route.Target(UINT32_MAX), 20u);
}

TEST(RouteTest, AWeightOfZeroGetsNothing) {
  for (const RouteEntry& route :
       {SplitOf({{10, 0}, {20, 5}}), SplitOf({{20, 5}, {10, 0}}),
        SplitOf({{10, 0}, {20, 5}, {10, 0}}), SplitOf({{20, 1}, {10, 0}, {20, 1}})}) {
    for (const uint32_t ticket : {0u, 1u, 0x7FFFFFFFu, 0x80000000u, UINT32_MAX - 1, UINT32_MAX}) {
      EXPECT_EQ(route.Target(ticket), 20u) << ticket;
    }
  }
}

TEST(RouteTest, TheLargestWeightsDoNotOverflow) {
  std::vector<SplitTarget> split;
  for (uint32_t i = 0; i < 16; ++i) split.push_back({i, 1'000'000});
  const RouteEntry route = SplitOf(split);
  for (uint32_t i = 0; i < 16; ++i) {
    EXPECT_EQ(route.Target(i << 28), i);
    EXPECT_EQ(route.Target((i << 28) + 0x0FFFFFFF), i);
  }
}

TEST(RouteTest, SharesFollowTheWeights) {
  const RouteEntry route = SplitOf({{1, 5}, {2, 0}, {3, 15}, {4, 80}});
  std::map<uint32_t, int> counts;
  constexpr uint32_t kStep = UINT32_MAX / 100'000;
  for (uint32_t i = 0; i < 100'000; ++i) ++counts[route.Target(i * kStep)];
  EXPECT_NEAR(counts[1], 5'000, 5);
  EXPECT_EQ(counts.count(2), 0u);
  EXPECT_NEAR(counts[3], 15'000, 5);
  EXPECT_NEAR(counts[4], 80'000, 5);
}

TEST(PolicyOverridesTest, WhatIsAbsentIsTheServices) {
  ServicePolicy policy;
  policy.max_retries = 4;
  policy.request_timeout = absl::Seconds(9);
  policy.retry_statuses.Add(503);
  const ServicePolicy before = policy;
  PolicyOverrides().ApplyTo(&policy);
  EXPECT_EQ(policy, before);
}

TEST(PolicyOverridesTest, EachReplacesItsPartAlone) {
  const auto applied = [](const PolicyOverrides& overrides) {
    ServicePolicy policy;
    policy.retry_statuses.Add(503);
    overrides.ApplyTo(&policy);
    return policy;
  };
  const auto only = [&](auto PolicyOverrides::*part, auto value) {
    PolicyOverrides overrides;
    overrides.*part = value;
    return applied(overrides);
  };
  ServicePolicy expected = applied({});
  expected.request_timeout = absl::InfiniteDuration();
  EXPECT_EQ(only(&PolicyOverrides::request_timeout, absl::InfiniteDuration()), expected);
  expected = applied({});
  expected.first_byte_timeout = absl::Seconds(2);
  EXPECT_EQ(only(&PolicyOverrides::first_byte_timeout, absl::Seconds(2)), expected);
  expected = applied({});
  expected.idle_timeout = absl::Seconds(3);
  EXPECT_EQ(only(&PolicyOverrides::idle_timeout, absl::Seconds(3)), expected);
  expected = applied({});
  expected.per_try_timeout = absl::Seconds(4);
  EXPECT_EQ(only(&PolicyOverrides::per_try_timeout, absl::Seconds(4)), expected);
  expected = applied({});
  expected.max_retries = 0;
  EXPECT_EQ(only(&PolicyOverrides::max_retries, 0u), expected) << "zero is a value";
  expected = applied({});
  expected.retry_statuses = RetryStatuses();
  expected.retry_statuses.Add(500);
  RetryStatuses statuses;
  statuses.Add(500);
  EXPECT_EQ(only(&PolicyOverrides::retry_statuses, statuses), expected)
      << "the list is replaced, not added to";
}

}  // namespace
}  // namespace pointsman::gateway
