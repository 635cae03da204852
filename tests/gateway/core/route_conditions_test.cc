#include "gateway/core/route_conditions.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/gateway/core/asked_request.h"

namespace pointsman::gateway {
namespace {

using Text = TextCondition::Kind;
using Kind = ConditionResult::Kind;

NamedCondition Named(const std::string& name, Text kind, const std::string& value = "") {
  return {name, {.kind = kind, .value = value}};
}

JsonCondition Field(const std::string& pointer, Text kind, const std::string& value = "") {
  return {{.number = 0, .steps = PointerSteps(pointer)}, {.kind = kind, .value = value}};
}

struct Asked {
  std::string method = "GET";
  std::map<std::string, std::string> headers = {};
  std::string query = {};
  std::map<std::string, std::string> cookies = {};
  std::string client = {};  // Empty: at no address.
  std::optional<std::string> body = {};
  bool body_known = true;
};

std::string KindName(Kind kind) {
  switch (kind) {
    case Kind::kHolds:
      return "holds";
    case Kind::kMethod:
      return "method";
    case Kind::kHeader:
      return "header";
    case Kind::kQuery:
      return "query";
    case Kind::kCookie:
      return "cookie";
    case Kind::kClient:
      return "client";
    case Kind::kScheme:
      return "scheme";
    case Kind::kJson:
      return "json";
    case Kind::kNeedsBody:
      return "needs the body";
    case Kind::kAmbiguousBody:
      return "ambiguous";
  }
  return "";
}

// "header 1": the second condition on a header does not hold.
std::string Checked(RouteEntry route, const Asked& asked) {
  EXPECT_TRUE(CompileConditions(&route).ok());
  for (size_t i = 0; i < route.json.size(); ++i) {
    route.json[i].pointer.number = static_cast<uint32_t>(i);
  }
  JsonBody json;
  const bool read = asked.body.has_value() && json.Read({absl::string_view(*asked.body)});
  const AskedRequest head{.method = asked.method,
                          .headers = asked.headers,
                          .query = asked.query,
                          .cookies = asked.cookies,
                          .client = asked.client};
  const ConditionResult result = WithRequest(head, [&](RouteRequest request) {
    request.body_known = asked.body_known;
    request.json = read ? &json : nullptr;
    return CheckConditions(route, request);
  });
  if (result.kind == Kind::kHolds) return "holds";
  return absl::StrCat(KindName(result.kind), " ", result.index);
}

common::CidrSet Networks(absl::string_view text) {
  const auto set = common::CidrSet::Parse(text);
  EXPECT_TRUE(set.ok()) << set.status();
  return set.ok() ? *set : common::CidrSet();
}

TEST(RouteConditionsTest, ARouteWithoutConditionsHolds) {
  EXPECT_EQ(Checked({}, {}), "holds");
  EXPECT_EQ(Checked({}, {.body_known = false}), "holds") << "nothing asks for the body";
}

TEST(RouteConditionsTest, OneOfTheMethods) {
  RouteEntry route;
  route.methods = {"GET", "HEAD"};
  EXPECT_EQ(Checked(route, {.method = "HEAD"}), "holds");
  EXPECT_EQ(Checked(route, {.method = "POST"}), "method 0");
  EXPECT_EQ(Checked(route, {.method = "get"}), "method 0") << "methods have a case";
}

TEST(RouteConditionsTest, TheFirstHeaderThatDoesNotHoldIsTold) {
  RouteEntry route;
  route.headers = {Named("X-A", Text::kPresent), Named("x-b", Text::kExact, "1"),
                   Named("X-C", Text::kAbsent)};
  EXPECT_EQ(Checked(route, {.headers = {{"x-a", ""}, {"x-b", "1"}}}), "holds");
  EXPECT_EQ(Checked(route, {.headers = {{"x-b", "1"}}}), "header 0");
  EXPECT_EQ(Checked(route, {.headers = {{"x-a", ""}, {"x-b", "2"}, {"x-c", ""}}}), "header 1");
  EXPECT_EQ(Checked(route, {.headers = {{"x-a", ""}, {"x-b", "1"}, {"x-c", ""}}}), "header 2");
}

TEST(RouteConditionsTest, ParametersOfTheQueryAreDecoded) {
  RouteEntry route;
  route.query = {Named("user id", Text::kExact, "a b"), Named("n", Text::kPattern, "[0-9]+")};
  EXPECT_EQ(Checked(route, {.query = "user+id=a%20b&n=12"}), "holds");
  EXPECT_EQ(Checked(route, {.query = "n=%31&user%20id=a+b"}), "holds");
  EXPECT_EQ(Checked(route, {.query = "user+id=a%20c&n=12"}), "query 0");
  EXPECT_EQ(Checked(route, {.query = "user+id=a%20b&n=1x"}), "query 1") << "the whole value";
  EXPECT_EQ(Checked(route, {.query = "user+id=a%20b&n=x&n=1"}), "query 1") << "the first counts";
  EXPECT_EQ(Checked(route, {}), "query 0");
}

TEST(RouteConditionsTest, ParametersOfEveryKind) {
  const auto with = [](Text kind, const std::string& value, const std::string& query) {
    RouteEntry route;
    route.query = {Named("q", kind, value)};
    return Checked(route, {.query = query});
  };
  EXPECT_EQ(with(Text::kPresent, "", "q"), "holds") << "without a value";
  EXPECT_EQ(with(Text::kPresent, "", "Q=1"), "query 0") << "names have a case";
  EXPECT_EQ(with(Text::kAbsent, "", ""), "holds");
  EXPECT_EQ(with(Text::kAbsent, "", "q"), "query 0");
  EXPECT_EQ(with(Text::kExact, "", "q="), "holds");
  EXPECT_EQ(with(Text::kExact, "", "q=x"), "query 0");
  EXPECT_EQ(with(Text::kPrefix, "a/", "q=a%2Fb"), "holds");
  EXPECT_EQ(with(Text::kPrefix, "a/", "q=a"), "query 0");
}

TEST(RouteConditionsTest, CookiesAreComparedAsTheyWereSent) {
  RouteEntry route;
  route.cookies = {Named("a", Text::kExact, "x%20y"), Named("B", Text::kPresent)};
  EXPECT_EQ(Checked(route, {.cookies = {{"a", "x%20y"}, {"B", ""}}}), "holds");
  EXPECT_EQ(Checked(route, {.cookies = {{"a", "x y"}, {"B", ""}}}), "cookie 0");
  EXPECT_EQ(Checked(route, {.cookies = {{"a", "x%20y"}, {"b", ""}}}), "cookie 1");
}

TEST(RouteConditionsTest, TheClientIsInOneOfTheNetworks) {
  RouteEntry route;
  route.clients = Networks("10.0.0.0/8,2001:db8::7");
  EXPECT_EQ(Checked(route, {.client = "10.255.0.1"}), "holds");
  EXPECT_EQ(Checked(route, {.client = "::ffff:10.0.0.1"}), "holds") << "an IPv4 address";
  EXPECT_EQ(Checked(route, {.client = "2001:db8::7"}), "holds");
  EXPECT_EQ(Checked(route, {.client = "11.0.0.0"}), "client 0");
  EXPECT_EQ(Checked(route, {.client = "2001:db8::8"}), "client 0");
  EXPECT_EQ(Checked(route, {}), "client 0") << "at no address";
  route.clients = common::CidrSet();
  EXPECT_EQ(Checked(route, {.client = "10.0.0.1"}), "client 0") << "no network has anybody";
}

TEST(RouteConditionsTest, FieldsOfTheBody) {
  RouteEntry route;
  route.json = {Field("/a", Text::kExact, "1"), Field("/b", Text::kAbsent)};
  EXPECT_EQ(Checked(route, {.body = R"({"a":1})"}), "holds");
  EXPECT_EQ(Checked(route, {.body = R"({"a":2})"}), "json 0");
  EXPECT_EQ(Checked(route, {.body = R"({"a":1,"b":null})"}), "json 1");
  EXPECT_EQ(Checked(route, {.body = R"({"a":1,"b":1,"b":2})"}), "ambiguous 1");
  EXPECT_EQ(Checked(route, {.body = "no JSON"}), "json 0");
  EXPECT_EQ(Checked(route, {}), "json 0") << "there was no body";
  EXPECT_EQ(Checked(route, {.body_known = false}), "needs the body 0");
}

// A route with one condition of each kind, and a request for which all hold.
RouteEntry OfEachKind() {
  RouteEntry route;
  route.methods = {"POST"};
  route.headers = {Named("h", Text::kPresent)};
  route.query = {Named("q", Text::kPresent)};
  route.cookies = {Named("c", Text::kPresent)};
  route.clients = Networks("10.0.0.0/8");
  route.json = {Field("/j", Text::kPresent)};
  return route;
}

Asked ForEachKind() {
  return {.method = "POST",
          .headers = {{"h", ""}},
          .query = "q",
          .cookies = {{"c", ""}},
          .client = "10.0.0.1",
          .body = R"({"j":1})"};
}

TEST(RouteConditionsTest, TheBodyComesLast) {
  Asked asked = ForEachKind();
  EXPECT_EQ(Checked(OfEachKind(), asked), "holds");
  asked.body.reset();
  asked.body_known = false;
  EXPECT_EQ(Checked(OfEachKind(), asked), "needs the body 0");
  asked.client = "11.0.0.1";
  EXPECT_EQ(Checked(OfEachKind(), asked), "client 0") << "the body does not matter then";
  asked.cookies.clear();
  EXPECT_EQ(Checked(OfEachKind(), asked), "cookie 0");
  asked.query.clear();
  EXPECT_EQ(Checked(OfEachKind(), asked), "query 0");
  asked.headers.clear();
  EXPECT_EQ(Checked(OfEachKind(), asked), "header 0");
  asked.method = "GET";
  EXPECT_EQ(Checked(OfEachKind(), asked), "method 0");
}

TEST(RouteConditionsTest, NothingIsLookedUpForConditionsThatAreNotThere) {
  int calls = 0;
  const auto named = [&](absl::string_view) {
    ++calls;
    return std::optional<absl::string_view>();
  };
  const auto client = [&] {
    ++calls;
    return std::optional<common::IpAddress>();
  };
  const auto text = [&] {
    ++calls;
    return absl::string_view("q");
  };
  const RouteRequest request{.host = "h",
                             .path = "/",
                             .method = "GET",
                             .header = named,
                             .query = text,
                             .cookie = named,
                             .client = client,
                             .scheme = text};
  RouteEntry route;
  route.methods = {"GET"};
  EXPECT_EQ(CheckConditions(route, request).kind, Kind::kHolds);
  EXPECT_EQ(calls, 0);
  route.query = {Named("q", Text::kPresent)};
  EXPECT_EQ(CheckConditions(route, request).kind, Kind::kHolds);
  EXPECT_EQ(calls, 1);
}

TEST(RouteConditionsTest, EveryConditionCounts) {
  EXPECT_EQ(ConditionCount({}), 0u);
  EXPECT_EQ(ConditionCount(OfEachKind()), 6u);
  RouteEntry route = OfEachKind();
  route.methods.push_back("GET");
  route.clients = Networks("10.0.0.0/8,11.0.0.0/8");
  EXPECT_EQ(ConditionCount(route), 6u) << "methods and networks are alternatives";
  route.headers.push_back(Named("i", Text::kAbsent));
  route.query.push_back(Named("r", Text::kAbsent));
  route.cookies.push_back(Named("d", Text::kAbsent));
  route.json.push_back(Field("/k", Text::kAbsent));
  EXPECT_EQ(ConditionCount(route), 10u);
}

TEST(RouteConditionsTest, WhoComesByTheSchemeIsNotTaken) {
  RouteEntry route;
  route.unless_scheme = "https";
  EXPECT_EQ(ConditionCount(route), 1u) << "before a route without conditions";
  const auto none = [](absl::string_view) { return std::optional<absl::string_view>(); };
  absl::string_view came_by = "http";
  const auto scheme = [&] { return came_by; };
  const RouteRequest request{
      .host = "h", .path = "/", .method = "GET", .header = none, .scheme = scheme};
  EXPECT_EQ(CheckConditions(route, request).kind, ConditionResult::Kind::kHolds);
  came_by = "https";
  EXPECT_EQ(CheckConditions(route, request).kind, ConditionResult::Kind::kScheme);
}

TEST(RouteConditionsTest, NamesOfHeadersAreLoweredThoseOfOthersAreNot) {
  RouteEntry route;
  route.headers = {Named("X-A", Text::kPresent)};
  route.query = {Named("Q", Text::kPresent)};
  route.cookies = {Named("C", Text::kPresent)};
  ASSERT_TRUE(CompileConditions(&route).ok());
  EXPECT_EQ(route.headers[0].name, "x-a");
  EXPECT_EQ(route.query[0].name, "Q");
  EXPECT_EQ(route.cookies[0].name, "C");
}

TEST(RouteConditionsTest, PatternsThatDoNotParseAreRefused) {
  for (const std::string what : {"header", "query", "cookie", "json"}) {
    RouteEntry route;
    route.name = "canary";
    const NamedCondition bad = Named("x", Text::kPattern, "(");
    if (what == "header") route.headers = {Named("y", Text::kPattern, "a"), bad};
    if (what == "query") route.query = {bad};
    if (what == "cookie") route.cookies = {bad};
    if (what == "json") route.json = {Field("/x", Text::kPattern, "(")};
    const absl::Status status = CompileConditions(&route);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << what;
    EXPECT_TRUE(absl::StrContains(status.message(), "canary")) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), what)) << status;
  }
}

}  // namespace
}  // namespace pointsman::gateway
