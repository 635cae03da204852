#include "common/core/hex.h"

#include <gtest/gtest.h>

namespace pointsman::common {
namespace {

TEST(HexTest, DecodesPairsOfDigitsInAnyCase) {
  EXPECT_EQ(DecodeHex(""), "");
  EXPECT_EQ(DecodeHex("0dFf"), "\r\xff");
  EXPECT_EQ(DecodeHex("0041"), std::string("\0A", 2));
}

TEST(HexTest, RefusesEverythingElse) {
  for (const char* text : {"0", "abc", "0g", "0x00", " 00", "00 ", "-1", "\xc3\xa4"}) {
    EXPECT_EQ(DecodeHex(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pointsman::common
