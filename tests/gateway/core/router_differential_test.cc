// The router compared with a look at every route, which follows the documented precedence word by
// word: hosts, then paths, then conditions, then names.

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gateway/core/router.h"
#include "gtest/gtest.h"
#include "tests/gateway/core/asked_request.h"

namespace pointsman::gateway {
namespace {

using PathKind = RouteEntry::PathKind;
using Segments = std::vector<std::string>;

bool TemplateMatches(const Segments& parts, const Segments& segments) {
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i >= segments.size()) return false;
    if (absl::StrContains(parts[i], "**")) return i + 1 < segments.size() || !segments[i].empty();
    const bool one = parts[i] == "*" || parts[i][0] == '{';
    // Literal text ends where a server may see another segment or a parameter.
    const std::string literal =
        segments[i].substr(0, std::min(segments[i].find(';'), segments[i].find("%2F")));
    if (one ? segments[i].empty() : parts[i] != literal) return false;
  }
  return parts.size() == segments.size();
}

bool PrefixMatches(const std::string& prefix, const std::string& path) {
  if (!absl::StartsWith(path, prefix)) return false;
  const std::string rest = path.substr(prefix.size());
  return rest.empty() || prefix.back() == '/' || rest[0] == '/' || rest[0] == ';' ||
         absl::StartsWith(rest, "%2F");
}

bool PatternMatches(const std::string& pattern, const std::string& path) {
  static auto* compiled = new std::map<std::string, re2::RE2>();
  return re2::RE2::FullMatch(path, compiled->try_emplace(pattern, pattern).first->second);
}

// How specific the route's path is, the most first; empty: it does not match.
std::vector<int> PathRank(const RouteEntry& route, const std::string& path) {
  switch (route.path_kind) {
    case PathKind::kExact:
      return route.path == path ? std::vector<int>{0} : std::vector<int>();
    case PathKind::kTemplate: {
      const Segments parts = absl::StrSplit(route.path.substr(1), '/');
      const Segments segments = absl::StrSplit(path.substr(1), '/');
      if (!TemplateMatches(parts, segments)) return {};
      std::vector<int> rank = {1};
      for (const std::string& part : parts) {
        const bool rest = absl::StrContains(part, "**");
        rank.push_back(rest ? 2 : part == "*" || (!part.empty() && part[0] == '{') ? 1 : 0);
      }
      return rank;
    }
    case PathKind::kPattern:
      return PatternMatches(route.path, path) ? std::vector<int>{2} : std::vector<int>();
    case PathKind::kPrefix:
      if (!PrefixMatches(route.path, path)) return {};
      return {3, -static_cast<int>(route.path.size())};
    case PathKind::kAny:
      return {4};
  }
  return {};
}

// As PathRank.
std::vector<int> HostRank(const std::string& pattern, const std::string& host) {
  if (pattern == "*") return {2};
  if (pattern == host) return {0};
  if (!absl::StartsWith(pattern, "*.") || !absl::EndsWith(host, pattern.substr(1))) return {};
  if (host.size() < pattern.size()) return {};
  return {1, -static_cast<int>(pattern.size())};
}

int Conditions(const RouteEntry& route) {
  return static_cast<int>((route.methods.empty() ? 0 : 1) + route.headers.size() +
                          route.query.size() + route.cookies.size() + (route.clients ? 1 : 0));
}

// Each condition of these tests asks for "1", for POST, or for clients of 10.0.0.0/8.
bool Holds(const RouteEntry& route, const AskedRequest& asked) {
  const auto is_one = [](const std::map<std::string, std::string>& map, const auto& condition) {
    const auto it = map.find(condition.name);
    return it != map.end() && it->second == "1";
  };
  std::map<std::string, std::string> query;
  for (const absl::string_view pair : absl::StrSplit(asked.query, '&', absl::SkipEmpty())) {
    query.insert(std::pair<std::string, std::string>(absl::StrSplit(pair, '=')));
  }
  if (!route.methods.empty() && asked.method != "POST") return false;
  for (const auto& condition : route.headers) {
    if (!is_one(asked.headers, condition)) return false;
  }
  for (const auto& condition : route.query) {
    if (!is_one(query, condition)) return false;
  }
  for (const auto& condition : route.cookies) {
    if (!is_one(asked.cookies, condition)) return false;
  }
  return !route.clients || absl::StartsWith(asked.client, "10.");
}

