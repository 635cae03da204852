#include "common/core/config_route_actions.h"

#include <gtest/gtest.h>

#include <cmath>
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

void Check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    EXPECT_EQ(RouteProblem(c.fields), c.expected) << c.fields.substr(0, 200);
  }
}

// "[{service: s0, weight: 1}, ...]".
std::string Shares(int count) {
  std::vector<std::string> shares;
  for (int i = 0; i < count; ++i) shares.push_back(absl::StrCat("{service: s", i, ", weight: 1}"));
  return absl::StrCat("[", absl::StrJoin(shares, ", "), "]");
}

TEST(ConfigRouteActionsTest, OneActionIsRequired) {
  Check({
      {"hosts: []", " CONFIG_REQUIRED"},
      {"service: web", "none"},
      {"service: services/web", "none"},
      {"service: a/b", "service CONFIG_VALUE"},
      {"service: \"\"", "service CONFIG_VALUE"},
      {"direct_response: {status: 200}", "none"},
      {"direct_response: {status: 599}", "none"},
      {"direct_response: {status: 199}", "direct_response.status CONFIG_RANGE"},
      {"direct_response: {status: 600}", "direct_response.status CONFIG_RANGE"},
      {absl::StrCat("direct_response: {status: 200, body: ", std::string(4096, 'a'), "}"), "none"},
      {absl::StrCat("direct_response: {status: 200, body: ", std::string(4097, 'a'), "}"),
       "direct_response.body CONFIG_LIMIT"},
  });
}

TEST(ConfigRouteActionsTest, Splits) {
  Check({
      {"split: {shares: [{service: a, weight: 1}, {service: services/b}]}", "none"},
      {"split: {shares: [{service: a, weight: 1000000}]}", "none"},
      {"split: {shares: [{service: a, weight: 1000001}]}", "split.shares[0].weight CONFIG_RANGE"},
      {"split: {}", "split.shares CONFIG_REQUIRED"},
      {"split: {shares: []}", "split.shares CONFIG_REQUIRED"},
      {"split: {shares: [{service: a}]}", "split.shares CONFIG_VALUE"},
      {"split: {shares: [{service: a, weight: 0}, {service: b, weight: 0}]}",
       "split.shares CONFIG_VALUE"},
      {"split: {shares: [{weight: 1}]}", "split.shares[0].service CONFIG_VALUE"},
      {"split: {shares: [{service: a, weight: 1}, {service: A, weight: 1}]}",
       "split.shares[1].service CONFIG_VALUE"},
      {"split: {shares: [{service: a, weight: 1}, {service: services/a, weight: 1}]}",
       "split.shares[1].service CONFIG_DUPLICATE"},
      {absl::StrCat("split: {shares: ", Shares(16), "}"), "none"},
      {absl::StrCat("split: {shares: ", Shares(17), "}"), "split.shares CONFIG_LIMIT"},
  });
}

