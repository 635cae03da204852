#include "gateway/core/router.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gateway/core/json_body.h"
#include "gtest/gtest.h"
#include "tests/gateway/core/asked_request.h"

namespace pointsman::gateway {
namespace {

using PathKind = RouteEntry::PathKind;

RouteEntry Route(const std::string& name, std::vector<std::string> hosts,
                 PathKind kind = PathKind::kAny, const std::string& path = "") {
  RouteEntry route;
  route.name = name;
  route.hosts = std::move(hosts);
  route.path_kind = kind;
  route.path = path;
  return route;
}

class RouterTest : public ::testing::Test {
 protected:
  void Build(std::vector<RouteEntry> routes) {
    auto router = Router::Build(std::move(routes));
    ASSERT_TRUE(router.ok()) << router.status();
    router_ = *router;
  }
  std::string Match(const std::string& host, const std::string& path,
                    const std::string& method = "GET",
                    const std::map<std::string, std::string>& headers = {}) {
    const auto header = [&](absl::string_view name) -> std::optional<absl::string_view> {
      const auto it = headers.find(std::string(name));
      if (it == headers.end()) return std::nullopt;
      return absl::string_view(it->second);
    };
    return NameOf(router_->Match({host, path, method, header}));
  }
  std::string MatchAsked(const AskedRequest& asked) {
    return WithRequest(
        asked, [&](const RouteRequest& request) { return NameOf(router_->Match(request)); });
  }
  // "a b": the names in their order, until `last`.
  std::string Candidates(const AskedRequest& asked, const std::string& last = "") {
    std::vector<std::string> names;
    WithRequest(asked, [&](const RouteRequest& request) {
      router_->ForEachCandidate(request, [&](const RouteEntry& route, const ConditionResult&) {
        names.push_back(route.name);
        return route.name == last;
      });
    });
    return absl::StrJoin(names, " ");
  }
  // Of a POST to /v1/chat; nullptr: it is not known yet.
  std::string MatchBody(const char* body) {
    const auto header = [](absl::string_view) { return std::optional<absl::string_view>(); };
    const bool known = body != nullptr;
    JsonBody json;
    const bool read = known && json.Read({body});
    return NameOf(router_->Match(
        {"h", "/v1/chat", "POST", header, /*body_known=*/known, read ? &json : nullptr}));
  }
  static std::string NameOf(const RouteChoice& choice) {
    switch (choice.kind) {
      case RouteChoice::Kind::kNone:
        return "none";
      case RouteChoice::Kind::kChosen:
        return choice.route->name;
      case RouteChoice::Kind::kNeedsBody:
        return "needs the body";
      case RouteChoice::Kind::kAmbiguousBody:
        return "ambiguous";
    }
    return "";
  }