// All that match by host and path, in the order of the documentation.
std::vector<const RouteEntry*> Candidates(const std::vector<RouteEntry>& routes,
                                          const AskedRequest& asked) {
  using Rank = std::tuple<std::vector<int>, std::vector<int>, int, std::string, const RouteEntry*>;
  std::vector<Rank> ranked;
  for (const RouteEntry& route : routes) {
    const std::vector<int> path = PathRank(route, asked.path);
    if (path.empty()) continue;
    std::set<std::string> hosts(route.hosts.begin(), route.hosts.end());
    if (hosts.empty()) hosts.insert("*");
    for (const std::string& pattern : hosts) {
      const std::vector<int> host = HostRank(pattern, asked.host);
      if (!host.empty()) ranked.emplace_back(host, path, -Conditions(route), route.name, &route);
    }
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<const RouteEntry*> found;
  for (const Rank& rank : ranked) found.push_back(std::get<4>(rank));
  return found;
}

class RandomRoutes {
 public:
  explicit RandomRoutes(uint64_t seed) : random_(seed) {}

  std::vector<RouteEntry> Routes() {
    std::vector<RouteEntry> routes;
    const size_t count = 1 + Below(40);
    for (size_t i = 0; i < count; ++i) routes.push_back(OneRoute(absl::StrCat("r", i)));
    return routes;
  }

  AskedRequest Request() {
    AskedRequest asked;
    asked.host = OneOf({"a.test", "b.a.test", "c.b.a.test", "c.test", "test", "other"});
    asked.path = Path({"a", "b", "c", "aa", "a", "b", "", "a;x", "a%2Fb"}, 4);
    asked.method = OneOf({"GET", "POST"});
    if (Below(2) == 0) asked.headers = {{"h", OneOf({"1", "2"})}};
    asked.query = OneOf({"", "q=1", "q=2", "p=1&q=1", "q=1&q=2", "q=2&q=1", "p&&q=1", "q"});
    if (Below(2) == 0) asked.cookies = {{"c", OneOf({"1", "2"})}};
    asked.client = OneOf({"", "10.1.1.1", "11.1.1.1"});
    return asked;
  }

 private:
  size_t Below(size_t end) { return random_() % end; }
  std::string OneOf(const std::vector<std::string>& texts) { return texts[Below(texts.size())]; }

  std::string Path(const std::vector<std::string>& segments, size_t most) {
    std::string path;
    const size_t count = 1 + Below(most);
    for (size_t i = 0; i < count; ++i) absl::StrAppend(&path, "/", OneOf(segments));
    if (Below(4) == 0) path.push_back('/');
    return path;
  }

  void SetPath(RouteEntry* route) {
    route->path_kind = static_cast<PathKind>(Below(5));
    switch (route->path_kind) {
      case PathKind::kAny:
        break;
      case PathKind::kExact:
        route->path = Path({"a", "b", "c"}, 3);
        break;
      case PathKind::kPrefix:
        route->path = Below(6) == 0 ? "/" : Path({"a", "b", "c"}, 3);
        break;
      case PathKind::kTemplate:
        route->path = Path({"a", "b", "*"}, 3);
        if (route->path.back() != '/' && Below(3) == 0) route->path += "/{rest=**}";
        break;
      case PathKind::kPattern:
        route->path = OneOf({"/.*", "/a/.*", "/[ab]", "(/[a-c])+", ".*/b", "/a|/b/c", "/[^/]+/b"});
        break;
    }
  }

  RouteEntry OneRoute(const std::string& name) {
    RouteEntry route;
    route.name = name;
    for (size_t i = Below(3); i > 0; --i) {
      route.hosts.push_back(OneOf({"a.test", "b.a.test", "*.test", "*.a.test", "*", "test"}));
    }
    SetPath(&route);
    const TextCondition one{.kind = TextCondition::Kind::kExact, .value = "1"};
    if (Below(4) == 0) route.methods = {"POST"};
    if (Below(4) == 0) route.headers = {{.name = "h", .text = one}};
    if (Below(4) == 0) route.query = {{.name = "q", .text = one}};
    if (Below(4) == 0) route.cookies = {{.name = "c", .text = one}};
    if (Below(4) == 0) route.clients = *common::CidrSet::Parse("10.0.0.0/8");
    return route;
  }

  std::mt19937_64 random_;
};

std::string MatchedBy(const Router& router, const AskedRequest& asked) {
  return WithRequest(asked, [&](const RouteRequest& request) {
    const RouteChoice choice = router.Match(request);
    return choice.kind == RouteChoice::Kind::kChosen ? choice.route->name : "none";
  });
}

std::vector<std::string> CandidatesOf(const Router& router, const AskedRequest& asked) {
  std::vector<std::string> names;
  WithRequest(asked, [&](const RouteRequest& request) {
    router.ForEachCandidate(request, [&](const RouteEntry& route, const ConditionResult&) {
      names.push_back(route.name);
      return false;
    });
  });
  return names;
}

TEST(RouterDifferentialTest, AgreesWithALookAtEveryRoute) {
  RandomRoutes random(20261201);
  int chosen = 0;
  for (int table = 0; table < 250; ++table) {
    const std::vector<RouteEntry> routes = random.Routes();
    const auto router = Router::Build(routes);
    ASSERT_TRUE(router.ok()) << router.status();
    for (int i = 0; i < 20; ++i) {
      const AskedRequest asked = random.Request();
      std::string expected = "none";
      std::vector<std::string> names;
      for (const RouteEntry* route : Candidates(routes, asked)) {
        names.push_back(route->name);
        if (expected == "none" && Holds(*route, asked)) expected = route->name;
      }
      ASSERT_EQ(MatchedBy(**router, asked), expected) << table << ": " << asked.host << asked.path;
      ASSERT_EQ(CandidatesOf(**router, asked), names) << table << ": " << asked.host << asked.path;
      chosen += expected == "none" ? 0 : 1;
    }
  }
  // Most requests have a route, so that something was compared.
  EXPECT_GT(chosen, 2500);
  EXPECT_LT(chosen, 5000);
}

}  // namespace
}  // namespace pointsman::gateway
