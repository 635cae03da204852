#include "gateway/core/config_convert.h"

#include <cmath>
#include <limits>

#include "gateway/core/filter.h"
#include "gateway/core/rate_limit.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(ConfigConvertTest, AbsentFieldsGetTheirDefaults) {
  EXPECT_EQ(PolicyOf(v1::Service()), ServicePolicy());
}

TEST(ConfigConvertTest, ZerosThatAreWrittenAreKept) {
  v1::Service service;
  service.mutable_retries()->set_max_retries(0);
  service.mutable_retries()->set_budget_ratio(0);
  service.mutable_retries()->set_budget_min_per_second(0);
  const ServicePolicy policy = PolicyOf(service);
  EXPECT_EQ(policy.max_retries, 0u);
  EXPECT_EQ(policy.retry_budget_ratio, 0);
  EXPECT_EQ(policy.retry_budget_min_per_second, 0u);
}

TEST(ConfigConvertTest, TheProtocolOfTheEndpoints) {
  v1::Service service;
  EXPECT_FALSE(PolicyOf(service).upstream_http2);
  service.set_protocol(v1::PROTOCOL_HTTP1);
  EXPECT_FALSE(PolicyOf(service).upstream_http2);
  service.set_protocol(v1::PROTOCOL_HTTP2);
  EXPECT_TRUE(PolicyOf(service).upstream_http2);
  service.set_authority("a.example:80");
  EXPECT_EQ(PolicyOf(service).authority, "a.example:80");
  service.set_authority("a\r\nb: c");
  EXPECT_EQ(PolicyOf(service).authority, "") << "however it came here";
}

TEST(ConfigConvertTest, ValuesOutOfRangeMoveToTheNearestEnd) {
  v1::Service service;
  service.mutable_timeouts()->mutable_connect()->set_seconds(-5);
  service.mutable_timeouts()->mutable_idle()->set_seconds(std::numeric_limits<int64_t>::max());
  service.mutable_retries()->set_max_retries(99);
  service.mutable_retries()->set_budget_ratio(std::numeric_limits<double>::quiet_NaN());
  const ServicePolicy policy = PolicyOf(service);
  EXPECT_EQ(policy.connect_timeout, absl::Milliseconds(1));
  EXPECT_EQ(policy.idle_timeout, absl::Hours(24));
  EXPECT_EQ(policy.max_retries, 5u);
  EXPECT_EQ(policy.retry_budget_ratio, 0.2);
}

TEST(ConfigConvertTest, AWholeRequestsTimeOfZeroIsNoLimit) {
  v1::Service service;
  EXPECT_EQ(PolicyOf(service).request_timeout, absl::Minutes(5));
  service.mutable_timeouts()->mutable_request();
  EXPECT_EQ(PolicyOf(service).request_timeout, absl::InfiniteDuration());
  service.mutable_timeouts()->mutable_request()->set_seconds(-1);
  EXPECT_EQ(PolicyOf(service).request_timeout, absl::Milliseconds(1));
  v1::Config config;
  config.add_routes()->mutable_direct_response()->set_status(200);
  config.mutable_routes(0)->mutable_request_timeout();
  EXPECT_EQ((*RoutesOf(config, {}))[0].request_timeout, absl::InfiniteDuration());
}

// How many of `requests` at once a route's only filter lets through.
int LetThrough(const RouteEntry& route, int requests) {
  const RouteRequest request{
      .host = "a", .path = "/", .method = "GET", .header = [](absl::string_view) {
        return std::nullopt;
      }};
  int count = 0;
  for (int i = 0; i < requests; ++i) {
    const auto verdict = route.filters->filters.at(0)->OnRequest(
        request, common::MonotonicTime::FromMicros(1'000'000), common::MonotonicTime::Infinite());
    count += verdict.kind == FilterVerdict::Kind::kContinue ? 1 : 0;
  }
  return count;
}

