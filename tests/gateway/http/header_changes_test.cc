#include "gateway/http/header_changes.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

Field FieldOf(const std::string& name, const std::string& value, HeaderBlock* block) {
  bool alias = false;
  Field field;
  field.name = block->Keep(name);
  field.value = block->Keep(value);
  field.token = TokenOf(name, &alias);
  return field;
}

void Add(const std::string& name, const std::string& value, HeaderBlock* block) {
  block->AddField(FieldOf(name, value, block));
}

std::string Fields(const HeaderBlock& block, size_t begin, size_t end) {
  std::string out;
  for (size_t i = begin; i < end; ++i) {
    const Field& field = block.fields()[i];
    if (field.dropped) continue;
    absl::StrAppend(&out, out.empty() ? "" : "|", block.At(field.name), "=", block.At(field.value));
  }
  return out;
}

// What is forwarded, "a=1|b=2".
std::string Head(const HeaderBlock& block) { return Fields(block, 0, block.head_fields()); }
std::string Trailers(const HeaderBlock& block) {
  return Fields(block, block.head_fields(), block.fields().size());
}

TEST(HeaderChangesTest, NoneChangeNothing) {
  HeaderBlock block;
  Add("A", "1", &block);
  EXPECT_TRUE(HeaderChanges().empty());
  ApplyHeaderChanges({}, &block);
  EXPECT_EQ(Head(block), "A=1");
}

TEST(HeaderChangesTest, AnyOfTheThreeIsAChange) {
  EXPECT_FALSE((HeaderChanges{{"a"}, {}, {}}.empty()));
  EXPECT_FALSE((HeaderChanges{{}, {{"a", ""}}, {}}.empty()));
  EXPECT_FALSE((HeaderChanges{{}, {}, {{"a", ""}}}.empty()));
}

TEST(HeaderChangesTest, RemovesEveryFieldOfTheNameInAnyCase) {
  HeaderBlock block;
  for (const char* name : {"X-A", "x-b", "x-a", "x-aa", "X-a", "x"}) Add(name, "1", &block);
  ApplyHeaderChanges({.remove = {"x-a", "absent"}, .set = {}, .add = {}}, &block);
  EXPECT_EQ(Head(block), "x-b=1|x-aa=1|x=1");
  EXPECT_EQ(block.Value("x-a").data(), nullptr);
}

TEST(HeaderChangesTest, SetLeavesOneField) {
  HeaderBlock block;
  for (const char* value : {"1", "2"}) Add("X-A", value, &block);
  Add("x-b", "3", &block);
  ApplyHeaderChanges({.remove = {}, .set = {{"x-a", "new"}, {"x-c", ""}}, .add = {}}, &block);
  EXPECT_EQ(Head(block), "x-b=3|x-a=new|x-c=");
  EXPECT_EQ(block.Value("X-A"), "new");
}

TEST(HeaderChangesTest, AddLeavesTheOthers) {
  HeaderBlock block;
  Add("x-a", "1", &block);
  ApplyHeaderChanges({.remove = {}, .set = {}, .add = {{"x-a", "2"}, {"x-a", "3"}}}, &block);
  EXPECT_EQ(Head(block), "x-a=1|x-a=2|x-a=3");
}

TEST(HeaderChangesTest, RemovedThenSetThenAdded) {
  HeaderBlock block;
  Add("x-a", "old", &block);
  Add("x-b", "old", &block);
  ApplyHeaderChanges({.remove = {"x-a", "x-b"},
                      .set = {{"x-a", "set"}, {"x-c", "set"}},
                      .add = {{"x-a", "added"}, {"x-b", "added"}}},
                     &block);
  EXPECT_EQ(Head(block), "x-a=set|x-c=set|x-a=added|x-b=added");
}

TEST(HeaderChangesTest, WhatIsNotForwardedStaysSo) {
  HeaderBlock block;
  Add("x-a", "1", &block);
  block.fields()[0].dropped = true;
  Add("x-b", "2", &block);
  ApplyHeaderChanges({.remove = {}, .set = {}, .add = {{"x-a", "3"}}}, &block);
  EXPECT_EQ(Head(block), "x-b=2|x-a=3");
}

