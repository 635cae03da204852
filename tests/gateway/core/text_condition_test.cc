#include "gateway/core/text_condition.h"

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Kind = TextCondition::Kind;

TextCondition Of(Kind kind, const char* value = "") {
  TextCondition condition{.kind = kind, .value = value};
  EXPECT_TRUE(condition.Compile().ok());
  return condition;
}

TEST(TextConditionTest, EveryKindSaysWhatHolds) {
  EXPECT_TRUE(Of(Kind::kExact, "ab").Holds("ab"));
  EXPECT_FALSE(Of(Kind::kExact, "ab").Holds("abc"));
  EXPECT_TRUE(Of(Kind::kPrefix, "ab").Holds("abc"));
  EXPECT_FALSE(Of(Kind::kPrefix, "ab").Holds("a"));
  EXPECT_TRUE(Of(Kind::kPattern, "a+").Holds("aaa"));
  EXPECT_FALSE(Of(Kind::kPattern, "a+").Holds("aab")) << "the whole text";
  EXPECT_TRUE(Of(Kind::kPresent).Holds(""));
  EXPECT_FALSE(Of(Kind::kAbsent).Holds(""));
}

TEST(TextConditionTest, OfNoTextOnlyAbsenceHolds) {
  for (const Kind kind : {Kind::kExact, Kind::kPrefix, Kind::kPattern, Kind::kPresent}) {
    EXPECT_FALSE(Of(kind).Holds(std::nullopt));
  }
  EXPECT_TRUE(Of(Kind::kAbsent).Holds(std::nullopt));
}

TEST(TextConditionTest, APatternThatDoesNotParseIsRefused) {
  TextCondition condition{.kind = Kind::kPattern, .value = "("};
  EXPECT_EQ(condition.Compile().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace pointsman::gateway