  std::shared_ptr<const Router> router_;
};

TEST_F(RouterTest, MostSpecificHostWins) {
  Build({Route("any", {"*"}), Route("wild", {"*.example.com"}),
         Route("deep", {"*.api.example.com"}), Route("exact", {"www.example.com"})});
  EXPECT_EQ(Match("www.example.com", "/"), "exact");
  EXPECT_EQ(Match("a.example.com", "/"), "wild");
  EXPECT_EQ(Match("a.b.example.com", "/"), "wild") << "a wildcard covers one or more labels";
  EXPECT_EQ(Match("x.api.example.com", "/"), "deep");
  EXPECT_EQ(Match("api.example.com", "/"), "wild");
  EXPECT_EQ(Match("example.com", "/"), "any") << "a wildcard covers at least one label";
  EXPECT_EQ(Match("", "/"), "any");
}

TEST_F(RouterTest, HostIsComparedWithoutCaseAndPort) {
  Build({Route("v4", {"Example.COM"}), Route("v6", {"[2001:db8::1]"})});
  EXPECT_EQ(Match("EXAMPLE.com:8080", "/"), "v4");
  EXPECT_EQ(Match("example.com.", "/"), "v4");
  EXPECT_EQ(Match("[2001:DB8::1]:80", "/"), "v6");
  EXPECT_EQ(Match(std::string(300, 'a'), "/"), "none");
}

TEST_F(RouterTest, ExactPathThenLongestPrefix) {
  Build({Route("root", {}, PathKind::kPrefix, "/"), Route("api", {}, PathKind::kPrefix, "/api"),
         Route("v1", {}, PathKind::kPrefix, "/api/v1"),
         Route("exact", {}, PathKind::kExact, "/api/v1/x"), Route("any", {})});
  EXPECT_EQ(Match("h", "/api/v1/x"), "exact");
  EXPECT_EQ(Match("h", "/api/v1/xy"), "v1");
  EXPECT_EQ(Match("h", "/api/v1"), "v1");
  EXPECT_EQ(Match("h", "/api/v12"), "api") << "prefixes end at a segment's border";
  EXPECT_EQ(Match("h", "/api"), "api");
  EXPECT_EQ(Match("h", "/apis"), "root");
  EXPECT_EQ(Match("h", "*"), "any");
}

TEST_F(RouterTest, PrefixesAreNotLeftByWhatSomeServersTakeForABorder) {
  Build(
      {Route("root", {}, PathKind::kPrefix, "/"), Route("admin", {}, PathKind::kPrefix, "/admin")});
  for (const char* path : {"/admin;x", "/admin%2fx", "/admin%3B", "/admin%252F"}) {
    EXPECT_EQ(Match("h", path), "admin") << path;
  }
  for (const char* path : {"/admin%20", "/admin%C3%A4", "/admin-x"}) {
    EXPECT_EQ(Match("h", path), "root") << path;
  }
}

TEST_F(RouterTest, PrefixWithTrailingSlashCoversWhatIsBelow) {
  Build({Route("below", {}, PathKind::kPrefix, "/a/")});
  EXPECT_EQ(Match("h", "/a/"), "below");
  EXPECT_EQ(Match("h", "/a/b"), "below");
  EXPECT_EQ(Match("h", "/a"), "none");
}

TEST_F(RouterTest, LessSpecificRoutesAreUsedWhenConditionsFail) {
  RouteEntry post = Route("post", {"h"}, PathKind::kExact, "/a/b");
  post.methods = {"POST"};
  RouteEntry put = Route("put", {"h"}, PathKind::kPrefix, "/a");
  put.methods = {"PUT"};
  Build({post, put, Route("root", {"h"}, PathKind::kPrefix, "/"), Route("other", {"*"})});
  EXPECT_EQ(Match("h", "/a/b", "POST"), "post");
  EXPECT_EQ(Match("h", "/a/b", "PUT"), "put");
  EXPECT_EQ(Match("h", "/a/b", "GET"), "root");
  EXPECT_EQ(Match("g", "/a/b", "POST"), "other");
}

TEST_F(RouterTest, MoreConditionsThenNameDecide) {
  RouteEntry canary = Route("z-canary", {});
  canary.headers = {
      {.name = "X-Canary", .text = {.kind = TextCondition::Kind::kExact, .value = "1"}}};
  Build({Route("b", {}), Route("a", {}), canary});
  EXPECT_EQ(Match("h", "/"), "a");
  EXPECT_EQ(Match("h", "/", "GET", {{"x-canary", "1"}}), "z-canary");
  EXPECT_EQ(Match("h", "/", "GET", {{"x-canary", "2"}}), "a");
}

TEST_F(RouterTest, HeaderConditionsOfEveryKind) {
  const auto with = [](const std::string& name, TextCondition::Kind kind,
                       const std::string& value) {
    RouteEntry route = Route(name, {}, PathKind::kExact, absl::StrCat("/", name));
    route.headers = {{.name = "h", .text = {.kind = kind, .value = value}}};
    return route;
  };
  Build({with("prefix", TextCondition::Kind::kPrefix, "ab"),
         with("pattern", TextCondition::Kind::kPattern, "a+b"),
         with("present", TextCondition::Kind::kPresent, ""),
         with("absent", TextCondition::Kind::kAbsent, "")});
  EXPECT_EQ(Match("x", "/prefix", "GET", {{"h", "abc"}}), "prefix");
  EXPECT_EQ(Match("x", "/prefix", "GET", {{"h", "b"}}), "none");
  EXPECT_EQ(Match("x", "/pattern", "GET", {{"h", "aab"}}), "pattern");
  EXPECT_EQ(Match("x", "/pattern", "GET", {{"h", "aabx"}}), "none") << "the whole value";
  EXPECT_EQ(Match("x", "/present", "GET", {{"h", ""}}), "present");
  EXPECT_EQ(Match("x", "/present"), "none");
  EXPECT_EQ(Match("x", "/absent"), "absent");
  EXPECT_EQ(Match("x", "/absent", "GET", {{"h", ""}}), "none");
}

RouteEntry JsonRoute(const std::string& name, std::vector<JsonCondition> conditions) {
  RouteEntry route = Route(name, {}, PathKind::kPrefix, "/v1");
  route.json = std::move(conditions);
  return route;
}

JsonCondition Field(const std::string& pointer, TextCondition text) {
  return {{.steps = PointerSteps(pointer)}, std::move(text)};
}

TEST_F(RouterTest, FieldsOfTheBodyDecide) {
  const TextCondition small{.kind = TextCondition::Kind::kPrefix, .value = "small"};
  const TextCondition yes{.kind = TextCondition::Kind::kExact, .value = "true"};
  Build({Route("rest", {}), JsonRoute("small", {Field("/model", small)}),
         JsonRoute("streams", {Field("/model", small), Field("/stream", yes)}),
         JsonRoute("tools", {Field("/tools", {}), Field("/a", {}), Field("/b", {})})});
  EXPECT_EQ(MatchBody(nullptr), "needs the body");
  EXPECT_EQ(MatchBody(R"({"model":"small-1"})"), "small");
  EXPECT_EQ(MatchBody(R"({"model":"small-1","stream":true})"), "streams") << "more conditions";
  EXPECT_EQ(MatchBody(R"({"model":"large"})"), "rest");
  EXPECT_EQ(MatchBody(R"({"tools":[],"a":{},"b":1.5})"), "tools") << "any value is present";
  EXPECT_EQ(MatchBody(R"({"model":["small"]})"), "rest") << "an array is no text";
  EXPECT_EQ(MatchBody("no JSON"), "rest");
}

TEST_F(RouterTest, AFieldThatDecidesMayNotComeTwice) {
  const TextCondition small{.kind = TextCondition::Kind::kExact, .value = "small"};
  Build({Route("rest", {}), JsonRoute("small", {Field("/model", small)})});
  EXPECT_EQ(MatchBody(R"({"model":"small","model":"large"})"), "ambiguous");
  EXPECT_EQ(MatchBody(R"({"model":"large","model":"small"})"), "ambiguous");
  EXPECT_EQ(MatchBody(R"({"x":1,"x":2,"model":"small"})"), "small");
}

TEST_F(RouterTest, AbsenceHoldsOnlyForABodyThatWasRead) {
  Build({Route("rest", {}),
         JsonRoute("no-model", {Field("/model", {.kind = TextCondition::Kind::kAbsent})})});
  EXPECT_EQ(MatchBody("{}"), "no-model");
  EXPECT_EQ(MatchBody("{"), "rest");
}

TEST_F(RouterTest, TheBodyIsOnlyAskedForWhereItMayDecide) {
  RouteEntry get = JsonRoute("get", {Field("/model", {})});
  get.methods = {"PUT"};
  Build({Route("rest", {}), get, JsonRoute("other", {})});
  EXPECT_EQ(MatchBody(nullptr), "other");
  RouteEntry exact = Route("exact", {}, PathKind::kExact, "/v1/chat");
  Build({exact, JsonRoute("prefix", {Field("/model", {})})});
  EXPECT_EQ(MatchBody(nullptr), "exact") << "a better route needs none";
}

TEST_F(RouterTest, RefusesWhatItCannotMatch) {
  RouteEntry pattern = Route("p", {});
  pattern.headers = {{.name = "h", .text = {.kind = TextCondition::Kind::kPattern, .value = "("}}};
  EXPECT_EQ(Router::Build({pattern}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(Router::Build({JsonRoute("j", {Field("/a", pattern.headers[0].text)})}).ok());
  EXPECT_FALSE(Router::Build({Route("r", {}, PathKind::kExact, "x")}).ok());
  EXPECT_FALSE(Router::Build({Route("r", {std::string(300, 'a')})}).ok());
}

TEST_F(RouterTest, FindsEachOfTenThousandRoutes) {
  std::vector<RouteEntry> routes;
  routes.reserve(10'000);
  for (int i = 0; i < 10'000; ++i) {
    routes.push_back(Route(absl::StrCat("r", i), {absl::StrCat("h", i % 100, ".example.com")},
                           i % 2 == 0 ? PathKind::kPrefix : PathKind::kExact,
                           absl::StrCat("/svc/", i)));
  }
  Build(std::move(routes));
  for (int i = 0; i < 10'000; ++i) {
    const std::string host = absl::StrCat("h", i % 100, ".example.com");
    EXPECT_EQ(Match(host, absl::StrCat("/svc/", i)), absl::StrCat("r", i));
    EXPECT_EQ(Match(host, absl::StrCat("/svc/", i, "/x")),
              i % 2 == 0 ? absl::StrCat("r", i) : "none");
  }
}

TEST_F(RouterTest, PathOfNothingButSlashesIsNoTrouble) {
  Build(
      {Route("deep", {}, PathKind::kPrefix, "/a/b/c"), Route("root", {}, PathKind::kPrefix, "/")});
  EXPECT_EQ(Match("h", std::string(100'000, '/')), "root");
}

RouteEntry Posted(RouteEntry route) {
  route.methods = {"POST"};
  return route;
}

TEST_F(RouterTest, ExactThenTemplateThenPatternThenPrefixThenAny) {
  const std::vector<RouteEntry> all = {
      Route("1-any", {}),
      Route("2-root", {}, PathKind::kPrefix, "/"),
      Route("3-prefix", {}, PathKind::kPrefix, "/a"),
      Route("4-pattern", {}, PathKind::kPattern, "/a/.*"),
      Route("5-template", {}, PathKind::kTemplate, "/a/{x}"),
      Route("6-exact", {}, PathKind::kExact, "/a/b"),
  };
  std::vector<RouteEntry> routes = all;
  std::string expected = "6-exact 5-template 4-pattern 3-prefix 2-root 1-any";
  while (!routes.empty()) {
    Build(routes);
    EXPECT_EQ(MatchAsked({.path = "/a/b"}), routes.back().name);
    EXPECT_EQ(Candidates({.path = "/a/b"}), expected);
    expected.erase(0, std::min(expected.find(' '), expected.size() - 1) + 1);
    routes.pop_back();
  }
  Build(all);
  EXPECT_EQ(Match("h", "/a/c"), "5-template");
  EXPECT_EQ(Match("h", "/a/c/d"), "4-pattern");
  EXPECT_EQ(Match("h", "/a/"), "4-pattern");
  EXPECT_EQ(Match("h", "/a"), "3-prefix");
  EXPECT_EQ(Match("h", "/b"), "2-root");
  EXPECT_EQ(Match("h", "*"), "1-any");
}

TEST_F(RouterTest, AMoreSpecificHostComesBeforeAnyPath) {
  Build({Route("path", {"*"}, PathKind::kExact, "/a"),
         Route("wild", {"*.test"}, PathKind::kPrefix, "/"),
         Posted(Route("host", {"a.test"}, PathKind::kTemplate, "/{x}"))});
  EXPECT_EQ(MatchAsked({.path = "/a", .host = "a.test", .method = "POST"}), "host");
  EXPECT_EQ(MatchAsked({.path = "/a", .host = "a.test"}), "wild");
  EXPECT_EQ(MatchAsked({.path = "/a", .host = "b"}), "path");
  EXPECT_EQ(Candidates({.path = "/a", .host = "a.test"}), "host wild path");
}

TEST_F(RouterTest, LiteralTextComesBeforeNamesFromTheLeft) {
  Build({Route("a", {}, PathKind::kTemplate, "/{x}/b/c"),
         Route("b", {}, PathKind::kTemplate, "/a/{y}/{z}"),
         Route("c", {}, PathKind::kTemplate, "/a/{y}/c"),
         Route("d", {}, PathKind::kTemplate, "/a/{rest=**}"),
         Route("e", {}, PathKind::kTemplate, "/{x}/{y}/{z}"), Route("f", {})});
  EXPECT_EQ(Candidates({.path = "/a/b/c"}), "c b d a e f");
  EXPECT_EQ(Candidates({.path = "/a/b/d"}), "b d e f");
  EXPECT_EQ(Candidates({.path = "/x/b/c"}), "a e f");
  EXPECT_EQ(Candidates({.path = "/a/b"}), "d f");
  EXPECT_EQ(Candidates({.path = "/a/"}), "f");
  EXPECT_EQ(Candidates({.path = "/a/b//c"}), "d f");
}

TEST_F(RouterTest, TemplatesAreWalkedBackWhenConditionsFail) {
  Build({Posted(Route("deep", {}, PathKind::kTemplate, "/a/b/{x}")),
         Posted(Route("left", {}, PathKind::kTemplate, "/a/{y}/c")),
         Posted(Route("rest", {}, PathKind::kTemplate, "/a/**")),
         Route("right", {}, PathKind::kTemplate, "/{x}/b/c"),
         Route("prefix", {}, PathKind::kPrefix, "/a/b/c")});
  EXPECT_EQ(Match("h", "/a/b/c", "POST"), "deep");
  EXPECT_EQ(Match("h", "/a/x/c", "POST"), "left");
  EXPECT_EQ(Match("h", "/a/x/d", "POST"), "rest");
  EXPECT_EQ(Match("h", "/a/b/c", "GET"), "right") << "another first segment";
  EXPECT_EQ(Match("h", "/a/b/c/d", "GET"), "prefix") << "no template is left";
}

TEST_F(RouterTest, TemplatesAndPatternsOfOneRankGoByConditionsThenName) {
  Build({Route("t2", {}, PathKind::kTemplate, "/t/{x}"),
         Route("t1", {}, PathKind::kTemplate, "/t/*"),
         Posted(Route("t3", {}, PathKind::kTemplate, "/t/{y}")),
         Route("p2", {}, PathKind::kPattern, "/p/.*"),
         Route("p1", {}, PathKind::kPattern, "/p/[a-z]+"),
         Posted(Route("p3", {}, PathKind::kPattern, "/.*"))});
  EXPECT_EQ(Candidates({.path = "/t/a"}), "t3 t1 t2 p3");
  EXPECT_EQ(Match("h", "/t/a"), "t1");
  EXPECT_EQ(Candidates({.path = "/p/a"}), "p3 p1 p2");
  EXPECT_EQ(Match("h", "/p/a"), "p1");
  EXPECT_EQ(Match("h", "/p/1"), "p2");
  EXPECT_EQ(Match("h", "/p/1", "POST"), "p3");
  EXPECT_EQ(Match("h", "/p"), "none") << "a pattern is of the whole path";
}

TEST_F(RouterTest, WhatIsNoPathMatchesOnlyRoutesOfAnyPath) {
  Build({Route("pattern", {}, PathKind::kPattern, ".*"),
         Route("template", {}, PathKind::kTemplate, "/**"),
         Route("root", {}, PathKind::kPrefix, "/"), Route("z-any", {})});
  EXPECT_EQ(Match("h", "*"), "z-any");
  EXPECT_EQ(Candidates({.path = "*"}), "z-any");
}

TEST_F(RouterTest, ARouteThatNamesAHostTwiceIsThereOnce) {
  Build({Route("exact", {"h", "H", "h"}, PathKind::kExact, "/a"),
         Route("pattern", {"h", "h"}, PathKind::kPattern, "/a"),
         Route("template", {"h", "h"}, PathKind::kTemplate, "/{x}"), Route("any", {"*", "*"})});
  EXPECT_EQ(Candidates({.path = "/a"}), "exact template pattern any");
}

TEST_F(RouterTest, ParametersCookiesAndClientsDecide) {
  RouteEntry query = Route("query", {}, PathKind::kPrefix, "/a");
  query.query = {{.name = "beta", .text = {.kind = TextCondition::Kind::kExact, .value = "1 2"}}};
  RouteEntry cookie = Route("cookie", {}, PathKind::kPrefix, "/a");
  cookie.cookies = {{.name = "C", .text = {.kind = TextCondition::Kind::kPattern, .value = "x+"}}};
  RouteEntry client = Route("client", {}, PathKind::kPrefix, "/a");
  client.clients = *common::CidrSet::Parse("10.0.0.0/8");
  RouteEntry all = Route("z-all", {}, PathKind::kPrefix, "/a");
  all.query = query.query;
  all.cookies = cookie.cookies;
  all.clients = client.clients;
  Build({query, cookie, client, all, Route("rest", {})});
  EXPECT_EQ(MatchAsked({.path = "/a"}), "rest");
  EXPECT_EQ(MatchAsked({.path = "/a", .query = "beta=1+2"}), "query");
  EXPECT_EQ(MatchAsked({.path = "/a", .query = "beta=1&beta=1+2"}), "rest") << "the first counts";
  EXPECT_EQ(MatchAsked({.path = "/a", .cookies = {{"C", "xx"}}}), "cookie");
  EXPECT_EQ(MatchAsked({.path = "/a", .cookies = {{"c", "xx"}}}), "rest");
  EXPECT_EQ(MatchAsked({.path = "/a", .cookies = {{"C", "xy"}}}), "rest") << "the whole value";
  EXPECT_EQ(MatchAsked({.path = "/a", .client = "10.9.9.9"}), "client");
  EXPECT_EQ(MatchAsked({.path = "/a", .client = "11.0.0.0"}), "rest");
  EXPECT_EQ(
      MatchAsked(
          {.path = "/a", .query = "beta=1%202", .cookies = {{"C", "x"}}, .client = "10.0.0.1"}),
      "z-all")
      << "more conditions";
  EXPECT_EQ(MatchAsked({.path = "/a", .cookies = {{"C", "x"}}, .client = "10.0.0.1"}), "client")
      << "as many: the first by name";
  EXPECT_EQ(MatchAsked({.path = "/b", .query = "beta=1+2"}), "rest");
}

TEST_F(RouterTest, CandidatesComeWithWhatBecomesOfThem) {
  RouteEntry header = Posted(Route("header", {}, PathKind::kExact, "/a"));
  header.headers = {{.name = "A", .text = {}}, {.name = "B", .text = {}}};
  RouteEntry json = Route("json", {}, PathKind::kPrefix, "/a");
  json.json = {{{.number = 0, .steps = {"m"}}, {}}};
  Build({header, json, Posted(Route("post", {}, PathKind::kTemplate, "/{x}")), Route("any", {}),
         Route("other", {}, PathKind::kExact, "/b"), Route("host", {"other"})});
  std::vector<std::pair<std::string, ConditionResult>> seen;
  const AskedRequest asked{.path = "/a", .method = "POST", .headers = {{"a", "1"}}};
  WithRequest(asked, [&](RouteRequest request) {
    request.body_known = false;
    router_->ForEachCandidate(request, [&](const RouteEntry& route, const ConditionResult& result) {
      seen.emplace_back(route.name, result);
      return false;
    });
  });
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].first, "header");
  EXPECT_EQ(seen[0].second.kind, ConditionResult::Kind::kHeader);
  EXPECT_EQ(seen[0].second.index, 1u);
  EXPECT_EQ(seen[1].first, "post");
  EXPECT_EQ(seen[1].second.kind, ConditionResult::Kind::kHolds);
  EXPECT_EQ(seen[2].first, "json");
  EXPECT_EQ(seen[2].second.kind, ConditionResult::Kind::kNeedsBody);
  EXPECT_EQ(seen[3].first, "any");
  EXPECT_EQ(Candidates(asked, "post"), "header post") << "until it is told to stop";
  EXPECT_EQ(Candidates({.path = "/c", .host = "nobody"}), "post any");
}

TEST_F(RouterTest, RefusesPathsAndChangesThatCannotBe) {
  const auto refusal = [](RouteEntry route) {
    const auto router = Router::Build({Route("good", {}), std::move(route)});
    if (router.ok()) return std::string("none");
    EXPECT_EQ(router.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(absl::StrContains(router.status().message(), "broken")) << router.status();
    return std::string(router.status().message());
  };
  std::string long_one;
  for (int i = 0; i < 33; ++i) long_one += "/*";
  for (const std::string& text : {std::string("/a{b}"), std::string("/{a}/{a}"), std::string("{a}"),
                                  std::string(), std::string("/**/a"), long_one}) {
    EXPECT_NE(refusal(Route("broken", {}, PathKind::kTemplate, text)), "none") << text;
  }
  EXPECT_NE(refusal(Route("broken", {}, PathKind::kPattern, "(")), "none");
  EXPECT_NE(refusal(Route("broken", {}, PathKind::kPrefix, "a")), "none");
  const auto with_path = [](PathChange change, RouteEntry route) {
    auto rewrite = std::make_shared<Rewrite>();
    rewrite->path = std::move(change);
    route.rewrite = std::move(rewrite);
    return route;
  };
  const RouteEntry templated = Route("broken", {}, PathKind::kTemplate, "/{id}");
  PathChange whole;
  whole.kind = PathChange::Kind::kWhole;
  whole.text = "/v/{id}";
  EXPECT_EQ(refusal(with_path(whole, templated)), "none");
  whole.text = "/v/{other}";
  EXPECT_NE(refusal(with_path(whole, templated)), "none");
  EXPECT_EQ(refusal(with_path(whole, Route("broken", {}))), "none") << "no template: plain bytes";
  RouteEntry redirected = templated;
  auto redirect = std::make_shared<Redirect>();
  redirect->path = whole;
  redirected.redirect = redirect;
  EXPECT_NE(refusal(redirected), "none");
  PathChange pattern;
  pattern.kind = PathChange::Kind::kPattern;
  pattern.pattern_text = "(";
  EXPECT_NE(refusal(with_path(pattern, Route("broken", {}))), "none");
  pattern.pattern_text = "(a)";
  pattern.text = "\\2";
  EXPECT_NE(refusal(with_path(pattern, Route("broken", {}))), "none");
}

TEST_F(RouterTest, ChangesOfThePathAreReadyToUse) {
  RouteEntry route = Route("r", {}, PathKind::kTemplate, "/u/{id}/{rest=**}");
  auto rewrite = std::make_shared<Rewrite>();
  rewrite->path.kind = PathChange::Kind::kWhole;
  rewrite->path.text = "/v/{rest}";
  route.rewrite = rewrite;
  auto redirect = std::make_shared<Redirect>();
  redirect->path.kind = PathChange::Kind::kWhole;
  redirect->path.text = "/w/{id}";
  route.redirect = redirect;
  Build({route});
  const RouteEntry* built = router_->Find("r");
  ASSERT_NE(built, nullptr);
  const auto apply = [&](const PathChange& change) {
    return change.Apply("/u/7/a/b", 0, &built->path_template, 0);
  };
  EXPECT_EQ(apply(built->rewrite->path), "/v/a/b");
  EXPECT_EQ(apply(built->redirect->path), "/w/7");
  EXPECT_TRUE(rewrite->path.parts.empty()) << "the caller's is as it was";
}

}  // namespace
}  // namespace pointsman::gateway
