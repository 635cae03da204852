#include "common/core/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace pointsman::common {
namespace {

TEST(Utf8Test, MeasuresValidSequences) {
  EXPECT_EQ(Utf8SequenceLength("a"), 1u);
  EXPECT_EQ(Utf8SequenceLength(std::string(1, '\0')), 1u);
  EXPECT_EQ(Utf8SequenceLength("\xc2\x80"), 2u);
  EXPECT_EQ(Utf8SequenceLength("\xe0\xa0\x80x"), 3u);
  EXPECT_EQ(Utf8SequenceLength("\xed\x9f\xbf"), 3u);
  EXPECT_EQ(Utf8SequenceLength("\xf0\x90\x80\x80"), 4u);
  EXPECT_EQ(Utf8SequenceLength("\xf4\x8f\xbf\xbf"), 4u);
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("a\xc3\xa4\xf0\x9f\x9a\x82z"));
}

TEST(Utf8Test, RefusesEverythingElse) {
  const std::string kTexts[] = {
      "\x80",              // A continuation alone.
      "\xc0\xaf",          // Overlong.
      "\xc1\xbf",          // Overlong.
      "\xe0\x9f\xbf",      // Overlong.
      "\xf0\x8f\xbf\xbf",  // Overlong.
      "\xed\xa0\x80",      // A surrogate.
      "\xf4\x90\x80\x80",  // Above U+10FFFF.
      "\xf5\x80\x80\x80",  // No such lead.
      "\xff",              // No such lead.
      "\xc3",              // Cut off.
      "\xe2\x82",          // Cut off.
      "\xf0\x9f\x9a",      // Cut off.
      "\xe2\x28\xa1",      // Not continued.
  };
  for (const std::string& text : kTexts) {
    EXPECT_EQ(Utf8SequenceLength(text), 0u);
    EXPECT_FALSE(IsUtf8("ok" + text));
  }
  EXPECT_EQ(Utf8SequenceLength(""), 0u);
}

TEST(Utf8Test, CutsBetweenCharacters) {
  const std::string text = "a\u20acb";  // 1, 3 and 1 bytes.
  EXPECT_EQ(CutUtf8(text, 0), "");
  EXPECT_EQ(CutUtf8(text, 1), "a");
  EXPECT_EQ(CutUtf8(text, 3), "a");
  EXPECT_EQ(CutUtf8(text, 4), "a\u20ac");
  EXPECT_EQ(CutUtf8(text, 5), text);
  EXPECT_EQ(CutUtf8(text, 99), text);
  EXPECT_EQ(CutUtf8("\u20ac", 2), "");
}

}  // namespace
}  // namespace pointsman::common