TEST(ConfigRouteActionsTest, Redirects) {
  Check({
      {"redirect: {}", "redirect CONFIG_REQUIRED"},
      {"redirect: {status: 301}", "redirect CONFIG_REQUIRED"},
      {"redirect: {scheme: https}", "none"},
      {"redirect: {scheme: http}", "none"},
      {"redirect: {strip_query: true}", "none"},
      {"redirect: {scheme: HTTPS}", "redirect.scheme CONFIG_VALUE"},
      {"redirect: {scheme: ftp}", "redirect.scheme CONFIG_VALUE"},
      {"redirect: {host: api.example.org}", "none"},
      {"redirect: {host: \"api.example.org:8443\"}", "none"},
      {"redirect: {host: \"[2001:db8::7]\"}", "none"},
      {"redirect: {host: \"[2001:db8::7]:443\"}", "none"},
      {"redirect: {host: \"2001:db8::7\"}", "redirect.host CONFIG_VALUE"},
      {"redirect: {host: a/b}", "redirect.host CONFIG_VALUE"},
      {"redirect: {host: \"a b\"}", "redirect.host CONFIG_VALUE"},
      {"redirect: {host: \"a\\r\\nb\"}", "redirect.host CONFIG_VALUE"},
      {"redirect: {host: \"unix:/run/a\"}", "redirect.host CONFIG_VALUE"},
      {"redirect: {host: \"https://a\"}", "redirect.host CONFIG_VALUE"},
      {"redirect: {path: /new}", "none"},
      {"redirect: {path: \"/v/{id}\"}",
       "redirect.path CONFIG_CONFLICT"},  // Without a template braces are plain bytes.
      {"redirect: {path: new}", "redirect.path CONFIG_VALUE"},
      {"redirect: {path: \"\"}", "redirect.path CONFIG_VALUE"},
      {"redirect: {path: \"/a?b\"}", "redirect.path CONFIG_VALUE"},
      {"redirect: {prefix: /v2}", "redirect.prefix CONFIG_CONFLICT"},
      {"match: {exact: /api}, redirect: {prefix: /v2}", "redirect.prefix CONFIG_CONFLICT"},
      {"match: {prefix: /api}, redirect: {prefix: /v2}", "none"},
      {"match: {prefix: /api}, redirect: {prefix: v2}", "redirect.prefix CONFIG_VALUE"},
      {"match: {template: \"/u/{id}\"}, redirect: {path: \"/v/{id}\"}", "none"},
      {"match: {template: \"/u/{id}\"}, redirect: {path: \"/v/{nam}\"}",
       "redirect.path CONFIG_REFERENCE"},
      {"redirect: {host: a}, buffer_request: true", "none"},
  });
  for (const int status : {301, 302, 303, 307, 308}) {
    Check({{absl::StrCat("redirect: {scheme: https, status: ", status, "}"), "none"}});
  }
  for (const int status : {1, 200, 300, 304, 305, 306, 309, 404, 65837}) {
    Check({{absl::StrCat("redirect: {scheme: https, status: ", status, "}"),
            "redirect.status CONFIG_RANGE"}});
  }
}

TEST(ConfigRouteActionsTest, PathsThatTakeTheRequestsPlace) {
  const auto path = [](const std::string& text) {
    return RouteProblem("service: a, rewrite: {path: \"" + text + "\"}");
  };
  for (const char* text : {"/", "/a", "/a/", "/a/b.c/~d", "/%C3%A4", "/%20"}) {
    EXPECT_EQ(path(text), "none") << text;
  }
  EXPECT_EQ(path("/{id"), "rewrite.path CONFIG_CONFLICT") << "of no template";
  for (const char* text : {"", "a", "/a b", "/a?b", "/a#b", "/a//b", "//", "/a/../b", "/..", "/.",
                           "/%7e", "/%c3%a4", "/a%2Fb", "/a%25", "/a;b", "/%", "/%C3", "/a\\\\b"}) {
    EXPECT_EQ(path(text), "rewrite.path CONFIG_VALUE") << text;
  }
  EXPECT_EQ(path("/" + std::string(1023, 'a')), "none");
  EXPECT_EQ(path("/" + std::string(1024, 'a')), "rewrite.path CONFIG_LIMIT");
}

TEST(ConfigRouteActionsTest, PathsWithPartsOfATemplate) {
  const auto path = [](const std::string& text) {
    return RouteProblem(
        "match: {template: \"/u/{id}/*/{rest=**}\"}, service: a, rewrite: {path: \"" + text +
        "\"}");
  };
  for (const char* text : {"/v/{id}/x", "/v{id}w", "/{rest}/{id}", "/{id}{id}", "/plain", "/a}"}) {
    EXPECT_EQ(path(text), "none") << text;
  }
  for (const char* text :
       {"/v/{other}", "/v/{ID}", "/v/{}", "/v/{u}", "/v/{{id}}", "/v/{id=**}", "/v/{rest=**}"}) {
    EXPECT_EQ(path(text), "rewrite.path CONFIG_REFERENCE") << text;
  }
  for (const char* text : {"/v/{id", "/v/{", "{id}", "v/{id}", "/v//{id}", "/../{id}", "/{id}/./x",
                           "/{id}?q", "/{id};x"}) {
    EXPECT_EQ(path(text), "rewrite.path CONFIG_VALUE") << text;
  }
}

