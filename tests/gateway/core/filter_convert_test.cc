#include "gateway/core/filter_convert.h"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gateway/core/rate_limit.h"
#include "gateway/core/request_buffer.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Chain = std::shared_ptr<const FilterChain>;

FilterVerdict Ask(const Filter& filter) {
  const RouteRequest request{
      .host = "a", .path = "/", .method = "GET", .header = RouteRequest::Nothing};
  return filter.OnRequest(request, common::MonotonicTime::FromMicros(1'000'000),
                          common::MonotonicTime::Infinite());
}

// How many of `requests` at once the only filter lets through.
int LetThrough(const Chain& chain, int requests) {
  int count = 0;
  for (int i = 0; i < requests; ++i) {
    count += Ask(*chain->filters.at(0)).kind == FilterVerdict::Kind::kContinue ? 1 : 0;
  }
  return count;
}

// A route of before with these filters.
RouteEntry Before(const Chain& chain) {
  RouteEntry route;
  route.filters = chain;
  return route;
}

TEST(FilterConvertTest, ARouteWithoutThemHasNone) {
  v1::Route route;
  route.mutable_direct_response()->set_status(200);
  EXPECT_EQ(FiltersOf(route, nullptr), nullptr);
  const RouteEntry none;
  EXPECT_EQ(FiltersOf(route, &none), nullptr);
  route.mutable_rate_limit()->set_requests_per_second(1);
  const RouteEntry before = Before(FiltersOf(route, nullptr));
  route.clear_rate_limit();
  EXPECT_EQ(FiltersOf(route, &before), nullptr) << "what it had is gone";
}

TEST(FilterConvertTest, ARateLimitIsAFilterWithASecondsBurst) {
  v1::Route route;
  route.mutable_rate_limit()->set_requests_per_second(6.5);
  EXPECT_EQ(LetThrough(FiltersOf(route, nullptr), 20), 7);
  route.mutable_rate_limit()->set_requests_per_second(0.1);
  EXPECT_EQ(LetThrough(FiltersOf(route, nullptr), 20), 1);
  route.mutable_rate_limit()->set_burst(5);
  EXPECT_EQ(LetThrough(FiltersOf(route, nullptr), 20), 5);
  route.mutable_rate_limit()->set_requests_per_second(std::nan(""));
  EXPECT_EQ(LetThrough(FiltersOf(route, nullptr), 20), 5) << "a gateway must not fall over it";
}

TEST(FilterConvertTest, LimitsOutOfRangeMoveToTheNearestEnd) {
  v1::Route route;
  for (const double rate : {0.0, -1.0, -std::numeric_limits<double>::max()}) {
    route.mutable_rate_limit()->set_requests_per_second(rate);
    EXPECT_EQ(LetThrough(FiltersOf(route, nullptr), 20), 1) << rate;
  }
  route.mutable_rate_limit()->set_burst(1);
  route.mutable_rate_limit()->set_requests_per_second(0.001);
  route.mutable_rate_limit()->mutable_max_wait()->set_seconds(-5);
  Chain chain = FiltersOf(route, nullptr);
  EXPECT_EQ(LetThrough(chain, 1), 1);
  EXPECT_EQ(Ask(*chain->filters[0]).kind, FilterVerdict::Kind::kLimited) << "none waits";
  // The second one's turn comes after 1,000 s: nobody waits that long.
  route.mutable_rate_limit()->mutable_max_wait()->set_seconds(std::numeric_limits<int64_t>::max());
  chain = FiltersOf(route, nullptr);
  EXPECT_EQ(LetThrough(chain, 1), 1);
  EXPECT_EQ(Ask(*chain->filters[0]).kind, FilterVerdict::Kind::kLimited);
  route.mutable_rate_limit()->set_requests_per_second(0.1);
  chain = FiltersOf(route, nullptr);
  EXPECT_EQ(LetThrough(chain, 1), 1);
  EXPECT_EQ(Ask(*chain->filters[0]).kind, FilterVerdict::Kind::kSuspend) << "10 s are less";
}

TEST(FilterConvertTest, FiltersStandInTheirOrder) {
  v1::Route route;
  route.set_buffer_request(true);
  Chain chain = FiltersOf(route, nullptr);
  ASSERT_EQ(chain->filters.size(), 1u);
  EXPECT_NE(dynamic_cast<const RequestBuffer*>(chain->filters[0].get()), nullptr);
  route.mutable_rate_limit()->set_requests_per_second(1);
  chain = FiltersOf(route, nullptr);
  ASSERT_EQ(chain->filters.size(), 2u);
  EXPECT_EQ(chain->sources.size(), 2u);
  EXPECT_NE(dynamic_cast<const RateLimit*>(chain->filters[0].get()), nullptr)
      << "no body is kept for what is refused";
  EXPECT_NE(dynamic_cast<const RequestBuffer*>(chain->filters[1].get()), nullptr);
}

TEST(FilterConvertTest, FiltersThatDidNotChangeGoOnCounting) {
  v1::Route route;
  route.mutable_direct_response()->set_status(200);
  route.mutable_rate_limit()->set_requests_per_second(10);
  const RouteEntry before = Before(FiltersOf(route, nullptr));
  EXPECT_EQ(LetThrough(before.filters, 4), 4);
  route.mutable_direct_response()->set_status(204);
  EXPECT_EQ(LetThrough(FiltersOf(route, &before), 20), 6) << "of the same ten";
  route.mutable_rate_limit()->set_burst(3);
  EXPECT_EQ(LetThrough(FiltersOf(route, &before), 20), 3) << "another limit";
}

TEST(FilterConvertTest, AFilterGoesOnWhereItsPartOfTheRouteStays) {
  v1::Route route;
  route.mutable_rate_limit()->set_requests_per_second(1);
  const RouteEntry before = Before(FiltersOf(route, nullptr));
  EXPECT_EQ(FiltersOf(route, &before), before.filters);
  route.set_buffer_request(true);
  const Chain both = FiltersOf(route, &before);
  EXPECT_NE(both, before.filters);
  EXPECT_EQ(both->filters[0], before.filters->filters[0]) << "it goes on counting";
  route.mutable_rate_limit()->set_requests_per_second(2);
  const Chain other = FiltersOf(route, &before);
  EXPECT_NE(other->filters[0], before.filters->filters[0]);
  route.clear_rate_limit();
  const RouteEntry with_both = Before(both);
  const Chain buffer = FiltersOf(route, &with_both);
  ASSERT_EQ(buffer->filters.size(), 1u);
  EXPECT_EQ(buffer->filters[0], both->filters[1]) << "wherever it stood";
}

}  // namespace
}  // namespace pointsman::gateway
