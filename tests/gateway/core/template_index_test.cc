#include "gateway/core/template_index.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

// Numbered in the order of their texts.
TemplateIndex IndexOf(const std::vector<std::string>& texts) {
  TemplateIndex index;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto parsed = common::PathTemplate::Parse(texts[i]);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (parsed.ok()) index.Add(*parsed, static_cast<uint32_t>(i));
  }
  return index;
}

// "2 0+1": number 2, then 0 and 1 together.
std::string Visited(const TemplateIndex& index, absl::string_view path) {
  std::vector<std::string> visited;
  const bool stopped = index.Visit(path, [&](const std::vector<uint32_t>& numbers) {
    visited.push_back(absl::StrJoin(numbers, "+"));
    return false;
  });
  EXPECT_FALSE(stopped);
  return absl::StrJoin(visited, " ");
}

TEST(TemplateIndexTest, LiteralTextComesBeforeNamesAndThoseBeforeTheRest) {
  const TemplateIndex index =
      IndexOf({"/**", "/{a}/{b}", "/x/**", "/x/{b}", "/{a}/y", "/x/y", "/{a}/**"});
  EXPECT_EQ(Visited(index, "/x/y"), "5 3 2 4 1 6 0") << "from the left";
  EXPECT_EQ(Visited(index, "/x/z"), "3 2 1 6 0");
  EXPECT_EQ(Visited(index, "/z/y"), "4 1 6 0");
  EXPECT_EQ(Visited(index, "/x/y/z"), "2 6 0");
  EXPECT_EQ(Visited(index, "/x"), "0");
  EXPECT_EQ(Visited(index, "/x/"), "0") << "the rest has one byte at least";
  EXPECT_EQ(Visited(index, "/"), "");
}

TEST(TemplateIndexTest, NamesDoNotMakeAnotherTemplate) {
  const TemplateIndex index = IndexOf({"/a/{x}", "/a/*", "/a/{y}", "/b/{r=**}", "/b/**"});
  EXPECT_EQ(Visited(index, "/a/1"), "0+1+2");
  EXPECT_EQ(Visited(index, "/b/1/2"), "3+4");
}

TEST(TemplateIndexTest, EmptySegmentsAreMatchedByLiteralTextOnly) {
  const TemplateIndex index = IndexOf({"/", "/a/", "/a/{b}", "/a//b", "/a/{b}/", "/a/**"});
  EXPECT_EQ(Visited(index, "/"), "0");
  EXPECT_EQ(Visited(index, "/a/"), "1");
  EXPECT_EQ(Visited(index, "/a"), "");
  EXPECT_EQ(Visited(index, "/a/x"), "2 5");
  EXPECT_EQ(Visited(index, "/a/x/"), "4 5");
  EXPECT_EQ(Visited(index, "/a//b"), "3 5");
  EXPECT_EQ(Visited(index, "/a//c"), "5");
  EXPECT_EQ(Visited(index, "/a//"), "5");
}

TEST(TemplateIndexTest, StopsWhereItIsTold) {
  const TemplateIndex index = IndexOf({"/**", "/{a}", "/a"});
  for (const uint32_t last : {2u, 1u, 0u}) {
    uint32_t seen = 99;
    EXPECT_TRUE(index.Visit("/a", [&](const std::vector<uint32_t>& numbers) {
      seen = numbers[0];
      return seen == last;
    }));
    EXPECT_EQ(seen, last);
  }
}

TEST(TemplateIndexTest, WhatIsNoPathMatchesNothing) {
  const TemplateIndex index = IndexOf({"/**", "/{a}", "/"});
  EXPECT_EQ(Visited(index, ""), "");
  EXPECT_EQ(Visited(index, absl::string_view()), "");
  EXPECT_EQ(Visited(index, "*"), "");
  EXPECT_EQ(Visited(index, "a"), "");
  EXPECT_EQ(Visited(index, "//"), "0") << "a slash is a byte of the rest";
  const TemplateIndex empty;
  EXPECT_TRUE(empty.empty());
  EXPECT_FALSE(index.empty());
  EXPECT_EQ(Visited(empty, "/a"), "");
}

TEST(TemplateIndexTest, NumbersCanBeChanged) {
  TemplateIndex index = IndexOf({"/a", "/{x}", "/a", "/b/**", "/b/*/c"});
  std::vector<uint32_t> seen;
  index.ForEach([&](std::vector<uint32_t>* numbers) {
    seen.insert(seen.end(), numbers->begin(), numbers->end());
    std::reverse(numbers->begin(), numbers->end());
  });
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<uint32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(Visited(index, "/a"), "2+0 1");
}

TEST(TemplateIndexTest, LongPathsAndManyTemplatesAreNoTrouble) {
  TemplateIndex index = IndexOf({"/a/**", "/a/{b}/c"});
  EXPECT_EQ(Visited(index, "/a" + std::string(100'000, '/') + "c"), "0");
  std::vector<std::string> texts;
  for (int i = 0; i < 10'000; ++i) texts.push_back(absl::StrCat("/v", i, "/{id}/x"));
  index = IndexOf(texts);
  EXPECT_EQ(Visited(index, "/v9999/7/x"), "9999");
  EXPECT_EQ(Visited(index, "/v10000/7/x"), "");
}

// All texts of one to three segments.
std::vector<std::string> AllOf(const std::vector<std::string>& segments) {
  std::vector<std::string> all;
  std::vector<std::string> longest = {""};
  for (int length = 1; length <= 3; ++length) {
    std::vector<std::string> longer;
    for (const std::string& text : longest) {
      for (const std::string& segment : segments) longer.push_back(text + "/" + segment);
    }
    all.insert(all.end(), longer.begin(), longer.end());
    longest = std::move(longer);
  }
  return all;
}

// How specific each segment is, 0 the most; empty: the path does not match.
std::string RankOf(const std::string& text, const std::string& path) {
  const std::vector<std::string> parts = absl::StrSplit(text.substr(1), '/');
  const std::vector<std::string> segments = absl::StrSplit(path.substr(1), '/');
  std::string rank;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i >= segments.size()) return "";
    if (parts[i] == "**") {
      const bool one_byte = i + 1 < segments.size() || !segments[i].empty();
      return one_byte ? rank + "2" : "";
    }
    if (parts[i] == "*" ? segments[i].empty() : segments[i] != parts[i]) return "";
    rank += parts[i] == "*" ? "1" : "0";
  }
  return parts.size() == segments.size() ? rank : "";
}

TEST(TemplateIndexTest, AgreesWithALookAtEachTemplate) {
  std::vector<std::string> texts;
  for (const std::string& text : AllOf({"a", "b", "", "*", "**"})) {
    // ** is at the end only.
    const size_t rest = text.find("**");
    if (rest == std::string::npos || rest + 2 == text.size()) texts.push_back(text);
  }
  const TemplateIndex index = IndexOf(texts);
  for (const std::string& path : AllOf({"a", "b", "c", ""})) {
    std::vector<std::pair<std::string, std::string>> ranked;
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::string rank = RankOf(texts[i], path);
      if (!rank.empty()) ranked.emplace_back(rank, absl::StrCat(i));
    }
    std::sort(ranked.begin(), ranked.end());
    const std::string expected = absl::StrJoin(
        ranked, " ",
        [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.second); });
    EXPECT_EQ(Visited(index, path), expected) << path;
  }
}

}  // namespace
}  // namespace pointsman::gateway
