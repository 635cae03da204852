#include "common/core/yaml_tree.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/core/config_load.h"

namespace pointsman::common {
namespace {

using Kind = YamlNode::Kind;

YamlTree Parsed(absl::string_view text) {
  YamlTree tree;
  for (const ConfigProblem& problem : ParseYamlTree(text, &tree)) {
    ADD_FAILURE() << FormatProblem(problem, "");
  }
  return tree;
}

std::string ProblemOf(absl::string_view text) {
  YamlTree tree;
  const ConfigProblems problems = ParseYamlTree(text, &tree);
  return problems.empty() ? "none" : absl::StrCat(problems[0].code, " ", problems[0].line);
}

TEST(YamlTreeTest, KeepsKindsTextsAndPlaces) {
  const YamlTree tree = Parsed("a: 1\nb:\n- \"x\"\n- ~\nc: {d: e}\n");
  const YamlNode& root = tree.at(tree.root);
  ASSERT_EQ(root.kind, Kind::kMap);
  ASSERT_EQ(root.children.size(), 6u);
  const YamlNode& one = tree.at(tree.Find(tree.root, "a"));
  EXPECT_EQ(one.text, "1");
  EXPECT_TRUE(one.plain);
  EXPECT_EQ(one.line, 1);
  EXPECT_EQ(one.column, 4);
  const YamlNode& list = tree.at(tree.Find(tree.root, "b"));
  ASSERT_EQ(list.kind, Kind::kSequence);
  EXPECT_EQ(tree.at(list.children[0]).line, 3);
  EXPECT_FALSE(tree.at(list.children[0]).plain);
  EXPECT_EQ(tree.at(list.children[1]).kind, Kind::kNull);
  EXPECT_EQ(tree.at(tree.Find(tree.Find(tree.root, "c"), "d")).text, "e");
  EXPECT_EQ(tree.Find(tree.root, "none"), 0);
  EXPECT_EQ(tree.Find(tree.Find(tree.root, "b"), "x"), 0);
}

TEST(YamlTreeTest, QuotedNullIsAText) {
  const YamlTree tree = Parsed("[null, \"null\", '']");
  const std::vector<int>& children = tree.at(tree.root).children;
  EXPECT_EQ(tree.at(children[0]).kind, Kind::kNull);
  EXPECT_EQ(tree.at(children[1]).text, "null");
  EXPECT_EQ(tree.at(children[2]).kind, Kind::kScalar);
}

TEST(YamlTreeTest, AliasesShareTheirNode) {
  const YamlTree tree = Parsed("a: &x [1]\nb: *x\n");
  EXPECT_EQ(tree.Find(tree.root, "a"), tree.Find(tree.root, "b"));
}

TEST(YamlTreeTest, NamesTheProblemAndItsLine) {
  EXPECT_EQ(ProblemOf(""), "none");
  EXPECT_EQ(ProblemOf("a: 1\nb: [\n"), "CONFIG_SYNTAX 3");
  EXPECT_EQ(ProblemOf("a: 1\na: 2\n"), "CONFIG_DUPLICATE 2");
  EXPECT_EQ(ProblemOf("a: 1\n---\na: 2\n---\n"), "CONFIG_SEVERAL_DOCUMENTS 2");
  EXPECT_EQ(ProblemOf("a: 1\nb: \xff\n"), "CONFIG_ENCODING 2");
  EXPECT_EQ(ProblemOf("a: &x\n  b: *x\n"), "CONFIG_ALIAS 2");
  EXPECT_EQ(ProblemOf("a: !!int 1\n"), "CONFIG_SYNTAX 1");
  EXPECT_EQ(ProblemOf("? {a: b}\n: c\n"), "CONFIG_TYPE 1");
}

TEST(YamlTreeTest, BoundsDepthAndPunctuation) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(ProblemOf(nested(kConfigDepthMax)), "none");
  EXPECT_EQ(ProblemOf(nested(kConfigDepthMax + 1)), "CONFIG_TOO_DEEP 1");
  EXPECT_EQ(ProblemOf(nested(5000)), "CONFIG_TOO_DEEP 1");
  EXPECT_EQ(ProblemOf("'" + std::string(kConfigPunctuationMax, ',') + "'"), "none");
  EXPECT_EQ(ProblemOf("'" + std::string(kConfigPunctuationMax + 1, ',') + "'"),
            "CONFIG_TOO_LARGE 0");
}

}  // namespace
}  // namespace pointsman::common
