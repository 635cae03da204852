#include "gateway/http/trace_context.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

// The recommendation's own example.
constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParent[] = "00f067aa0ba902b7";

std::string Of(absl::string_view version, absl::string_view rest) {
  return absl::StrCat(version, "-", kTrace, "-", kParent, "-", rest);
}

TEST(TraceContextTest, ReadsVersion00) {
  const std::string text = Of("00", "01");
  const auto parent = ParseTraceParent(text);
  ASSERT_TRUE(parent.has_value());
  EXPECT_EQ(parent->trace_id, kTrace);
  EXPECT_EQ(parent->parent_id, kParent);
  EXPECT_TRUE(parent->sampled);
  const std::string not_sampled = Of("00", "00");
  EXPECT_FALSE(ParseTraceParent(not_sampled)->sampled);
  // Other bits have no meaning yet.
  EXPECT_FALSE(ParseTraceParent(Of("00", "fe"))->sampled);
  EXPECT_TRUE(ParseTraceParent(Of("00", "ff"))->sampled);
}

TEST(TraceContextTest, ReadsLaterVersionsAsFarAsTheyAreAlike) {
  for (const char* rest : {"01", "01-", "01-what-the-future-will-be-like", "01-\xff"}) {
    const std::string text = Of("cc", rest);
    const auto parent = ParseTraceParent(text);
    ASSERT_TRUE(parent.has_value()) << text;
    EXPECT_EQ(parent->trace_id, kTrace);
    EXPECT_TRUE(parent->sampled);
  }
  EXPECT_FALSE(ParseTraceParent(Of("cc", "01.what")).has_value());
  EXPECT_FALSE(ParseTraceParent(Of("cc", "011")).has_value());
}

TEST(TraceContextTest, RefusesEverythingElse) {
  const std::string zeros32(32, '0');
  const std::string zeros16(16, '0');
  const std::string cases[] = {
      "",
      "00",
      Of("00", ""),
      Of("00", "1"),
      Of("00", "01-what"),
      Of("00", "01-"),
      Of("00", "011"),
      Of("00", "0X"),
      Of("ff", "01"),
      Of("FF", "01"),
      Of("0C", "01"),
      Of("0", "011"),
      Of(".0", "01"),
      absl::StrCat("00-", zeros32, "-", kParent, "-01"),
      absl::StrCat("00-", kTrace, "-", zeros16, "-01"),
      absl::StrCat("00-", "4BF92F3577B34DA6A3CE929D0E0E4736", "-", kParent, "-01"),
      absl::StrCat("00-", kTrace, "-", "00F067AA0BA902B7", "-01"),
      absl::StrCat("00-", ".bf92f3577b34da6a3ce929d0e0e4736", "-", kParent, "-01"),
      absl::StrCat("00_", kTrace, "-", kParent, "-01"),
      absl::StrCat("00-", kTrace, "_", kParent, "-01"),
      absl::StrCat("00-", kTrace, "-", kParent, "_01"),
      absl::StrCat("00-", kTrace, "0-", kParent, "-01"),
      absl::StrCat("00-", kTrace, "-", kParent),
      std::string(55, '\0'),
      std::string(55, '\xff'),
      std::string(55, '-'),
  };
  for (const std::string& text : cases) {
    EXPECT_FALSE(ParseTraceParent(text).has_value()) << text;
  }
}

TEST(TraceContextTest, TakesOneFieldOnlyInAnyCase) {
  const auto add = [](absl::string_view name, HeaderBlock* block) {
    Field field;
    field.name = block->Keep(name);
    field.value = block->Keep(Of("00", "01"));
    block->AddField(field);
  };
  HeaderBlock block;
  EXPECT_FALSE(TraceParentOf(block).has_value());
  add("tracestate", &block);
  EXPECT_FALSE(TraceParentOf(block).has_value());
  add("TraceParent", &block);
  ASSERT_TRUE(TraceParentOf(block).has_value());
  EXPECT_EQ(TraceParentOf(block)->trace_id, kTrace);
  add("traceparent", &block);
  EXPECT_FALSE(TraceParentOf(block).has_value());
}

class DropInvalidTraceTest : public testing::Test {
 protected:
  void Add(absl::string_view name, absl::string_view value) {
    block_.AddField({.name = block_.Keep(name), .value = block_.Keep(value)});
  }
  size_t Forwarded() const {
    size_t count = 0;
    for (const Field& field : block_.fields()) count += field.dropped ? 0 : 1;
    return count;
  }
  HeaderBlock block_;
};

TEST_F(DropInvalidTraceTest, LeavesAValidOneAlone) {
  Add("Traceparent", Of("00", "01"));
  Add("tracestate", "a=b");
  Add("tracestate", "c=d");
  EXPECT_TRUE(DropInvalidTrace(&block_));
  EXPECT_EQ(Forwarded(), 3u);
}

TEST_F(DropInvalidTraceTest, TakesTheStateWithTheParent) {
  Add("x", "y");
  Add("traceparent", "00-zz");
  Add("tracestate", "a=b");
  EXPECT_FALSE(DropInvalidTrace(&block_));
  EXPECT_EQ(Forwarded(), 1u);
}

TEST_F(DropInvalidTraceTest, TakesTwoParentsAndAStateAlone) {
  Add("traceparent", Of("00", "01"));
  Add("traceparent", Of("00", "01"));
  EXPECT_FALSE(DropInvalidTrace(&block_));
  EXPECT_EQ(Forwarded(), 0u);
  Add("tracestate", "a=b");
  EXPECT_FALSE(DropInvalidTrace(&block_));
  EXPECT_EQ(Forwarded(), 0u);
}

TEST_F(DropInvalidTraceTest, SaysNoWhereThereIsNothing) {
  Add("x", "y");
  EXPECT_FALSE(DropInvalidTrace(&block_));
  EXPECT_EQ(Forwarded(), 1u);
}

TEST(TraceContextTest, BeginsTracesThatAreValid) {
  char text[kTraceParentBytes];
  WriteTraceParent({.trace_id = {0x0123456789abcdef, 0xfedcba9876543210}, .parent_id = 0x42}, true,
                   text);
  EXPECT_EQ(absl::string_view(text, kTraceParentBytes),
            "00-0123456789abcdeffedcba9876543210-0000000000000042-01");
  WriteTraceParent({.trace_id = {0, 0}, .parent_id = 0}, false, text);
  const auto parent = ParseTraceParent(absl::string_view(text, kTraceParentBytes));
  ASSERT_TRUE(parent.has_value());
  EXPECT_FALSE(parent->sampled);
}

}  // namespace
}  // namespace pointsman::gateway
