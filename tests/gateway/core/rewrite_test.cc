#include "gateway/core/rewrite.h"

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Kind = PathChange::Kind;
using common::PathTraits;

common::PathTemplate TemplateOf(const std::string& text) {
  const auto parsed = common::PathTemplate::Parse(text);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? *parsed : common::PathTemplate();
}

std::string Shown(const std::optional<std::string>& path) {
  return path.has_value() ? *path : "none";
}

PathChange ChangeTo(Kind kind, const std::string& text, const std::string& pattern = "") {
  PathChange change;
  change.kind = kind;
  change.text = text;
  change.pattern_text = pattern;
  return change;
}

// The whole path of a route without a template.
std::string Whole(const std::string& text, const std::string& path, PathTraits traits = 0) {
  PathChange change = ChangeTo(Kind::kWhole, text);
  EXPECT_TRUE(change.Compile(nullptr).ok());
  return Shown(change.Apply(path, 0, nullptr, traits));
}

// Of a route with the template "/u/{id}/{rest=**}".
std::string Filled(const std::string& text, const std::string& path, PathTraits traits = 0) {
  const common::PathTemplate matched = TemplateOf("/u/{id}/{rest=**}");
  PathChange change = ChangeTo(Kind::kWhole, text);
  const absl::Status status = change.Compile(&matched);
  EXPECT_TRUE(status.ok()) << status;
  return Shown(change.Apply(path, 0, &matched, traits));
}

std::string Replaced(const std::string& pattern, const std::string& substitution,
                     const std::string& path, PathTraits traits = 0) {
  PathChange change = ChangeTo(Kind::kPattern, substitution, pattern);
  const absl::Status status = change.Compile(nullptr);
  EXPECT_TRUE(status.ok()) << status;
  return Shown(change.Apply(path, 0, nullptr, traits));
}

TEST(PathChangeTest, NoneLeavesThePathAsItIs) {
  PathChange change;
  EXPECT_TRUE(change.Compile(nullptr).ok());
  EXPECT_EQ(Shown(change.Apply("/a;b//c", 0, nullptr, 0)), "/a;b//c");
}

TEST(PathChangeTest, AWholePathTakesThePlaceOfAny) {
  EXPECT_EQ(Whole("/new/x/", "/a"), "/new/x/");
  EXPECT_EQ(Whole("/", "/a/b"), "/");
  EXPECT_EQ(Whole("/v/{id}", "/a"), "/v/{id}") << "without a template braces are plain bytes";
  EXPECT_EQ(Whole("/new", "*"), "/new");
}

TEST(PathChangeTest, NothingButACanonicalPathComesOut) {
  EXPECT_EQ(Whole("/a/../b//c/%7e", "/x"), "/b/c/~");
  EXPECT_EQ(Whole("a", "/x"), "none");
  EXPECT_EQ(Whole("", "/x"), "none");
  EXPECT_EQ(Whole("/a?b", "/x"), "none");
  EXPECT_EQ(Whole("/a\r\nb: c", "/x"), "none");
  EXPECT_EQ(Whole("/a%2Fb", "/x"), "none");
  EXPECT_EQ(Whole("/a%2Fb", "/x", common::kPathEncodedSlash), "/a%2Fb");
}

TEST(PathChangeTest, PartsOfTheTemplateAreFilledIn) {
  EXPECT_EQ(Filled("/v/{id}/of/{rest}", "/u/7/a/b"), "/v/7/of/a/b");
  EXPECT_EQ(Filled("/{rest}/{id}", "/u/7/a/b"), "/a/b/7");
  EXPECT_EQ(Filled("/{id}{id}x", "/u/7/a"), "/77x");
  EXPECT_EQ(Filled("/plain", "/u/7/a"), "/plain");
  EXPECT_EQ(Filled("/v/{rest}", "/u/7/a/"), "/v/a/");
  EXPECT_EQ(Filled("/v/{id}", "/u/{id}/a"), "/v/{id}") << "what came is not filled in again";
  EXPECT_EQ(Filled("/v/{id}", "/u//a"), "none") << "the template does not match";
  EXPECT_EQ(Filled("/v/{id}", "/other"), "none");
}

