#include "common/core/config_route_rules.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/core/config_load.h"
#include "common/core/config_validate.h"

namespace pointsman::common {
namespace {

v1::Config Parsed(absl::string_view text) {
  absl::StatusOr<v1::Config> config = ParseConfig(text, "test");
  EXPECT_TRUE(config.ok()) << config.status() << "\n" << text;
  if (!config.ok()) return {};
  NormalizeConfig(&*config);
  return *config;
}

// "path code" of the only problem, or a text that says otherwise.
std::string OnlyProblem(const ConfigProblems& problems) {
  if (problems.empty()) return "none";
  if (problems.size() > 1) {
    return absl::StrCat(problems.size(), " problems: ", FormatProblem(problems[0], ""), " ",
                        FormatProblem(problems[1], ""));
  }
  return absl::StrCat(problems[0].path, " ", problems[0].code);
}

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
    const v1::Config config = Parsed("routes: [{name: r, service: web, " + c.fields + "}]");
    EXPECT_EQ(OnlyProblem(ValidateRoute(config.routes(0))), c.expected) << c.fields;
  }
  const auto action = [](const std::string& text) {
    return OnlyProblem(ValidateRoute(Parsed("routes: [{name: r, " + text + "}]").routes(0)));
  };
  EXPECT_EQ(action("hosts: []"), " CONFIG_REQUIRED");
  EXPECT_EQ(action("direct_response: {}"), "direct_response.status CONFIG_RANGE");
  EXPECT_EQ(action("direct_response: {status: 600}"), "direct_response.status CONFIG_RANGE");
  EXPECT_EQ(action("direct_response: {status: 204}"), "none");
  EXPECT_EQ(action("direct_response: {status: 204}, upgrades: [tcp]"), "upgrades CONFIG_CONFLICT");
  EXPECT_EQ(action("service: services/web"), "none");
  EXPECT_EQ(action("service: a/b"), "service CONFIG_VALUE");
}

}  // namespace
}  // namespace pointsman::common