TEST(ConfigConvertTest, ARateLimitIsAFilterWithASecondsBurst) {
  v1::Config config;
  v1::Route* route = config.add_routes();
  route->set_name("routes/r");
  route->mutable_direct_response()->set_status(200);
  EXPECT_EQ((*RoutesOf(config, {}))[0].filters, nullptr);
  route->mutable_rate_limit()->set_requests_per_second(6.5);
  EXPECT_EQ(LetThrough((*RoutesOf(config, {}))[0], 20), 7);
  route->mutable_rate_limit()->set_requests_per_second(0.1);
  EXPECT_EQ(LetThrough((*RoutesOf(config, {}))[0], 20), 1);
  route->mutable_rate_limit()->set_burst(5);
  EXPECT_EQ(LetThrough((*RoutesOf(config, {}))[0], 20), 5);
  route->mutable_rate_limit()->set_requests_per_second(std::nan(""));
  EXPECT_EQ(LetThrough((*RoutesOf(config, {}))[0], 20), 5) << "a gateway must not fall over it";
}

TEST(ConfigConvertTest, FiltersThatDidNotChangeGoOnCounting) {
  v1::Config config;
  v1::Route* route = config.add_routes();
  route->set_name("routes/r");
  route->mutable_direct_response()->set_status(200);
  route->mutable_rate_limit()->set_requests_per_second(10);
  const auto before = *Router::Build(*RoutesOf(config, {}));
  EXPECT_EQ(LetThrough(*before->Find("r"), 4), 4);
  route->mutable_direct_response()->set_status(204);
  EXPECT_EQ(LetThrough((*RoutesOf(config, {}, before.get()))[0], 20), 6) << "of the same ten";
  route->mutable_rate_limit()->set_burst(3);
  EXPECT_EQ(LetThrough((*RoutesOf(config, {}, before.get()))[0], 20), 3) << "another limit";
}

TEST(ConfigConvertTest, ReadsRoutesOfEveryForm) {
  v1::Config config;
  v1::Route* route = config.add_routes();
  route->set_name("routes/r");
  route->add_hosts("A.Test");
  route->mutable_match()->set_prefix("/api");
  route->mutable_match()->add_methods("GET");
  v1::HeaderMatch* header = route->mutable_match()->add_headers();
  header->set_name("X-A");
  header->set_present(false);
  route->set_service("services/web");
  route->mutable_request_timeout()->set_seconds(3);
  route->mutable_path_options()->set_allow_encoded_slash(true);
  route->mutable_path_options()->set_keep_empty_segments(true);
  for (const char* name : {"SPDY/3.1", "h2c", "tcp"}) route->add_upgrades(name);
  v1::Route* direct = config.add_routes();
  direct->set_name("d");
  direct->mutable_direct_response()->set_status(418);
  direct->mutable_direct_response()->set_body("no");
  const auto routes = RoutesOf(config, {{"web", 4}});
  ASSERT_TRUE(routes.ok()) << routes.status();
  EXPECT_EQ((*routes)[0].name, "r");
  EXPECT_EQ((*routes)[0].hosts, (std::vector<std::string>{"a.test"}));
  EXPECT_EQ((*routes)[0].path_kind, RouteEntry::PathKind::kPrefix);
  EXPECT_EQ((*routes)[0].headers[0].name, "x-a");
  EXPECT_EQ((*routes)[0].headers[0].text.kind, TextCondition::Kind::kAbsent);
  EXPECT_EQ((*routes)[0].service, 4u);
  EXPECT_EQ((*routes)[0].request_timeout, absl::Seconds(3));
  EXPECT_EQ((*routes)[0].path_traits, common::kPathEncodedSlash | common::kPathEmptySegment);
  EXPECT_EQ((*routes)[0].upgrades, (std::vector<std::string>{"SPDY/3.1", "tcp"}));
  EXPECT_EQ((*routes)[1].path_traits, 0);
  EXPECT_TRUE((*routes)[1].upgrades.empty());
  EXPECT_EQ((*routes)[1].service, RouteEntry::kNoService);
  EXPECT_EQ((*routes)[1].direct_status, 418);
}

TEST(ConfigConvertTest, ReadsConditionsOnTheBody) {
  v1::Config config;
  v1::Route* route = config.add_routes();
  route->set_name("r");
  route->mutable_direct_response()->set_status(200);
  v1::JsonMatch* json = route->mutable_match()->add_json();
  json->set_pointer("/a~1b/0");
  json->set_matches("x+");
  route->mutable_match()->add_json()->set_pointer("/c");
  const auto routes = RoutesOf(config, {});
  ASSERT_TRUE(routes.ok()) << routes.status();
  const auto& conditions = (*routes)[0].json;
  EXPECT_EQ(conditions[0].pointer.steps, (std::vector<std::string>{"a/b", "0"}));
  EXPECT_EQ(conditions[0].text.kind, TextCondition::Kind::kPattern);
  EXPECT_EQ(conditions[0].text.value, "x+");
  EXPECT_EQ(conditions[1].text.kind, TextCondition::Kind::kPresent);
  route->mutable_match()->add_json()->set_pointer("c");
  EXPECT_FALSE(RoutesOf(config, {}).ok());
}

