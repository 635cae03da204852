#include "common/core/hashing.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

TEST(HashingTest, IsTheSameInEveryVersion) {
  // Published test value of XXH3-64 for the empty input and seed 0.
  EXPECT_EQ(Hash64(""), 0x2D06800538D394C2u);
  EXPECT_NE(Hash64("a"), Hash64("b"));
  EXPECT_NE(Hash64("a"), Hash64("a", 1));
}

TEST(HashingTest, CombineDependsOnOrder) { EXPECT_NE(HashCombine(1, 2), HashCombine(2, 1)); }

TEST(HashingTest, RendezvousMovesOnlyTheKeysOfTheMemberThatLeft) {
  const std::vector<absl::string_view> all = {"a", "b", "c", "d", "e"};
  const std::vector<absl::string_view> without_c = {"a", "b", "d", "e"};
  std::vector<int> counts(all.size());
  for (int i = 0; i < 5000; ++i) {
    const std::string key = absl::StrCat("key-", i);
    const absl::string_view before = all[RendezvousPick(key, all)];
    const absl::string_view after = without_c[RendezvousPick(key, without_c)];
    if (before != "c") {
      EXPECT_EQ(before, after) << key;
    }
    ++counts[RendezvousPick(key, all)];
  }
  for (const int count : counts) {
    EXPECT_GT(count, 850);
    EXPECT_LT(count, 1150);
  }
}

}  // namespace
}  // namespace pointsman::common
