#include "cli/table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cli/text_diff.h"

namespace pointsman::cli {
namespace {

TEST(TableTest, AlignsColumnsAndLeavesOutEmptyOnes) {
  Table table({{"NAME"}, {"N", true}, {"NOTHING"}, {"WHY"}});
  table.AddRow({"a", "1", "-", "x"});
  table.AddRow({"longer", "100", "", ""});
  EXPECT_EQ(table.Format(Style{}),
            "NAME      N  WHY\n"
            "a         1  x\n"
            "longer  100  -\n");
}

TEST(TableTest, ColoursDoNotShiftColumns) {
  Table table({{"A"}, {"B"}});
  table.AddRow({Cell("x", Colour::kRed), "y"});
  table.AddRow({"longer", "z"});
  EXPECT_EQ(table.Format(Style{.colour = true}),
            "\x1b[1mA\x1b[0m       \x1b[1mB\x1b[0m\n"
            "\x1b[31mx\x1b[0m       y\n"
            "longer  z\n");
}

TEST(TableTest, CutsTheLastColumnToTheTerminal) {
  Table table({{"A"}, {"WHY"}});
  table.AddRow({"name", "a long sentence that does not fit \xc3\xa4\xc3\xa4\xc3\xa4"});
  EXPECT_EQ(table.Format(Style{.width = 24}), "A     WHY\nname  a long sentence t~\n");
  // A terminal too narrow for anything useful wraps instead.
  EXPECT_NE(table.Format(Style{.width = 10}).find("does not fit"), std::string::npos);
}

TEST(TableTest, ShowsHeadersWithoutRows) {
  EXPECT_EQ(Table({{"A"}, {"B"}}).Format(Style{}), "A  B\n");
}

TEST(FactsTest, AlignsValuesAndCleansThem) {
  Facts facts;
  facts.Add("Name", "web");
  facts.Add("Empty", "");
  facts.Add("Longer name", "a\nb");
  EXPECT_EQ(facts.Format(Style{}), "Name:         web\nLonger name:  a?b\n");
}

TEST(TextDiffTest, ShowsChangedLinesWithContext) {
  EXPECT_EQ(DiffLines("a\nb\n", "a\nb\n", Style{}), "");
  EXPECT_EQ(DiffLines("", "a\n", Style{}), "+ a\n");
  EXPECT_EQ(DiffLines("a\n", "", Style{}), "- a\n");
  EXPECT_EQ(DiffLines("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\nsix\n7\n8\n9\n", Style{}),
            "@@\n  3\n  4\n  5\n- 6\n+ six\n  7\n  8\n  9\n");
  EXPECT_EQ(DiffLines("a\nx\nb\ny\n", "a\nb\nz\ny\n", Style{}), "  a\n- x\n  b\n+ z\n  y\n");
}

TEST(TextDiffTest, ShowsVeryLongTextsAsReplaced) {
  std::string before;
  std::string after;
  for (int i = 0; i < kDiffLinesMax; ++i) {
    before += "a" + std::to_string(i) + "\n";
    after += "b" + std::to_string(i) + "\n";
  }
  const std::string diff = DiffLines(before, after, Style{});
  EXPECT_EQ(diff.substr(0, 5), "- a0\n");
  EXPECT_EQ(std::count(diff.begin(), diff.end(), '\n'), 2 * kDiffLinesMax);
}

}  // namespace
}  // namespace pointsman::cli