TEST(HeaderChangesTest, FieldsWithAMeaningAreFoundByIt) {
  HeaderBlock block;
  Add("Cookie", "a=1", &block);
  EXPECT_EQ(block.Find(FieldToken::kAuthorization), nullptr);
  ApplyHeaderChanges(
      {.remove = {}, .set = {{"cookie", "b=2"}, {"authorization", "Basic x"}}, .add = {}}, &block);
  ASSERT_NE(block.Find(FieldToken::kCookie), nullptr);
  EXPECT_EQ(block.At(block.Find(FieldToken::kCookie)->value), "b=2");
  ASSERT_NE(block.Find(FieldToken::kAuthorization), nullptr);
  ApplyHeaderChanges({.remove = {"cookie"}, .set = {}, .add = {}}, &block);
  EXPECT_EQ(block.Find(FieldToken::kCookie), nullptr);
}

TEST(HeaderChangesTest, TrailersStayAsTheyAre) {
  HeaderBlock block;
  Add("x-a", "head", &block);
  Add("x-b", "head", &block);
  block.BeginTrailers();
  Add("x-a", "trailer", &block);
  Add("x-c", "trailer", &block);
  ApplyHeaderChanges({.remove = {"x-b", "x-c"}, .set = {{"x-a", "set"}}, .add = {{"x-c", "added"}}},
                     &block);
  EXPECT_EQ(Head(block), "x-a=set|x-c=added");
  EXPECT_EQ(Trailers(block), "x-a=trailer|x-c=trailer");
  EXPECT_TRUE(block.has_trailers());
  EXPECT_EQ(block.trailers_begin(), block.head_fields());
  EXPECT_EQ(block.Value("x-c"), "added");
}

TEST(HeaderChangesTest, PlacesStayWhenTheTextGrows) {
  HeaderBlock block;
  const TextRef authority = block.Keep("a.test");
  Add("x-a", "kept", &block);
  HeaderChanges changes;
  std::string expected = "x-a=kept";
  for (int i = 0; i < 32; ++i) {
    const std::string name = absl::StrCat("x-", i);
    changes.add.emplace_back(name, std::string(4096, 'v'));
    absl::StrAppend(&expected, "|", name, "=", std::string(4096, 'v'));
  }
  ApplyHeaderChanges(changes, &block);
  EXPECT_EQ(Head(block), expected);
  EXPECT_EQ(block.At(authority), "a.test");
}

TEST(AddHeadFieldTest, GoesBehindTheHeadAndBeforeTheTrailers) {
  HeaderBlock block;
  block.AddHeadField(FieldOf("a", "1", &block));
  EXPECT_EQ(Head(block), "a=1");
  EXPECT_FALSE(block.has_trailers());
  EXPECT_EQ(block.trailers_begin(), SIZE_MAX) << "they have not begun";
  block.BeginTrailers();
  block.AddHeadField(FieldOf("b", "2", &block));
  EXPECT_EQ(Head(block), "a=1|b=2");
  EXPECT_FALSE(block.has_trailers()) << "they have begun, and are empty";
  Add("t", "3", &block);
  block.AddHeadField(FieldOf("c", "4", &block));
  block.AddHeadField(FieldOf("cookie", "5", &block));
  EXPECT_EQ(Head(block), "a=1|b=2|c=4|cookie=5");
  EXPECT_EQ(Trailers(block), "t=3");
  EXPECT_TRUE(block.has_trailers());
  EXPECT_TRUE(block.MayHave(Only(FieldToken::kCookie)));
  ASSERT_NE(block.Find(FieldToken::kCookie), nullptr) << "it is of the head";
}

TEST(AddHeadFieldTest, TrailersAreNotTakenForTheHead) {
  HeaderBlock block;
  block.BeginTrailers();
  Add("cookie", "trailer", &block);
  EXPECT_EQ(block.Find(FieldToken::kCookie), nullptr);
  block.AddHeadField(FieldOf("x", "1", &block));
  EXPECT_EQ(block.Find(FieldToken::kCookie), nullptr);
  EXPECT_EQ(Head(block), "x=1");
  EXPECT_EQ(Trailers(block), "cookie=trailer");
}

}  // namespace
}  // namespace pointsman::gateway
