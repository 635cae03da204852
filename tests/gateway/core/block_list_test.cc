#include "gateway/core/block_list.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

using Names = BlockList<std::string>;

Names Numbered(size_t size) {
  Names list;
  BlockListEditor<std::string> editor(&list);
  for (size_t i = 0; i < size; ++i) editor.Set(i, std::to_string(i));
  editor.Finish();
  return list;
}

TEST(BlockListTest, CopiesOnlyTheBlocksItTouches) {
  const Names list = Numbered(600);
  Names copy = list;
  BlockListEditor<std::string> editor(&copy);
  editor.Set(300, "changed");
  editor.Finish();
  EXPECT_EQ(copy[300], "changed");
  EXPECT_EQ(list[300], "300");
  EXPECT_EQ(&copy[0], &list[0]) << "shared";
  EXPECT_EQ(&copy[599], &list[599]) << "shared";
  EXPECT_NE(&copy[256], &list[256]);
}

TEST(BlockListTest, SkippedPositionsHoldDefaults) {
  Names list = Numbered(10);
  const Names before = list;
  BlockListEditor<std::string> editor(&list);
  editor.Set(700, "far");
  editor.Finish();
  EXPECT_EQ(list.size(), 701u);
  EXPECT_EQ(list[9], "9");
  EXPECT_EQ(list[10], "");
  EXPECT_EQ(list[255], "");
  EXPECT_EQ(list[300], "");
  EXPECT_EQ(list[700], "far");
  EXPECT_EQ(before.size(), 10u);
}

TEST(BlockListTest, GrowsAnElementAtATime) {
  Names list;
  std::vector<Names> versions;
  for (size_t i = 0; i < 520; ++i) {
    versions.push_back(list);
    BlockListEditor<std::string> editor(&list);
    editor.Set(i, std::to_string(i));
    editor.Finish();
  }
  for (size_t i = 0; i < 520; ++i) {
    EXPECT_EQ(list[i], std::to_string(i));
    EXPECT_EQ(versions[i].size(), i);
  }
}

TEST(BlockListTest, IsWalkedInOrder) {
  const Names list = Numbered(300);
  size_t i = 0;
  for (const std::string& name : list) EXPECT_EQ(name, std::to_string(i++));
  EXPECT_EQ(i, 300u);
  EXPECT_TRUE(Names().empty());
}

}  // namespace
}  // namespace pointsman::gateway
