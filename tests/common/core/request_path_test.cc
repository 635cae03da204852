// The rows of docs/design/paths.md.

#include "common/core/request_path.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pointsman::common {
namespace {

// The canonical form, or "!" and what is wrong; traits behind it.
std::string Canonical(absl::string_view path, EmptySegments empty = EmptySegments::kMerge) {
  std::string out(path.size(), 'X');
  const CanonicalPath result = CanonicalizePath(path, empty, out.data());
  switch (result.error) {
    case PathError::kNone:
      break;
    case PathError::kNoSlash:
      return "!slash";
    case PathError::kByte:
      return "!byte";
    case PathError::kEscape:
      return "!escape";
    case PathError::kUtf8:
      return "!utf8";
    case PathError::kAboveRoot:
      return "!root";
    case PathError::kHiddenDots:
      return "!hidden";
  }
  out.resize(result.size);
  if (result.traits & kPathEncodedSlash) out += " slash";
  if (result.traits & kPathEncodedPercent) out += " percent";
  if (result.traits & kPathSemicolon) out += " semicolon";
  if (result.traits & kPathEncodedQuery) out += " query";
  if (result.traits & kPathEmptySegment) out += " empty";
  return out;
}

struct Row {
  std::string path;
  std::string canonical;
};

void Expect(const std::vector<Row>& rows, EmptySegments empty = EmptySegments::kMerge) {
  for (const Row& row : rows) {
    EXPECT_EQ(Canonical(row.path, empty), row.canonical) << row.path;
    if (row.canonical[0] == '!') continue;
    const std::string once = row.canonical.substr(0, row.canonical.find(' '));
    // What comes out goes through again unchanged.
    EXPECT_EQ(Canonical(once, empty).substr(0, once.size()), once) << row.path;
  }
}

TEST(RequestPathTest, KeepsWhatIsCanonical) {
  for (const char* path :
       {"/", "/a", "/a/", "/a/b.c/d", "/.well-known/x", "/..a/...", "/a/b..", "/@scope/~user",
        "/!$&'()*+,=:@-._~", "/%20%22%3C%E2%82%AC", "/a|b\"c<d>^`{}[]", "/%2B%40%3A"}) {
    EXPECT_EQ(Canonical(path), path);
  }
}

TEST(RequestPathTest, GivesEscapesOneSpelling) {
  Expect({{"/%41%7a%30%2d%2E%5f%7E", "/Az0-._~"},
          {"/%c3%a4", "/%C3%A4"},
          {"/%e2%82%ac%F0%9f%9A%82", "/%E2%82%AC%F0%9F%9A%82"},
          {"/%20%3a%2b%3c", "/%20%3A%2B%3C"},
          {"/%61dmin", "/admin"}});
}

TEST(RequestPathTest, RemovesDotSegments) {
  Expect({{"/a/./b", "/a/b"},
          {"/a/../b", "/b"},
          {"/a/b/..", "/a/"},
          {"/a/b/.", "/a/b/"},
          {"/.", "/"},
          {"/./././a", "/a"},
          {"/a/b/c/../../d", "/a/d"},
          {"/a/..", "/"},
          {"/a/%2e%2E/b", "/b"},
          {"/a/.%2e/b", "/b"},
          {"/a/%2e/b", "/a/b"},
          {"/api../admin", "/api../admin"}});
}

TEST(RequestPathTest, RefusesToClimbAboveTheRoot) {
  for (const char* path : {"/..", "/../a", "/a/../..", "/a/../../b", "/%2e%2e/a", "/./..", "//..",
                           "/a//../..", "/.%2E"}) {
    EXPECT_EQ(Canonical(path), "!root") << path;
  }
}

TEST(RequestPathTest, RefusesBytesThatMeanSomethingElsewhere) {
  for (const char* path : {"/\\admin", "/a%5cb", "/a%5Cb", "/%00", "/a%0d%0ab", "/%09", "/%1f",
                           "/%7f", "/a b", "/a\tb", "/\x7f", "/\xc3\xa4", "/a#b", "/a?b"}) {
    EXPECT_EQ(Canonical(path), "!byte") << path;
  }
  EXPECT_EQ(Canonical(absl::string_view("/a\0b", 4)), "!byte");
}

TEST(RequestPathTest, RefusesBadEscapes) {
  for (const char* path :
       {"/%", "/a%", "/%4", "/%4/a", "/%zz", "/%u002f", "/%-1", "/%%34%31", "/% 41", "/%+1"}) {
    EXPECT_EQ(Canonical(path), "!escape") << path;
  }
}

TEST(RequestPathTest, RefusesEncodedBytesThatAreNotUtf8) {
  for (const char* path : {
           "/%c0%af",         // Overlong '/'.
           "/%c0%ae%c0%ae/",  // Overlong dots.
           "/%e0%80%af",      // Overlong '/'.
           "/%f0%80%80%af",   // Overlong '/'.
           "/%c1%9c",         // Overlong backslash.
           "/%ed%a0%80",      // A surrogate.
           "/%f4%90%80%80",   // Above U+10FFFF.
           "/%80",            // A continuation alone.
           "/%c3",            // Cut short.
           "/%c3/%a4",        // Interrupted.
           "/%c3a%a4",        //
           "/%e9t%e9",        // Latin 1.
           "/%e2%82",         //
           "/%e2%82%2f",      //
           "/%ff",
       }) {
    EXPECT_EQ(Canonical(path), "!utf8") << path;
  }
  EXPECT_EQ(Canonical("/%c3%zz"), "!utf8");
}

TEST(RequestPathTest, NamesWhatServersReadDifferently) {
  Expect({{"/a%2fb", "/a%2fb slash"},
          {"/a%2Fb", "/a%2Fb slash"},
          {"/@scope%2fname/-/x%7e", "/@scope%2fname/-/x~ slash"},
          {"/100%25", "/100%25 percent"},
          {"/%2541", "/%2541 percent"},
          {"/%252f", "/%252f percent"},
          {"/a;v=1/b", "/a;v=1/b semicolon"},
          {"/a%3bx", "/a%3bx semicolon"},
          {"/what%3f", "/what%3f query"},
          {"/c%23", "/c%23 query"},
          {"/a//b", "/a/b empty"},
          {"//admin", "/admin empty"},
          {"//", "/ empty"},
          {"/a;/%2f%25%3f//", "/a;/%2f%25%3f/ slash percent semicolon query empty"}});
}

TEST(RequestPathTest, RefusesDotsThatOnlyOthersSee) {
  for (const char* path : {"/a/..%2fadmin",     "/a/..%2Fadmin",
                           "/a%2f..",           "/a%2f../b",
                           "/a%2f.%2fb",        "/.%2fa",
                           "/%2e%2e%2fadmin",   "/a/..;/admin",
                           "/..;x=1/admin",     "/.;/a",
                           "/a%2f..;x",         "/..%3b/admin",
                           "/..%3fx",           "/a/..%23",
                           "/%252e%252e/admin", "/a/%252e%252e%252fadmin",
                           "/.%252e",           "/%25252e%2e/a",
                           "/a%255c..",         "/..%255cadmin",
                           "/..%252f",          "/%25%32%65%25%32%65/a",
                           "/a%252f%252e"}) {
    EXPECT_EQ(Canonical(path), "!hidden") << path;
  }
  // No server takes these for "." or "..".
  for (const char* path :
       {"/a/...%2fb", "/a..%2fb", "/a;..", "/%252e%252e%252e", "/a%3f..", "/.a%2fb"}) {
    EXPECT_NE(Canonical(path)[0], '!') << path;
  }
}

TEST(RequestPathTest, KeepsEmptySegmentsWhenAsked) {
  Expect({{"/a//b", "/a//b empty"},
          {"//", "// empty"},
          {"/a//../b", "/a/b empty"},
          {"/a/..//b", "//b empty"},
          {"//..", "/ empty"},
          {"/a/.//b", "/a//b empty"},
          {"/x/http:%2F%2Fy//z", "/x/http:%2F%2Fy//z slash empty"}},
         EmptySegments::kKeep);
  EXPECT_EQ(Canonical("/a//b/../../../..", EmptySegments::kKeep), "!root");
}

TEST(RequestPathTest, WantsASlashFirst) {
  for (const char* path : {"", "a", "*", "%2fa", "?"}) EXPECT_EQ(Canonical(path), "!slash");
}

TEST(RequestPathTest, FindsPlainPathsAtOnce) {
  EXPECT_EQ(PlainPathSize("/"), 1u);
  EXPECT_EQ(PlainPathSize("/a/b-c_d~e.f/"), 13u);
  EXPECT_EQ(PlainPathSize("/a?b=%2f;//..\\"), 2u);
  for (const char* target : {"", "*", "a", "/a/./b", "/a//b", "/a/..", "/.x", "/a;b", "/%41",
                             "/a%20", "/a\\b", "/a#", "/a b", "/\x80"}) {
    EXPECT_EQ(PlainPathSize(target), absl::string_view::npos) << target;
  }
}

TEST(RequestPathTest, PrefixesEndWhereSomeServerSeesAnEnd) {
  for (const char* rest :
       {"", "/", "/x", ";x", "%2f", "%2Fx", "%3b", "%3Fx", "%23", "%252f", "%25253b", "%255c"}) {
    EXPECT_TRUE(SegmentEndsBefore(rest)) << rest;
  }
  for (const char* rest : {"x", "%20", "%25", "%252", "%25zz", "%C3%A4", "-", ".", "%", "%2"}) {
    EXPECT_FALSE(SegmentEndsBefore(rest)) << rest;
  }
}

}  // namespace
}  // namespace pointsman::common
