#include "gateway/core/router.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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
    const RouteEntry* route = router_->Match({host, path, method, header});
    return route == nullptr ? "none" : route->name;
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
  canary.headers = {{.name = "X-Canary",
                     .kind = HeaderCondition::Kind::kExact,
                     .value = "1",
                     .pattern = nullptr}};
  Build({Route("b", {}), Route("a", {}), canary});
  EXPECT_EQ(Match("h", "/"), "a");
  EXPECT_EQ(Match("h", "/", "GET", {{"x-canary", "1"}}), "z-canary");
  EXPECT_EQ(Match("h", "/", "GET", {{"x-canary", "2"}}), "a");
}

TEST_F(RouterTest, HeaderConditionsOfEveryKind) {
  const auto with = [](const std::string& name, HeaderCondition::Kind kind,
                       const std::string& value) {
    RouteEntry route = Route(name, {}, PathKind::kExact, absl::StrCat("/", name));
    route.headers = {{.name = "h", .kind = kind, .value = value, .pattern = nullptr}};
    return route;
  };
  Build({with("prefix", HeaderCondition::Kind::kPrefix, "ab"),
         with("pattern", HeaderCondition::Kind::kPattern, "a+b"),
         with("present", HeaderCondition::Kind::kPresent, ""),
         with("absent", HeaderCondition::Kind::kAbsent, "")});
  EXPECT_EQ(Match("x", "/prefix", "GET", {{"h", "abc"}}), "prefix");
  EXPECT_EQ(Match("x", "/prefix", "GET", {{"h", "b"}}), "none");
  EXPECT_EQ(Match("x", "/pattern", "GET", {{"h", "aab"}}), "pattern");
  EXPECT_EQ(Match("x", "/pattern", "GET", {{"h", "aabx"}}), "none") << "the whole value";
  EXPECT_EQ(Match("x", "/present", "GET", {{"h", ""}}), "present");
  EXPECT_EQ(Match("x", "/present"), "none");
  EXPECT_EQ(Match("x", "/absent"), "absent");
  EXPECT_EQ(Match("x", "/absent", "GET", {{"h", ""}}), "none");
}

TEST_F(RouterTest, RefusesWhatItCannotMatch) {
  RouteEntry pattern = Route("p", {});
  pattern.headers = {
      {.name = "h", .kind = HeaderCondition::Kind::kPattern, .value = "(", .pattern = nullptr}};
  EXPECT_EQ(Router::Build({pattern}).status().code(), absl::StatusCode::kInvalidArgument);
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
