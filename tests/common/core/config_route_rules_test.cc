#include "common/core/config_route_rules.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/core/config_load.h"
#include "common/core/config_validate.h"
#include "tests/common/core/config_fixture.h"

namespace pointsman::common {
namespace {

struct Case {
  // Fields of a route in flow style.
  std::string fields;
  std::string expected;
};

TEST(ConfigRouteRulesTest, EachRuleIsTold) {
  const Case kCases[] = {
      {"hosts: [\"*\", \"*.example.com\", a.b, \"[::1]\", 10.0.0.7]", "none"},
      {"hosts: [\"a:80\"]", "hosts[0] CONFIG_VALUE"},
      {"hosts: [\"a.*.b\"]", "hosts[0] CONFIG_VALUE"},
      {"hosts: [\"\"]", "hosts[0] CONFIG_VALUE"},
      {"match: {prefix: api}", "match.prefix CONFIG_VALUE"},
      {"match: {exact: \"/a?b\"}", "match.exact CONFIG_VALUE"},
      {"match: {exact: \"\"}", "match.exact CONFIG_VALUE"},
      {"match: {prefix: \"/a//b\"}", "match.prefix CONFIG_VALUE"},
      {"match: {prefix: \"/a/../b\"}", "match.prefix CONFIG_VALUE"},
      {"match: {prefix: \"/..\"}", "match.prefix CONFIG_VALUE"},
      {"match: {exact: \"/%7euser\"}", "match.exact CONFIG_VALUE"},
      {"match: {exact: \"/a%2Fb\"}", "match.exact CONFIG_VALUE"},
      {"match: {exact: \"/a;b\"}", "match.exact CONFIG_VALUE"},
      {"match: {exact: \"/a b\"}", "match.exact CONFIG_VALUE"},
      {"match: {exact: \"/%C3%A4/~u/.b/\"}", "none"},
      {"criticality: critical", "none"},
      {"criticality: SHEDDABLE", "none"},
      {"match: {methods: [\"G T\"]}", "match.methods[0] CONFIG_VALUE"},
      {"match: {headers: [{name: x, prefix: y}, {name: x, matches: \"[\"}]}",
       "match.headers[1].matches CONFIG_PATTERN"},
      {"match: {json: [{pointer: /model, exact: small}, {pointer: /a~0~1/0, present: false}]}",
       "none"},
      {"match: {json: [{exact: small}]}", "match.json[0].pointer CONFIG_REQUIRED"},
      {"match: {json: [{pointer: model}]}", "match.json[0].pointer CONFIG_VALUE"},
      {"match: {json: [{pointer: /a~2}]}", "match.json[0].pointer CONFIG_VALUE"},
      {"match: {json: [{pointer: /a~}]}", "match.json[0].pointer CONFIG_VALUE"},
      {"match: {json: [{pointer: /1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7}]}",
       "match.json[0].pointer CONFIG_LIMIT"},
      {absl::StrCat("match: {json: [{pointer: /", std::string(256, 'a'), "}]}"),
       "match.json[0].pointer CONFIG_LIMIT"},
      {absl::StrCat("match: {json: [{pointer: /a, prefix: ", std::string(1025, 'a'), "}]}"),
       "match.json[0].prefix CONFIG_LIMIT"},
      {absl::StrCat("match: {json: [",
                    absl::StrJoin(std::vector<std::string>(9, "{pointer: /a}"), ", "), "]}"),
       "match.json CONFIG_LIMIT"},
      {"match: {json: [{pointer: /a, matches: \"[\"}]}", "match.json[0].matches CONFIG_PATTERN"},
      {"match: {grpc: true, json: [{pointer: /a}]}", "match.json CONFIG_CONFLICT"},
      {"request_timeout: 0s", "none"},
      {"buffer_request: true", "none"},
      {"request_timeout: -1s", "request_timeout CONFIG_RANGE"},
      {"rate_limit: {requests_per_second: 0.5, burst: 3, max_wait: 2s}", "none"},
      {"rate_limit: {}", "rate_limit.requests_per_second CONFIG_RANGE"},
      {"rate_limit: {requests_per_second: 1000001}", "rate_limit.requests_per_second CONFIG_RANGE"},
      {"rate_limit: {requests_per_second: 1, burst: 1000001}", "rate_limit.burst CONFIG_RANGE"},
      {"rate_limit: {requests_per_second: 1, max_wait: 31s}", "rate_limit.max_wait CONFIG_RANGE"},
      {"upgrades: [spdy/3.1, TCP, websocket, a, b, c, d, e]", "none"},
      {"upgrades: [a, b, c, d, e, f, g, h, i]", "upgrades CONFIG_LIMIT"},
      {"upgrades: [tcp, \"a b\"]", "upgrades[1] CONFIG_VALUE"},
      {"upgrades: [\"H2C\"]", "upgrades[0] CONFIG_VALUE"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(RouteProblem("service: web, " + c.fields), c.expected) << c.fields;
  }
  EXPECT_EQ(RouteProblem("hosts: []"), " CONFIG_REQUIRED");
  EXPECT_EQ(RouteProblem("direct_response: {}"), "direct_response.status CONFIG_RANGE");
  EXPECT_EQ(RouteProblem("direct_response: {status: 600}"), "direct_response.status CONFIG_RANGE");
  EXPECT_EQ(RouteProblem("direct_response: {status: 204}"), "none");
  EXPECT_EQ(RouteProblem("direct_response: {status: 204}, upgrades: [tcp]"),
            "upgrades CONFIG_CONFLICT");
  EXPECT_EQ(RouteProblem("redirect: {scheme: https}, upgrades: [tcp]"), "upgrades CONFIG_CONFLICT");
  EXPECT_EQ(RouteProblem("split: {shares: [{service: web, weight: 1}]}, upgrades: [tcp]"), "none");
  EXPECT_EQ(RouteProblem("service: services/web"), "none");
  EXPECT_EQ(RouteProblem("service: a/b"), "service CONFIG_VALUE");
}

// Of a match in flow style.
std::string MatchProblem(const std::string& match) {
  return RouteProblem("service: web, match: {" + match + "}");
}

std::string Repeated(const std::string& text, int count, const std::string& between) {
  return absl::StrJoin(std::vector<std::string>(count, text), between);
}

TEST(ConfigRouteRulesTest, Templates) {
  const auto problem = [](const std::string& text) {
    return MatchProblem("template: \"" + text + "\"");
  };
  for (const char* text : {"/users/{id}/orders/{rest=**}", "/*/x/**", "/", "/users/", "/a/{b}/",
                           "/{a=*}", "/%C3%A4/{id}", "/~a/{id}"}) {
    EXPECT_EQ(problem(text), "none") << text;
  }
  for (const char* text :
       {"", "users/{id}", "/{id", "/a{id}", "/{id}{x}", "/{id}/{id}", "/**/x", "/{1}", "/a//{id}",
        "/{id}//", "/{id}/../x", "/./{id}", "/%7e/{id}", "/%c3%a4/{id}", "/a%2Fb/{id}", "/a;b/{id}",
        "/a?b/{id}", "/a b/{id}", "/{id}?x"}) {
    EXPECT_EQ(problem(text), "match.template CONFIG_VALUE") << text;
  }
  EXPECT_EQ(problem(Repeated("/*", 32, "")), "none");
  EXPECT_EQ(problem(Repeated("/*", 33, "")), "match.template CONFIG_LIMIT");
  EXPECT_EQ(problem("/*/" + std::string(1021, 'a')), "none");
  EXPECT_EQ(problem("/*/" + std::string(1022, 'a')), "match.template CONFIG_LIMIT");
}

TEST(ConfigRouteRulesTest, Patterns) {
  EXPECT_EQ(MatchProblem("pattern: \"/v[0-9]+/.*\""), "none");
  EXPECT_EQ(MatchProblem("pattern: \"(\""), "match.pattern CONFIG_PATTERN");
  EXPECT_EQ(MatchProblem("pattern: \"((a{100}){100}){100}\""), "match.pattern CONFIG_PATTERN");
  EXPECT_EQ(MatchProblem("pattern: " + std::string(1024, 'a')), "none");
  EXPECT_EQ(MatchProblem("pattern: " + std::string(1025, 'a')), "match.pattern CONFIG_LIMIT");
}

TEST(ConfigRouteRulesTest, ParametersAndCookies) {
  for (const std::string field : {"query", "cookies"}) {
    const auto problem = [&](const std::string& list) {
      return MatchProblem(field + ": [" + list + "]");
    };
    const std::string first = absl::StrCat("match.", field, "[0]");
    EXPECT_EQ(problem("{name: a}, {name: b, exact: \"\"}, {name: \"c d\", prefix: x}, "
                      "{name: e, matches: \"x+\"}, {name: f, present: false}, {name: a}"),
              "none");
    EXPECT_EQ(problem("{}"), first + ".name CONFIG_REQUIRED");
    EXPECT_EQ(problem("{exact: a}"), first + ".name CONFIG_REQUIRED");
    EXPECT_EQ(problem("{name: " + std::string(127, 'n') + "}"), "none");
    EXPECT_EQ(problem("{name: " + std::string(128, 'n') + "}"), first + ".name CONFIG_LIMIT");
    for (const std::string kind : {"exact", "prefix"}) {
      EXPECT_EQ(problem("{name: a, " + kind + ": " + std::string(1024, 'v') + "}"), "none");
      EXPECT_EQ(problem("{name: a, " + kind + ": " + std::string(1025, 'v') + "}"),
                absl::StrCat(first, ".", kind, " CONFIG_LIMIT"));
    }
    EXPECT_EQ(problem("{name: a}, {name: b, matches: \"[\"}"),
              absl::StrCat("match.", field, "[1].matches CONFIG_PATTERN"));
    EXPECT_EQ(problem(Repeated("{name: a}", 16, ", ")), "none");
    EXPECT_EQ(problem(Repeated("{name: a}", 17, ", ")),
              absl::StrCat("match.", field, " CONFIG_LIMIT"));
  }
}

TEST(ConfigRouteRulesTest, ClientAddresses) {
  const auto problem = [](const std::string& list) {
    return MatchProblem("client_addresses: [" + list + "]");
  };
  EXPECT_EQ(problem("10.0.0.0/8, \"2001:db8::7\", \"::/0\", 192.0.2.1"), "none");
  for (const char* text : {"", " ", "example.org", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/",
                           "10.0.0", "10.0.0.0/8,11.0.0.0/8", "10.0.0.1,", "[::1]", "::1/129"}) {
    EXPECT_EQ(problem(absl::StrCat("10.0.0.0/8, \"", text, "\"")),
              "match.client_addresses[1] CONFIG_VALUE")
        << text;
  }
  EXPECT_EQ(problem(Repeated("10.0.0.1", 64, ", ")), "none");
  EXPECT_EQ(problem(Repeated("10.0.0.1", 65, ", ")), "match.client_addresses CONFIG_LIMIT");
}

TEST(ConfigRouteRulesTest, ServicesAndMethodsOfGrpc) {
  const Case kCases[] = {
      {"grpc_service: helloworld.Greeter", "none"},
      {"grpc_service: Greeter, grpc_method: SayHello", "none"},
      {"grpc: true, grpc_service: a.b.C_1, grpc_method: Say_2", "none"},
      {"grpc_service: a/b", "match.grpc_service CONFIG_VALUE"},
      {"grpc_service: a-b", "match.grpc_service CONFIG_VALUE"},
      {"grpc_service: \"a b\"", "match.grpc_service CONFIG_VALUE"},
      {"grpc_service: .a", "match.grpc_service CONFIG_VALUE"},
      {"grpc_service: a.", "match.grpc_service CONFIG_VALUE"},
      {"grpc_service: a..b", "match.grpc_service CONFIG_VALUE"},
      {"grpc_service: \"..\"", "match.grpc_service CONFIG_VALUE"},
      {"grpc_service: " + std::string(255, 'a'), "none"},
      {"grpc_service: " + std::string(256, 'a'), "match.grpc_service CONFIG_VALUE"},
      {"grpc_method: SayHello", "match.grpc_service CONFIG_REQUIRED"},
      {"grpc: true, grpc_method: SayHello", "match.grpc_service CONFIG_REQUIRED"},
      {"grpc_service: a, grpc_method: b.C", "match.grpc_method CONFIG_VALUE"},
      {"grpc_service: a, grpc_method: b/c", "match.grpc_method CONFIG_VALUE"},
      {"grpc_service: a, exact: /a", "match.grpc_service CONFIG_CONFLICT"},
      {"grpc_service: a, prefix: /a", "match.grpc_service CONFIG_CONFLICT"},
      {"grpc_service: a, template: \"/{a}\"", "match.grpc_service CONFIG_CONFLICT"},
      {"grpc_service: a, pattern: /a", "match.grpc_service CONFIG_CONFLICT"},
      {"grpc_service: a, json: [{pointer: /a}]", "match.json CONFIG_CONFLICT"},
      {"grpc: true, prefix: /a", "none"},
  };
  for (const Case& c : kCases) EXPECT_EQ(MatchProblem(c.fields), c.expected) << c.fields;
}

}  // namespace
}  // namespace pointsman::common
