#include "gateway/core/router.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gateway/core/json_body.h"
#include "gtest/gtest.h"

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

}  // namespace
}  // namespace pointsman::gateway
