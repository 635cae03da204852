#include "common/core/path_template.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pointsman::common {
namespace {

using Kind = PathTemplate::Segment::Kind;

PathTemplate Parsed(absl::string_view text) {
  const absl::StatusOr<PathTemplate> parsed = PathTemplate::Parse(text);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? *parsed : PathTemplate();
}

// "users|{id}|{rest=**}".
std::string Written(absl::string_view text) {
  const PathTemplate parsed = Parsed(text);
  return absl::StrJoin(parsed.segments(), "|", [](std::string* out, const auto& segment) {
    switch (segment.kind) {
      case Kind::kLiteral:
        return absl::StrAppend(out, segment.text);
      case Kind::kOne:
        return absl::StrAppend(out, "{", segment.text, "}");
      case Kind::kRest:
        return absl::StrAppend(out, "{", segment.text, "=**}");
    }
  });
}

std::string Repeated(absl::string_view text, size_t count) {
  return absl::StrJoin(std::vector<absl::string_view>(count, text), "");
}

TEST(PathTemplateTest, ReadsSegmentsOfEveryKind) {
  EXPECT_EQ(Written("/users/{id}/*/x/{rest=**}"), "users|{id}|{}|x|{rest=**}");
  EXPECT_EQ(Written("/{a=*}/{_b2}/**"), "{a}|{_b2}|{=**}");
  EXPECT_EQ(Written("/*/*/**"), "{}|{}|{=**}") << "what has no name may come twice";
  EXPECT_EQ(Written("/"), "");
  EXPECT_EQ(Parsed("/").segments().size(), 1u) << "one that is empty";
  EXPECT_EQ(Written("/a/"), "a|");
  EXPECT_EQ(Written("/a//b"), "a||b");
  EXPECT_EQ(Written("/a/{A}/{a}"), "a|{A}|{a}") << "case makes another name, a literal is none";
}

TEST(PathTemplateTest, RefusesWhatIsNoTemplate) {
  for (const char* text : {"",
                           "a",
                           "users/{id}",
                           "{id}",
                           "/{id",
                           "/id}",
                           "/a{id}",
                           "/{id}b",
                           "/{}",
                           "/{=**}",
                           "/{=*}",
                           "/{1a}",
                           "/{a-b}",
                           "/{a b}",
                           "/{a}{b}",
                           "/{{a}}",
                           "/a*",
                           "/*a",
                           "/***",
                           "/{a=***}",
                           "/{a=b}",
                           "/{a}/{a}",
                           "/**/a",
                           "/{r=**}/",
                           "/**/**",
                           "/{r=**}/x",
                           "/{",
                           "/}",
                           "/{a}/{a=*}",
                           "/a/{b\xc3\xa4}",
                           "/{a}/x/{a=**}"}) {
    EXPECT_EQ(PathTemplate::Parse(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(PathTemplateTest, SegmentsAreLimited) {
  EXPECT_EQ(Parsed(Repeated("/a", 32)).segments().size(), PathTemplate::kSegmentsMax);
  EXPECT_EQ(Parsed(absl::StrCat(Repeated("/*", 31), "/**")).segments().size(), 32u);
  for (const std::string& text : {Repeated("/a", 33), absl::StrCat(Repeated("/a", 32), "/")}) {
    EXPECT_EQ(PathTemplate::Parse(text).status().code(), absl::StatusCode::kResourceExhausted);
  }
}

TEST(PathTemplateTest, TakesSegmentsOneByOne) {
  absl::string_view path = "a//b/";
  std::vector<std::string> taken;
  while (path.data() != nullptr) taken.emplace_back(TakeSegment(&path));
  EXPECT_EQ(taken, (std::vector<std::string>{"a", "", "b", ""}));
  path = "";
  EXPECT_EQ(TakeSegment(&path), "");
  EXPECT_EQ(path.data(), nullptr) << "nothing follows, not even an empty segment";
}

struct CaptureCase {
  std::string text;
  std::string path;
  std::string name;
  std::string expected;
};

TEST(PathTemplateTest, CapturesWhatAPartMatched) {
  const CaptureCase kCases[] = {
      {"/users/{id}", "/users/7", "id", "7"},
      {"/users/{id}", "/users/", "id", "none"},
      {"/users/{id}", "/users", "id", "none"},
      {"/users/{id}", "/users/7/", "id", "none"},
      {"/users/{id}", "/users/7/x", "id", "none"},
      {"/users/{id}", "/user/7", "id", "none"},
      {"/users/{id}", "/Users/7", "id", "none"},
      {"/users/{id}", "/users/7", "other", "none"},
      {"/users/{id}", "/users/7", "users", "none"},
      {"/users/{id}/", "/users/7/", "id", "7"},
      {"/users/{id}/", "/users/7", "id", "none"},
      {"/users/{id}", "/users/a%2Fb", "id", "a%2Fb"},
      {"/{a}/{b}", "/x/y", "a", "x"},
      {"/{a}/{b}", "/x/y", "b", "y"},
      {"/{a}/{b}", "/x//y", "b", "none"},
      {"/{a}/b", "/x/c", "a", "none"},
      {"/{a}/b", "/x", "a", "none"},
      {"/*/{b}", "/x/y", "b", "y"},
      {"/*/{b}", "/x/y", "", "none"},
      {"/f/{rest=**}", "/f/a", "rest", "a"},
      {"/f/{rest=**}", "/f/a/b/", "rest", "a/b/"},
      {"/f/{rest=**}", "/f//", "rest", "/"},
      {"/f/{rest=**}", "/f/", "rest", "none"},
      {"/f/{rest=**}", "/f", "rest", "none"},
      {"/f/{rest=**}", "/f/a", "other", "none"},
      {"/{a}/{rest=**}", "/x/y/z", "a", "x"},
      {"/{a}/{rest=**}", "/x/", "a", "none"},
      {"/{a}/**", "/x/y", "a", "x"},
      {"/{a}/**", "/x/y", "", "none"},
      {"/{a}", "x", "a", "none"},
      {"/{a}", "", "a", "none"},
      {"/{a}", "*", "a", "none"},
      {"/{a}", "/", "a", "none"},
      {"/{a}", "//x", "a", "none"},
  };
  for (const CaptureCase& c : kCases) {
    const auto captured = Parsed(c.text).Capture(c.path, c.name);
    EXPECT_EQ(captured.has_value() ? std::string(*captured) : "none", c.expected)
        << c.text << " " << c.path << " " << c.name;
  }
}

TEST(PathTemplateTest, WhatItCapturesIsAPartOfThePath) {
  const std::string path = "/users/7/x";
  const auto captured = Parsed("/users/{id}/**").Capture(path, "id");
  ASSERT_TRUE(captured.has_value());
  EXPECT_EQ(captured->data(), path.data() + 7);
}

TEST(PathTemplateTest, KnowsItsNames) {
  const PathTemplate parsed = Parsed("/a/{b}/*/{c=**}");
  EXPECT_TRUE(parsed.Has("b"));
  EXPECT_TRUE(parsed.Has("c"));
  EXPECT_FALSE(parsed.Has("a"));
  EXPECT_FALSE(parsed.Has("B"));
  EXPECT_FALSE(parsed.Has("")) << "* has no name";
  EXPECT_FALSE(PathTemplate().Has("b"));
}

TEST(PathTemplateTest, LiteralTextEndsWhereOtherServersSeeAnEnd) {
  EXPECT_EQ(UpToBorder("admin;x"), "admin");
  EXPECT_EQ(UpToBorder("admin%2Fx"), "admin");
  EXPECT_EQ(UpToBorder("a%41;b"), "a%41");
  EXPECT_EQ(UpToBorder("admin"), "admin");
  EXPECT_EQ(UpToBorder(""), "");
}

}  // namespace
}  // namespace pointsman::common
