#include "gateway/core/route_convert.h"

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gateway/core/filter.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Text = TextCondition::Kind;
using PathKind = RouteEntry::PathKind;
using Fields = std::vector<std::pair<std::string, std::string>>;

// The places of the services that tests know.
const std::map<std::string, uint32_t>& Indexes() {
  static const auto* indexes =
      new std::map<std::string, uint32_t>{{"web", 4}, {"canary", 2}, {"copy", 7}};
  return *indexes;
}

// A configuration of one route, which the gateway answers.
class RouteConvertTest : public ::testing::Test {
 protected:
  RouteConvertTest() {
    route_->set_name("routes/r");
    route_->mutable_direct_response()->set_status(200);
  }
  RouteEntry Read() {
    const auto routes = RoutesOf(config_, Indexes());
    EXPECT_TRUE(routes.ok()) << routes.status();
    return routes.ok() ? routes->at(0) : RouteEntry();
  }
  // Why it is refused; "none": it is not.
  std::string Refusal() {
    const auto routes = RoutesOf(config_, Indexes());
    if (routes.ok()) return "none";
    EXPECT_EQ(routes.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(routes.status().message());
  }

  v1::Config config_;
  v1::Route* route_ = config_.add_routes();
};

TEST_F(RouteConvertTest, ReadsRoutesOfEveryForm) {
  route_->add_hosts("A.Test");
  route_->mutable_match()->set_prefix("/api");
  route_->mutable_match()->add_methods("GET");
  v1::HeaderMatch* header = route_->mutable_match()->add_headers();
  header->set_name("X-A");
  header->set_present(false);
  route_->set_service("services/web");
  route_->mutable_request_timeout()->set_seconds(3);
  route_->mutable_path_options()->set_allow_encoded_slash(true);
  route_->mutable_path_options()->set_keep_empty_segments(true);
  for (const char* name : {"SPDY/3.1", "h2c", "tcp"}) route_->add_upgrades(name);
  v1::Route* direct = config_.add_routes();
  direct->set_name("d");
  direct->mutable_direct_response()->set_status(418);
  direct->mutable_direct_response()->set_body("no");
  const auto routes = RoutesOf(config_, Indexes());
  ASSERT_TRUE(routes.ok()) << routes.status();
  EXPECT_EQ((*routes)[0].name, "r");
  EXPECT_EQ((*routes)[0].hosts, (std::vector<std::string>{"a.test"}));
  EXPECT_EQ((*routes)[0].path_kind, PathKind::kPrefix);
  EXPECT_EQ((*routes)[0].headers[0].name, "x-a");
  EXPECT_EQ((*routes)[0].headers[0].text.kind, Text::kAbsent);
  EXPECT_EQ((*routes)[0].service, 4u);
  EXPECT_EQ((*routes)[0].overrides.request_timeout, absl::Seconds(3));
  EXPECT_EQ((*routes)[0].path_traits, common::kPathEncodedSlash | common::kPathEmptySegment);
  EXPECT_EQ((*routes)[0].upgrades, (std::vector<std::string>{"SPDY/3.1", "tcp"}));
  EXPECT_EQ((*routes)[1].path_traits, 0);
  EXPECT_TRUE((*routes)[1].upgrades.empty());
  EXPECT_EQ((*routes)[1].service, RouteEntry::kNoService);
  EXPECT_EQ((*routes)[1].direct_status, 418);
  EXPECT_EQ((*routes)[1].direct_body, "no");
  EXPECT_EQ((*routes)[1].redirect, nullptr);
  EXPECT_EQ((*routes)[1].rewrite, nullptr);
  EXPECT_FALSE((*routes)[1].mirror.has_value());
  EXPECT_FALSE((*routes)[1].clients.has_value());
}

TEST_F(RouteConvertTest, ReadsPathsOfEveryKind) {
  v1::RouteMatch* match = route_->mutable_match();
  EXPECT_EQ(Read().path_kind, PathKind::kAny);
  match->set_exact("/a");
  EXPECT_EQ(Read().path_kind, PathKind::kExact);
  EXPECT_EQ(Read().path, "/a");
  match->set_template_("/{b}");
  EXPECT_EQ(Read().path_kind, PathKind::kTemplate);
  EXPECT_EQ(Read().path, "/{b}");
  match->set_pattern("/c+");
  EXPECT_EQ(Read().path_kind, PathKind::kPattern);
  EXPECT_EQ(Read().path, "/c+");
}

TEST_F(RouteConvertTest, EveryTraitOfPathsHasItsOption) {
  v1::PathOptions* options = route_->mutable_path_options();
  options->set_allow_encoded_percent(true);
  EXPECT_EQ(Read().path_traits, common::kPathEncodedPercent);
  options->Clear();
  options->set_allow_semicolon(true);
  EXPECT_EQ(Read().path_traits, common::kPathSemicolon);
  options->Clear();
  options->set_allow_encoded_query(true);
  EXPECT_EQ(Read().path_traits, common::kPathEncodedQuery);
}

TEST_F(RouteConvertTest, AServiceOfGrpcIsAPrefixAndAMethodAPath) {
  v1::RouteMatch* match = route_->mutable_match();
  match->set_grpc_service("a.Greeter");
  EXPECT_EQ(Read().path_kind, PathKind::kPrefix);
  EXPECT_EQ(Read().path, "/a.Greeter");
  ASSERT_EQ(Read().headers.size(), 1u) << "it means gRPC's requests";
  match->set_grpc_method("SayHello");
  EXPECT_EQ(Read().path_kind, PathKind::kExact);
  EXPECT_EQ(Read().path, "/a.Greeter/SayHello");
  match->set_grpc(true);
  EXPECT_EQ(Read().headers.size(), 1u) << "once";
}

TEST_F(RouteConvertTest, GrpcIsToldByTheContentType) {
  route_->mutable_match()->set_grpc(true);
  EXPECT_EQ(Read().path_kind, PathKind::kAny);
  NamedCondition condition = Read().headers.at(0);
  EXPECT_EQ(condition.name, "content-type");
  ASSERT_TRUE(condition.text.Compile().ok());
  for (const char* type : {"application/grpc", "Application/gRPC+proto", "application/grpc;a=b"}) {
    EXPECT_TRUE(condition.text.Holds(type)) << type;
  }
  for (const char* type : {"", "application/json", "application/grpcx", "text/application/grpc"}) {
    EXPECT_FALSE(condition.text.Holds(type)) << type;
  }
}

TEST_F(RouteConvertTest, ReadsParametersAndCookies) {
  v1::ParameterMatch* exact = route_->mutable_match()->add_query();
  exact->set_name("User Id");
  exact->set_exact("7");
  route_->mutable_match()->add_query()->set_name("any");
  v1::ParameterMatch* prefix = route_->mutable_match()->add_cookies();
  prefix->set_name("Session");
  prefix->set_prefix("v2");
  v1::ParameterMatch* pattern = route_->mutable_match()->add_cookies();
  pattern->set_name("b");
  pattern->set_matches("x+");
  v1::ParameterMatch* present = route_->mutable_match()->add_cookies();
  present->set_name("c");
  present->set_present(true);
  const RouteEntry route = Read();
  ASSERT_EQ(route.query.size(), 2u);
  EXPECT_EQ(route.query[0].name, "User Id") << "names of parameters have a case";
  EXPECT_EQ(route.query[0].text.kind, Text::kExact);
  EXPECT_EQ(route.query[0].text.value, "7");
  EXPECT_EQ(route.query[1].text.kind, Text::kPresent);
  ASSERT_EQ(route.cookies.size(), 3u);
  EXPECT_EQ(route.cookies[0].name, "Session");
  EXPECT_EQ(route.cookies[0].text.kind, Text::kPrefix);
  EXPECT_EQ(route.cookies[1].text.kind, Text::kPattern);
  EXPECT_EQ(route.cookies[1].text.value, "x+");
  EXPECT_EQ(route.cookies[2].text.kind, Text::kPresent);
  EXPECT_TRUE(route.headers.empty());
}

TEST_F(RouteConvertTest, ReadsNetworksOfClients) {
  for (const char* network : {"10.0.0.0/8", "2001:db8::7"}) {
    route_->mutable_match()->add_client_addresses(network);
  }
  const RouteEntry route = Read();
  ASSERT_TRUE(route.clients.has_value());
  EXPECT_TRUE(route.clients->Contains(*common::ParseIpAddress("10.1.2.3")));
  EXPECT_TRUE(route.clients->Contains(*common::ParseIpAddress("2001:db8::7")));
  EXPECT_FALSE(route.clients->Contains(*common::ParseIpAddress("11.0.0.1")));
  route_->mutable_match()->add_client_addresses("nowhere");
  EXPECT_TRUE(absl::StrContains(Refusal(), "client_addresses"));
}

TEST_F(RouteConvertTest, ReadsConditionsOnTheBody) {
  v1::JsonMatch* json = route_->mutable_match()->add_json();
  json->set_pointer("/a~1b/0");
  json->set_matches("x+");
  route_->mutable_match()->add_json()->set_pointer("/c");
  const RouteEntry route = Read();
  EXPECT_EQ(route.json.at(0).pointer.steps, (std::vector<std::string>{"a/b", "0"}));
  EXPECT_EQ(route.json[0].text.kind, Text::kPattern);
  EXPECT_EQ(route.json[0].text.value, "x+");
  EXPECT_EQ(route.json[1].text.kind, Text::kPresent);
  route_->mutable_match()->add_json()->set_pointer("c");
  EXPECT_NE(Refusal(), "none");
}

TEST_F(RouteConvertTest, ReadsSplits) {
  v1::SplitShare* share = route_->mutable_split()->add_shares();
  share->set_service("services/web");
  share->set_weight(9);
  share = route_->mutable_split()->add_shares();
  share->set_service("canary");
  share->set_weight(4'000'000'000);
  RouteEntry route = Read();
  EXPECT_EQ(route.service, RouteEntry::kNoService);
  ASSERT_EQ(route.split.size(), 2u);
  EXPECT_EQ(route.split[0].service, 4u);
  EXPECT_EQ(route.split[0].weight, 9u);
  EXPECT_EQ(route.split[1].service, 2u);
  EXPECT_EQ(route.split[1].weight, 1'000'000u) << "the nearest end";
  share->set_weight(0);
  EXPECT_EQ(Read().split[1].weight, 0u);
  route_->mutable_split()->mutable_shares(0)->set_weight(0);
  EXPECT_NE(Refusal(), "none") << "a split of nothing";
  route_->mutable_split()->clear_shares();
  EXPECT_NE(Refusal(), "none");
}

TEST_F(RouteConvertTest, ReadsRedirects) {
  v1::Redirect* message = route_->mutable_redirect();
  message->set_scheme("https");
  auto redirect = Read().redirect;
  ASSERT_NE(redirect, nullptr);
  EXPECT_EQ(redirect->status, 302);
  EXPECT_EQ(redirect->scheme, "https");
  EXPECT_EQ(redirect->host, "");
  EXPECT_EQ(redirect->path.kind, PathChange::Kind::kNone);
  EXPECT_FALSE(redirect->strip_query);
  message->set_status(308);
  message->set_host("b.test:81");
  message->set_path("/new");
  message->set_strip_query(true);
  redirect = Read().redirect;
  EXPECT_EQ(redirect->status, 308);
  EXPECT_EQ(redirect->host, "b.test:81");
  EXPECT_EQ(redirect->path.kind, PathChange::Kind::kWhole);
  EXPECT_EQ(redirect->path.text, "/new");
  EXPECT_TRUE(redirect->strip_query);
  message->set_prefix("/v2");
  EXPECT_EQ(Read().redirect->path.kind, PathChange::Kind::kPrefix);
  EXPECT_EQ(Read().redirect->path.text, "/v2");
}

TEST_F(RouteConvertTest, RedirectsThatCannotBeAreMendedHoweverTheyCame) {
  v1::Redirect* message = route_->mutable_redirect();
  const std::pair<uint32_t, int> kStatuses[] = {
      {200, 301}, {599, 308}, {65'536 + 200, 308}, {303, 303}};
  for (const auto& [status, expected] : kStatuses) {
    message->set_status(status);
    EXPECT_EQ(Read().redirect->status, expected) << status;
  }
  message->set_host("a\r\nb: c");
  message->set_scheme("javascript");
  EXPECT_EQ(Read().redirect->host, "");
  EXPECT_EQ(Read().redirect->scheme, "");
}

TEST_F(RouteConvertTest, ReadsRewrites) {
  route_->set_service("web");
  EXPECT_EQ(Read().rewrite, nullptr);
  v1::Rewrite* message = route_->mutable_rewrite();
  ASSERT_NE(Read().rewrite, nullptr);
  EXPECT_EQ(Read().rewrite->path.kind, PathChange::Kind::kNone);
  message->set_host("b.test");
  message->set_path("/v/{id}");
  EXPECT_EQ(Read().rewrite->host, "b.test");
  EXPECT_EQ(Read().rewrite->path.kind, PathChange::Kind::kWhole);
  EXPECT_EQ(Read().rewrite->path.text, "/v/{id}");
  message->set_prefix("/v2");
  EXPECT_EQ(Read().rewrite->path.kind, PathChange::Kind::kPrefix);
  EXPECT_EQ(Read().rewrite->path.text, "/v2");
  message->mutable_pattern()->set_matches("a(.)");
  message->mutable_pattern()->set_substitution("\\1");
  EXPECT_EQ(Read().rewrite->path.kind, PathChange::Kind::kPattern);
  EXPECT_EQ(Read().rewrite->path.pattern_text, "a(.)");
  EXPECT_EQ(Read().rewrite->path.text, "\\1");
  message->set_host("a b");
  EXPECT_EQ(Read().rewrite->host, "") << "however it came here";
}

TEST_F(RouteConvertTest, ReadsChangesOfFieldsByName) {
  v1::HeaderChanges* request = route_->mutable_rewrite()->mutable_request_headers();
  request->add_remove("X-B");
  request->add_remove("x-a");
  for (const char* name : {"X-Z", "x-m", "X-A"}) (*request->mutable_set())[name] = name;
  (*request->mutable_add())["Y"] = "";
  (*route_->mutable_rewrite()->mutable_response_headers()->mutable_add())["Z"] = "1";
  const auto rewrite = Read().rewrite;
  EXPECT_EQ(rewrite->request_headers.remove, (std::vector<std::string>{"x-b", "x-a"}));
  EXPECT_EQ(rewrite->request_headers.set, (Fields{{"x-a", "X-A"}, {"x-m", "x-m"}, {"x-z", "X-Z"}}));
  EXPECT_EQ(rewrite->request_headers.add, (Fields{{"y", ""}}));
  EXPECT_TRUE(rewrite->response_headers.set.empty());
  EXPECT_EQ(rewrite->response_headers.add, (Fields{{"z", "1"}}));
}

TEST_F(RouteConvertTest, FieldsThatBreakAMessageAreLeftOutHoweverTheyCame) {
  v1::HeaderChanges* request = route_->mutable_rewrite()->mutable_request_headers();
  auto& set = *request->mutable_set();
  set["a b"] = "1";
  set[""] = "1";
  set["x-a"] = "b\r\nc: d";
  set["x-b"] = std::string("b\0", 2);
  set["x-c"] = "b\tc d";
  EXPECT_EQ(Read().rewrite->request_headers.set, (Fields{{"x-c", "b\tc d"}}));
}

TEST_F(RouteConvertTest, ReadsMirrors) {
  route_->set_service("web");
  v1::Mirror* message = route_->mutable_mirror();
  message->set_service("services/copy");
  EXPECT_EQ(Read().mirror->service, 7u);
  EXPECT_EQ(Read().mirror->share, 1) << "absent";
  const std::pair<double, double> kShares[] = {
      {0, 0}, {0.25, 0.25}, {-1, 0}, {2, 1}, {std::nan(""), 1}};
  for (const auto& [share, expected] : kShares) {
    message->set_share(share);
    EXPECT_EQ(Read().mirror->share, expected) << share;
  }
  message->set_service("missing");
  EXPECT_NE(Refusal(), "none");
}

TEST_F(RouteConvertTest, HowCriticalItsRequestsAre) {
  EXPECT_EQ(Read().criticality, Criticality::kStandard);
  const std::pair<v1::Criticality, Criticality> kAll[] = {
      {v1::CRITICALITY_CRITICAL, Criticality::kCritical},
      {v1::CRITICALITY_STANDARD, Criticality::kStandard},
      {v1::CRITICALITY_SHEDDABLE, Criticality::kSheddable},
      {static_cast<v1::Criticality>(99), Criticality::kStandard},
  };
  for (const auto& [given, expected] : kAll) {
    route_->set_criticality(given);
    EXPECT_EQ(Read().criticality, expected) << given;
  }
}

TEST_F(RouteConvertTest, WhatIsAbsentReplacesNothing) {
  const PolicyOverrides overrides = Read().overrides;
  EXPECT_FALSE(overrides.request_timeout.has_value());
  EXPECT_FALSE(overrides.first_byte_timeout.has_value());
  EXPECT_FALSE(overrides.idle_timeout.has_value());
  EXPECT_FALSE(overrides.per_try_timeout.has_value());
  EXPECT_FALSE(overrides.max_retries.has_value());
  EXPECT_FALSE(overrides.retry_statuses.has_value());
}

TEST_F(RouteConvertTest, ReadsWhatReplacesTheServicesPolicy) {
  route_->mutable_request_timeout();
  route_->mutable_first_byte_timeout()->set_seconds(2);
  route_->mutable_idle_timeout()->set_nanos(1'500'000);
  v1::RouteRetries* retries = route_->mutable_retries();
  retries->set_max_retries(0);
  retries->mutable_per_try_timeout()->set_seconds(4);
  retries->add_statuses(503);
  const PolicyOverrides overrides = Read().overrides;
  EXPECT_EQ(overrides.request_timeout, absl::InfiniteDuration()) << "zero is no limit";
  EXPECT_EQ(overrides.first_byte_timeout, absl::Seconds(2));
  EXPECT_EQ(overrides.idle_timeout, absl::Microseconds(1500));
  EXPECT_EQ(overrides.max_retries, 0u);
  EXPECT_EQ(overrides.per_try_timeout, absl::Seconds(4));
  ASSERT_TRUE(overrides.retry_statuses.has_value());
  EXPECT_TRUE(overrides.retry_statuses->Has(503));
  EXPECT_FALSE(overrides.retry_statuses->Has(500));
}

TEST_F(RouteConvertTest, ValuesOutOfRangeMoveToTheNearestEnd) {
  route_->mutable_request_timeout()->set_seconds(-1);
  route_->mutable_first_byte_timeout();
  route_->mutable_idle_timeout()->set_seconds(std::numeric_limits<int64_t>::max());
  v1::RouteRetries* retries = route_->mutable_retries();
  retries->set_max_retries(99);
  retries->mutable_per_try_timeout()->set_seconds(std::numeric_limits<int64_t>::min());
  const PolicyOverrides overrides = Read().overrides;
  EXPECT_EQ(overrides.request_timeout, absl::Milliseconds(1));
  EXPECT_EQ(overrides.first_byte_timeout, absl::Milliseconds(1));
  EXPECT_EQ(overrides.idle_timeout, absl::Hours(24));
  EXPECT_EQ(overrides.max_retries, 5u);
  EXPECT_EQ(overrides.per_try_timeout, absl::Milliseconds(1));
}

TEST_F(RouteConvertTest, FiltersGoOnWhereTheRouteOfTheNameIsTheSame) {
  route_->mutable_rate_limit()->set_requests_per_second(10);
  const auto before = Router::Build(*RoutesOf(config_, {}));
  ASSERT_TRUE(before.ok());
  const auto chain = (*before)->Find("r")->filters;
  ASSERT_NE(chain, nullptr);
  EXPECT_EQ((*RoutesOf(config_, {}, before->get()))[0].filters, chain);
  EXPECT_NE((*RoutesOf(config_, {}))[0].filters, chain);
  route_->set_name("routes/other");
  EXPECT_NE((*RoutesOf(config_, {}, before->get()))[0].filters, chain);
}

TEST_F(RouteConvertTest, RefusesRoutesThatLeadNowhere) {
  route_->clear_action();
  EXPECT_NE(Refusal(), "none") << "no action";
  route_->set_service("missing");
  EXPECT_TRUE(absl::StrContains(Refusal(), "missing"));
  route_->mutable_split()->add_shares()->set_service("gone");
  EXPECT_TRUE(absl::StrContains(Refusal(), "gone"));
  for (const uint32_t status : {0u, 99u, 199u, 600u, 65'736u}) {
    route_->mutable_direct_response()->set_status(status);
    EXPECT_NE(Refusal(), "none") << status;
  }
  route_->mutable_direct_response()->set_status(204);
  EXPECT_EQ(Refusal(), "none");
  route_->mutable_match()->add_headers()->set_exact("x");
  EXPECT_NE(Refusal(), "none") << "a header without a name";
}

}  // namespace
}  // namespace pointsman::gateway