TEST(ConfigConvertTest, FiltersStandInTheirOrder) {
  v1::Config config;
  v1::Route* route = config.add_routes();
  route->set_name("r");
  route->mutable_direct_response()->set_status(200);
  route->set_buffer_request(true);
  const auto filters = [&] { return (*RoutesOf(config, {}))[0].filters->filters.size(); };
  EXPECT_EQ(filters(), 1u);
  route->mutable_rate_limit()->set_requests_per_second(1);
  ASSERT_EQ(filters(), 2u);
  const auto chain = (*RoutesOf(config, {}))[0].filters;
  EXPECT_NE(dynamic_cast<const RateLimit*>(chain->filters[0].get()), nullptr)
      << "no body is kept for what is refused";
}

TEST(ConfigConvertTest, AFilterGoesOnWhereItsPartOfTheRouteStays) {
  v1::Config config;
  v1::Route* route = config.add_routes();
  route->set_name("r");
  route->mutable_direct_response()->set_status(200);
  route->mutable_rate_limit()->set_requests_per_second(1);
  const auto before = Router::Build(*RoutesOf(config, {}));
  ASSERT_TRUE(before.ok());
  const auto chain = (*before)->routes()[0].filters;
  const auto next = [&] { return (*RoutesOf(config, {}, before->get()))[0].filters; };
  EXPECT_EQ(next(), chain);
  route->set_buffer_request(true);
  EXPECT_NE(next(), chain);
  EXPECT_EQ(next()->filters[0], chain->filters[0]) << "it goes on counting";
  route->mutable_rate_limit()->set_requests_per_second(2);
  EXPECT_NE(next()->filters[0], chain->filters[0]);
}

TEST(ConfigConvertTest, RefusesRoutesThatLeadNowhere) {
  v1::Config config;
  v1::Route* route = config.add_routes();
  route->set_name("r");
  EXPECT_FALSE(RoutesOf(config, {}).ok()) << "no action";
  route->set_service("missing");
  EXPECT_FALSE(RoutesOf(config, {{"web", 0}}).ok());
  route->mutable_direct_response()->set_status(99);
  EXPECT_FALSE(RoutesOf(config, {}).ok());
}

TEST(ConfigConvertTest, PoliciesNameTheTlsOfTheirService) {
  v1::Config config;
  EXPECT_EQ(UpstreamTlsOf(config), nullptr);
  config.add_services()->set_name("plain");
  EXPECT_EQ(UpstreamTlsOf(config), nullptr);
  EXPECT_EQ(PolicyOf(config.services(0)).upstream_tls, 0u);
  v1::Service* service = config.add_services();
  service->set_protocol(v1::PROTOCOL_HTTP2);
  service->mutable_tls()->set_server_name("a.internal");
  const auto map = UpstreamTlsOf(config);
  ASSERT_NE(map, nullptr);
  ASSERT_EQ(map->size(), 1u);
  const UpstreamTls& tls = map->at(PolicyOf(*service).upstream_tls);
  EXPECT_EQ(tls.server_name, "a.internal");
  EXPECT_EQ(tls.protocol, UpstreamProtocol::kHttp2);
  EXPECT_FALSE(tls.insecure);
}

TEST(ConfigConvertTest, ServiceIdsAreValidUniqueAndSorted) {
  v1::Config config;
  config.add_services()->set_name("services/b");
  config.add_services()->set_name("a");
  EXPECT_EQ(*ServiceIds(config), (std::vector<std::string>{"a", "b"}));
  config.add_services()->set_name("services/a");
  EXPECT_EQ(ServiceIds(config).status().code(), absl::StatusCode::kInvalidArgument);
  config.mutable_services(2)->set_name("Not valid");
  EXPECT_FALSE(ServiceIds(config).ok());
  for (int i = 0; i < 10'001; ++i) config.add_services();
  EXPECT_EQ(ServiceIds(config).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace pointsman::gateway