TEST(PathChangeTest, PartsBringOnlyWhatTheRouteAllows) {
  EXPECT_EQ(Filled("/v/{id}", "/u/a%2Fb/c"), "none");
  EXPECT_EQ(Filled("/v/{id}", "/u/a%2Fb/c", common::kPathEncodedSlash), "/v/a%2Fb");
  EXPECT_EQ(Filled("/v/{id}", "/u/a%2Fb/c", common::kPathSemicolon), "none");
  EXPECT_EQ(Filled("/v/{id}", "/u/a;b/c", common::kPathSemicolon), "/v/a;b");
  EXPECT_EQ(Filled("/v/{rest}/x", "/u/7/a/"), "/v/a/x") << "no empty segment comes of it";
  EXPECT_EQ(Filled("/v/{rest}/x", "/u/7/a//b/", common::kPathEmptySegment), "/v/a//b//x");
}

TEST(PathChangeTest, NamesAreThoseOfTheTemplate) {
  const common::PathTemplate matched = TemplateOf("/u/{id}/*");
  for (const char* text : {"/{other}", "/{}", "/{ID}", "/{id}/{u}", "/{{id}}", "/{id=**}"}) {
    PathChange change = ChangeTo(Kind::kWhole, text);
    EXPECT_EQ(change.Compile(&matched).code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

struct PrefixCase {
  std::string matched;
  std::string prefix;
  std::string path;
  std::string expected;
};

std::string WithPrefix(const PrefixCase& c, PathTraits traits) {
  PathChange change = ChangeTo(Kind::kPrefix, c.prefix);
  EXPECT_TRUE(change.Compile(nullptr).ok());
  return Shown(change.Apply(c.path, c.matched.size(), nullptr, traits));
}

TEST(PathChangeTest, APrefixStandsWhereTheOtherDid) {
  const PrefixCase kCases[] = {
      {"/api", "/v2", "/api/x", "/v2/x"},
      {"/api", "/v2", "/api", "/v2"},
      {"/api", "/v2", "/api/", "/v2/"},
      {"/api", "/v2/", "/api/x", "/v2/x"},
      {"/api", "/v2/", "/api", "/v2/"},
      {"/api", "/v2/", "/api/", "/v2/"},
      {"/api", "/", "/api/x", "/x"},
      {"/api", "/", "/api", "/"},
      {"/api", "/", "/api/", "/"},
      {"/api/", "/", "/api/x", "/x"},
      {"/api/", "/", "/api/x/", "/x/"},
      {"/api/", "/", "/api/", "/"},
      {"/api/", "/v2", "/api/x", "/v2/x"},
      {"/api/", "/v2", "/api/", "/v2"},
      {"/api/", "/v2/", "/api/x", "/v2/x"},
      {"/api/", "/v2/", "/api/", "/v2/"},
      {"/", "/v2", "/x", "/v2/x"},
      {"/", "/v2", "/", "/v2"},
      {"/", "/v2/", "/", "/v2/"},
      {"/", "/v2/", "/x/y/", "/v2/x/y/"},
      {"/", "/", "/x", "/x"},
      {"/a/b", "/c", "/a/b/a/b", "/c/a/b"},
      {"/api", "/api/v2", "/api/x", "/api/v2/x"},
  };
  for (const PrefixCase& c : kCases) {
    EXPECT_EQ(WithPrefix(c, 0), c.expected) << c.matched << " " << c.prefix << " " << c.path;
  }
}

TEST(PathChangeTest, SegmentsBehindAPrefixStaySegments) {
  constexpr PathTraits kAll = common::kPathSemicolon | common::kPathEncodedSlash |
                              common::kPathEmptySegment | common::kPathEncodedQuery;
  const PrefixCase kCases[] = {
      {"/api", "/v2", "/api;x", "/v2;x"},
      {"/api", "/", "/api;x", "/;x"},
      {"/api", "/v2", "/api%2Fx", "/v2%2Fx"},
      {"/api/", "/v2", "/api/;x", "/v2/;x"},
      {"/", "/v2", "/;x", "/v2/;x"},
      {"/", "/v2/", "/%2Fx", "/v2/%2Fx"},
      {"/", "/v2", "/%3Fx", "/v2/%3Fx"},
      {"/api", "/v2", "/api//x", "/v2//x"},
      {"/api", "/v2/", "/api//x", "/v2//x"},
      {"/api/", "/v2", "/api//x", "/v2//x"},
      {"/api/", "/v2/", "/api//x", "/v2//x"},
      {"/", "/v2", "//x", "/v2//x"},
      {"/", "/", "//x", "//x"},
  };
  for (const PrefixCase& c : kCases) {
    EXPECT_EQ(WithPrefix(c, kAll), c.expected) << c.matched << " " << c.prefix << " " << c.path;
  }
  EXPECT_EQ(WithPrefix({"/api", "/v2", "/api;x", ""}, 0), "none");
  EXPECT_EQ(WithPrefix({"/api", "/v2", "/api//x", ""}, 0), "/v2/x");
}

TEST(PathChangeTest, APrefixThatIsNoneMakesNoPath) {
  EXPECT_EQ(WithPrefix({"/api", "v2", "/api/x", ""}, 0), "none");
  EXPECT_EQ(WithPrefix({"/api", "", "/api", ""}, 0), "none");
  EXPECT_EQ(WithPrefix({"/api", "/v2?", "/api/x", ""}, 0), "none");
  EXPECT_EQ(WithPrefix({"/longer/than/it", "/v2", "/a", ""}, 0), "/v2") << "however it was matched";
}

TEST(PathChangeTest, APatternIsReplacedOnce) {
  EXPECT_EQ(Replaced("^/a(.*)$", R"(/b\1)", "/a/x"), "/b/x");
  EXPECT_EQ(Replaced("a", "b", "/a/a"), "/b/a") << "the first, not each";
  EXPECT_EQ(Replaced("x", "y", "/a/b"), "/a/b") << "not found";
  EXPECT_EQ(Replaced("/([^/]+)/([^/]+)", R"(/\2/\1)", "/a/b/c"), "/b/a/c");
  EXPECT_EQ(Replaced("b.", R"([\0])", "/abcd"), "/a[bc]d");
  EXPECT_EQ(Replaced("/(x)?a", R"(/\1b)", "/a"), "/b") << "a group that took no part is empty";
  EXPECT_EQ(Replaced("(?i)/A", "/b", "/a"), "/b");
  EXPECT_EQ(Replaced("$", "/end", "/a"), "/a/end");
}

TEST(PathChangeTest, WhatAPatternMakesIsCanonical) {
  EXPECT_EQ(Replaced("x", "%7e%c3%a4", "/x"), "/~%C3%A4");
  EXPECT_EQ(Replaced("/x/", "//", "/a/x/b"), "/a/b");
  EXPECT_EQ(Replaced("/x/", "//", "/a/x/b", common::kPathEmptySegment), "/a//b");
}

// "/pub/.-v1./secret" must not become "/secret" where its route is of "/pub".
TEST(PathChangeTest, APatternLeadsNowhereElseByDots) {
  EXPECT_EQ(Replaced("-v[0-9]+", "", "/pub/.-v1./secret"), "none");
  EXPECT_EQ(Replaced("x", "%2e%2e", "/a/x/b"), "none");
  EXPECT_EQ(Replaced("/x/", "/./", "/a/x/b"), "none");
  EXPECT_EQ(Replaced("/x/", "/../", "/a/x/b"), "none");
  EXPECT_EQ(Replaced("x", "..", "/a/x"), "none");
}

TEST(PathChangeTest, APatternMayMakeNoPath) {
  EXPECT_EQ(Replaced(".*", "", "/a"), "none") << "nothing is left";
  EXPECT_EQ(Replaced("^/", "", "/a"), "none") << "does not begin with /";
  EXPECT_EQ(Replaced("^", "x", "/a"), "none");
  EXPECT_EQ(Replaced("^.", "", "*"), "none");
  for (const char* text : {"?y", "#y", " ", "%zz", "%", "%C3", "%00", "/../../../y", "..;"}) {
    EXPECT_EQ(Replaced("x", text, "/a/x"), "none") << text;
  }
  EXPECT_EQ(Replaced("x", "\r\n", "/x"), "none");
  EXPECT_EQ(Replaced("x", "%2F", "/x"), "none");
  EXPECT_EQ(Replaced("x", "%2F", "/x", common::kPathEncodedSlash), "/%2F");
  EXPECT_EQ(Replaced("x", ";", "/ax", common::kPathEncodedSlash), "none");
}

TEST(PathChangeTest, APatternDoesNotMakePathsWithoutEnd) {
  EXPECT_EQ(Replaced("^(.*)$", R"(\1\1)", "/" + std::string(16'383, 'a')).size(), 32'768u);
  EXPECT_EQ(Replaced("^(.*)$", R"(\1\1)", "/" + std::string(16'384, 'a')), "none");
}

TEST(PathChangeTest, RefusesPatternsThatCannotBe) {
  struct Wrong {
    std::string pattern;
    std::string substitution;
  };
  for (const Wrong& wrong : {Wrong{"(", ""}, Wrong{"((a{100}){100}){100}", ""}, Wrong{"a", R"(\1)"},
                             Wrong{"(a)", R"(\2)"}, Wrong{"a", "b\\"}, Wrong{"a", R"(\x)"}}) {
    PathChange change = ChangeTo(Kind::kPattern, wrong.substitution, wrong.pattern);
    const absl::Status status = change.Compile(nullptr);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << wrong.pattern;
    const std::string& shown = wrong.substitution.empty() ? wrong.pattern : wrong.substitution;
    EXPECT_TRUE(absl::StrContains(status.message(), shown)) << status;
  }
}

Redirect To(const std::string& scheme, const std::string& host = "") {
  Redirect redirect;
  redirect.scheme = scheme;
  redirect.host = host;
  return redirect;
}

Redirect WithoutQuery() {
  Redirect redirect;
  redirect.strip_query = true;
  return redirect;
}

// Of a request to http://a.test:8080/x?q=1.
std::string Location(const Redirect& redirect) {
  return LocationOf(redirect, "http", "a.test:8080", "/x", "q=1");
}

TEST(LocationTest, WhatIsNotSetStays) {
  EXPECT_EQ(Location({}), "http://a.test:8080/x?q=1");
  EXPECT_EQ(Location(To("", "b.test")), "http://b.test/x?q=1");
  EXPECT_EQ(Location(To("", "b.test:81")), "http://b.test:81/x?q=1");
  EXPECT_EQ(Location(WithoutQuery()), "http://a.test:8080/x");
}

TEST(LocationTest, APortGoesWithItsScheme) {
  EXPECT_EQ(Location(To("https")), "https://a.test/x?q=1");
  EXPECT_EQ(Location(To("http")), "http://a.test:8080/x?q=1");
  EXPECT_EQ(Location(To("https", "b.test:8443")), "https://b.test:8443/x?q=1");
  const Redirect https = To("https");
  EXPECT_EQ(LocationOf(https, "https", "a.test:8443", "/", {}), "https://a.test:8443/");
  EXPECT_EQ(LocationOf(https, "http", "a.test", "/", {}), "https://a.test/");
  EXPECT_EQ(LocationOf(To("http"), "https", "a.test:443", "/", {}), "http://a.test/");
}

TEST(LocationTest, ColonsOfAnIpv6AddressAreNoPort) {
  const Redirect https = To("https");
  EXPECT_EQ(LocationOf(https, "http", "[2001:db8::7]:8080", "/", {}), "https://[2001:db8::7]/");
  EXPECT_EQ(LocationOf(https, "http", "[2001:db8::7]", "/", {}), "https://[2001:db8::7]/");
  EXPECT_EQ(LocationOf(https, "http", "[::]:80", "/", {}), "https://[::]/");
  EXPECT_EQ(LocationOf(https, "https", "[::1]:8443", "/", {}), "https://[::1]:8443/");
  EXPECT_EQ(LocationOf(To("", "[::2]:81"), "http", "[::1]:80", "/", {}), "http://[::2]:81/");
}

TEST(LocationTest, AnEmptyQueryIsOne) {
  EXPECT_EQ(LocationOf({}, "http", "a", "/x", ""), "http://a/x?");
  EXPECT_EQ(LocationOf({}, "http", "a", "/x", {}), "http://a/x");
  EXPECT_EQ(LocationOf(WithoutQuery(), "http", "a", "/x", ""), "http://a/x");
  EXPECT_EQ(LocationOf({}, "http", "a", "/x", "a=b?c"), "http://a/x?a=b?c");
}

TEST(LocationTest, WithoutAHostItIsThePathAlone) {
  EXPECT_EQ(LocationOf({}, "http", "", "/x", "q"), "/x?q");
  EXPECT_EQ(LocationOf(To("https"), "http", "", "/x", {}), "/x");
  EXPECT_EQ(LocationOf(To("", "b.test"), "http", "", "/x", {}), "http://b.test/x");
}

}  // namespace
}  // namespace pointsman::gateway