TEST(ConfigRouteActionsTest, Rewrites) {
  Check({
      {"service: a, rewrite: {}", "none"},
      {"split: {shares: [{service: a, weight: 1}]}, rewrite: {host: b.example}", "none"},
      {"direct_response: {status: 200}, rewrite: {host: b.example}", "rewrite CONFIG_CONFLICT"},
      {"redirect: {scheme: https}, rewrite: {}", "rewrite CONFIG_CONFLICT"},
      {"service: a, rewrite: {host: \"b.example:80\"}", "none"},
      {"service: a, rewrite: {host: \"b c\"}", "rewrite.host CONFIG_VALUE"},
      {"service: a, rewrite: {prefix: /v2}", "rewrite.prefix CONFIG_CONFLICT"},
      {"match: {template: \"/a/*\"}, service: a, rewrite: {prefix: /v2}",
       "rewrite.prefix CONFIG_CONFLICT"},
      {"match: {prefix: /}, service: a, rewrite: {prefix: /v2}", "none"},
      {"match: {prefix: /api/}, service: a, rewrite: {prefix: /}", "none"},
      {"match: {prefix: /api}, service: a, rewrite: {prefix: \"\"}", "rewrite.prefix CONFIG_VALUE"},
      {"match: {prefix: /api}, service: a, rewrite: {prefix: /a//b}",
       "rewrite.prefix CONFIG_VALUE"},
      {R"(service: a, rewrite: {pattern: {matches: "^/a(.*)$", substitution: "/b\\1"}})", "none"},
      {R"(service: a, rewrite: {pattern: {matches: "a"}})", "none"},
      {R"(service: a, rewrite: {pattern: {}})", "rewrite.pattern.matches CONFIG_REQUIRED"},
      {R"(service: a, rewrite: {pattern: {matches: "("}})",
       "rewrite.pattern.matches CONFIG_PATTERN"},
      {R"y(service: a, rewrite: {pattern: {matches: "(a)", substitution: "\\2"}})y",
       "rewrite.pattern.substitution CONFIG_VALUE"},
      {R"(service: a, rewrite: {pattern: {matches: "a", substitution: "\\0"}})", "none"},
      {R"(service: a, rewrite: {pattern: {matches: "a", substitution: "\\x"}})",
       "rewrite.pattern.substitution CONFIG_VALUE"},
      {R"(service: a, rewrite: {pattern: {matches: "a", substitution: "b\\"}})",
       "rewrite.pattern.substitution CONFIG_VALUE"},
      {absl::StrCat("service: a, rewrite: {pattern: {matches: ", std::string(1024, 'a'), "}}"),
       "none"},
      {absl::StrCat("service: a, rewrite: {pattern: {matches: ", std::string(1025, 'a'), "}}"),
       "rewrite.pattern.matches CONFIG_LIMIT"},
      {absl::StrCat("service: a, rewrite: {pattern: {matches: a, substitution: ",
                    std::string(1025, 'a'), "}}"),
       "rewrite.pattern.substitution CONFIG_LIMIT"},
  });
}

// Of changes of the request's fields.
std::string ChangesProblem(const std::string& changes) {
  return RouteProblem("service: a, rewrite: {request_headers: {" + changes + "}}");
}

TEST(ConfigRouteActionsTest, FieldsThatMayBeChanged) {
  EXPECT_EQ(ChangesProblem(R"(set: {X-A: b, cookie: "a=b; c=d"}, add: {X-A: ""}, remove: [x-a])"),
            "none");
  EXPECT_EQ(ChangesProblem(R"(set: {x-a: "b\tc d"})"), "none");
  EXPECT_EQ(ChangesProblem(R"(set: {x-a: "b\nc"})"), "rewrite.request_headers.set CONFIG_VALUE");
  EXPECT_EQ(ChangesProblem(R"(add: {x-a: "b\rc"})"), "rewrite.request_headers.add CONFIG_VALUE");
  EXPECT_EQ(ChangesProblem(R"(set: {x-a: "b\x7f"})"), "rewrite.request_headers.set CONFIG_VALUE");
  EXPECT_EQ(ChangesProblem(R"(set: {":path": a})"), "rewrite.request_headers.set CONFIG_VALUE");
  EXPECT_EQ(ChangesProblem(R"(set: {"": a})"), "rewrite.request_headers.set CONFIG_REQUIRED");
  EXPECT_EQ(ChangesProblem(R"(remove: [a, "b c"])"),
            "rewrite.request_headers.remove[1] CONFIG_VALUE");
  const std::string name(127, 'n');
  EXPECT_EQ(ChangesProblem("set: {" + name + ": a}"), "none");
  EXPECT_EQ(ChangesProblem("set: {" + name + "n: a}"), "rewrite.request_headers.set CONFIG_VALUE");
  const std::string value(4096, 'v');
  EXPECT_EQ(ChangesProblem("add: {a: " + value + "}"), "none");
  EXPECT_EQ(ChangesProblem("add: {a: " + value + "v}"), "rewrite.request_headers.add CONFIG_LIMIT");
}

TEST(ConfigRouteActionsTest, ChangesOfFieldsAreLimited) {
  std::vector<std::string> fields;
  std::vector<std::string> names;
  for (int i = 0; i < 32; ++i) {
    names.push_back(absl::StrCat("x-", i));
    fields.push_back(absl::StrCat("x-", i, ": a"));
  }
  const auto problem = [&](const std::string& kind) {
    const auto& entries = kind == "remove" ? names : fields;
    const std::string list = absl::StrJoin(entries, ", ");
    return ChangesProblem(kind == "remove" ? kind + ": [" + list + "]" : kind + ": {" + list + "}");
  };
  for (const char* kind : {"set", "add", "remove"}) EXPECT_EQ(problem(kind), "none");
  names.push_back("y");
  fields.push_back("y: a");
  for (const char* kind : {"set", "add", "remove"}) {
    EXPECT_EQ(problem(kind), absl::StrCat("rewrite.request_headers.", kind, " CONFIG_LIMIT"));
  }
}

TEST(ConfigRouteActionsTest, FieldsOfTheGatewaysOwnAreNotChanged) {
  for (const char* name :
       {"Host", "Connection", "content-length", "Transfer-Encoding", "TE", "Trailer", "Upgrade",
        "Expect", "Via", "Forwarded", "X-Forwarded-For", "x-forwarded-anything", "X-Real-IP",
        "X-Request-ID", "X-Pointsman-Reason", "x-pointsman-mirrored"}) {
    for (const char* side : {"request_headers", "response_headers"}) {
      const auto problem = [&](const std::string& change) {
        return RouteProblem(absl::StrCat("service: a, rewrite: {", side, ": {", change, "}}"));
      };
      const std::string path = absl::StrCat("rewrite.", side);
      EXPECT_EQ(problem(absl::StrCat("set: {", name, ": a}")), path + ".set CONFIG_VALUE") << name;
      EXPECT_EQ(problem(absl::StrCat("add: {", name, ": a}")), path + ".add CONFIG_VALUE") << name;
      EXPECT_EQ(problem(absl::StrCat("remove: [", name, "]")), path + ".remove[0] CONFIG_VALUE")
          << name;
    }
  }
  for (const char* name : {"x-forwarded", "x-pointsman", "hosts", "user-agent", "set-cookie"}) {
    EXPECT_EQ(ChangesProblem(absl::StrCat("set: {", name, ": a}")), "none") << name;
  }
}

TEST(ConfigRouteActionsTest, Mirrors) {
  Check({
      {"service: a, mirror: {service: services/b}", "none"},
      {"service: a, mirror: {service: b, share: 0}", "none"},
      {"service: a, mirror: {service: b, share: 1}", "none"},
      {"service: a, mirror: {service: b, share: 1.01}", "mirror.share CONFIG_RANGE"},
      {"service: a, mirror: {service: b, share: -0.01}", "mirror.share CONFIG_RANGE"},
      {"service: a, mirror: {}", "mirror.service CONFIG_VALUE"},
      {"service: a, mirror: {service: B}", "mirror.service CONFIG_VALUE"},
      {"split: {shares: [{service: a, weight: 1}]}, mirror: {service: b}", "none"},
      {"direct_response: {status: 200}, mirror: {service: b}", "mirror CONFIG_CONFLICT"},
      {"redirect: {scheme: https}, mirror: {service: b}", "mirror CONFIG_CONFLICT"},
  });
  v1::Route route = Parsed("routes: [{name: r, service: a, mirror: {service: b}}]").routes(0);
  route.mutable_mirror()->set_share(std::nan(""));
  EXPECT_EQ(OnlyProblem(ValidateRoute(route)), "mirror.share CONFIG_RANGE");
}

TEST(ConfigRouteActionsTest, WhatReplacesTheServicesPolicy) {
  Check({
      {"service: a, request_timeout: 0s", "none"},
      {"service: a, request_timeout: 25h", "request_timeout CONFIG_RANGE"},
      {"service: a, first_byte_timeout: 1ms, idle_timeout: 24h", "none"},
      {"service: a, first_byte_timeout: 0s", "first_byte_timeout CONFIG_RANGE"},
      {"service: a, first_byte_timeout: 25h", "first_byte_timeout CONFIG_RANGE"},
      {"service: a, idle_timeout: 0s", "idle_timeout CONFIG_RANGE"},
      {"service: a, idle_timeout: 999us", "idle_timeout CONFIG_RANGE"},
      {"service: a, retries: {}", "none"},
      {"service: a, retries: {max_retries: 5, per_try_timeout: 24h}", "none"},
      {"service: a, retries: {max_retries: 6}", "retries.max_retries CONFIG_RANGE"},
      {"service: a, retries: {per_try_timeout: 0s}", "retries.per_try_timeout CONFIG_RANGE"},
      {"service: a, retries: {statuses: [429, 500, 599]}", "none"},
      {"service: a, retries: {statuses: [503, 600]}", "retries.statuses[1] CONFIG_RANGE"},
      {"service: a, retries: {statuses: [499]}", "retries.statuses[0] CONFIG_RANGE"},
      {"service: a, retries: {statuses: [0]}", "retries.statuses[0] CONFIG_RANGE"},
      {absl::StrCat("service: a, retries: {statuses: [",
                    absl::StrJoin(std::vector<int>(16, 503), ", "), "]}"),
       "none"},
      {absl::StrCat("service: a, retries: {statuses: [",
                    absl::StrJoin(std::vector<int>(17, 503), ", "), "]}"),
       "retries.statuses CONFIG_LIMIT"},
  });
}

TEST(ConfigRouteActionsTest, PathTextIsToldHowToBeWritten) {
  ProblemList list;
  Rules rules(&list);
  CheckPathText("/a", RulePath(), &rules);
  EXPECT_TRUE(list.empty());
  CheckPathText("/%7euser", RulePath(), &rules);
  const ConfigProblems problems = std::move(list).Take();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].message.find("\"/~user\""), std::string::npos) << problems[0].message;
}

}  // namespace
}  // namespace pointsman::common
