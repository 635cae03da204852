#include "cli/text_diff.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pointsman::cli {
namespace {

constexpr int kContextLines = 3;

struct Line {
  char sign;
  absl::string_view text;
};

std::vector<absl::string_view> Lines(absl::string_view text) {
  if (text.empty()) return {};
  absl::ConsumeSuffix(&text, "\n");
  return absl::StrSplit(text, '\n');
}

using Texts = std::vector<absl::string_view>;

// The longest common subsequence by dynamic programming over what lies between the common start and
// the common end.
void AppendMiddle(const Texts& before, const Texts& after, std::vector<Line>* out) {
  const size_t rows = before.size();
  const size_t columns = after.size();
  std::vector<std::vector<int>> longest(rows + 1, std::vector<int>(columns + 1, 0));
  for (size_t i = rows; i-- > 0;) {
    for (size_t j = columns; j-- > 0;) {
      longest[i][j] = before[i] == after[j] ? longest[i + 1][j + 1] + 1
                                            : std::max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  size_t i = 0;
  size_t j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && before[i] == after[j]) {
      out->push_back({' ', before[i]});
      ++i;
      ++j;
    } else if (j == columns || (i < rows && longest[i + 1][j] >= longest[i][j + 1])) {
      out->push_back({'-', before[i++]});
    } else {
      out->push_back({'+', after[j++]});
    }
  }
}

std::vector<Line> AllLines(const Texts& before, const Texts& after) {
  std::vector<Line> out;
  const size_t shorter = std::min(before.size(), after.size());
  size_t head = 0;
  while (head < shorter && before[head] == after[head]) ++head;
  size_t tail = 0;
  while (tail < shorter - head &&
         before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) {
    ++tail;
  }
  for (size_t i = 0; i < head; ++i) out.push_back({' ', before[i]});
  const Texts old_middle(before.begin() + head, before.end() - tail);
  const Texts new_middle(after.begin() + head, after.end() - tail);
  if (old_middle.size() + new_middle.size() <= kDiffLinesMax) {
    AppendMiddle(old_middle, new_middle, &out);
  } else {
    for (const absl::string_view line : old_middle) out.push_back({'-', line});
    for (const absl::string_view line : new_middle) out.push_back({'+', line});
  }
  for (size_t i = before.size() - tail; i < before.size(); ++i) out.push_back({' ', before[i]});
  return out;
}

}  // namespace

std::string DiffLines(absl::string_view before, absl::string_view after, const Style& style) {
  if (before == after) return "";
  const std::vector<Line> lines = AllLines(Lines(before), Lines(after));
  const int count = static_cast<int>(lines.size());
  std::vector<bool> shown(lines.size(), false);
  for (int i = 0; i < count; ++i) {
    if (lines[i].sign == ' ') continue;
    const int last = std::min(count - 1, i + kContextLines);
    for (int j = std::max(0, i - kContextLines); j <= last; ++j) shown[j] = true;
  }
  std::string out;
  for (int i = 0; i < count; ++i) {
    if (!shown[i]) {
      if (i == 0 || shown[i - 1]) {
        absl::StrAppend(&out, Paint(style, Colour::kGrey, "@@"), "\n");
      }
      continue;
    }
    const Colour colour = lines[i].sign == '+'   ? Colour::kGreen
                          : lines[i].sign == '-' ? Colour::kRed
                                                 : Colour::kNone;
    const std::string text =
        absl::StrCat(absl::string_view(&lines[i].sign, 1), " ", Clean(lines[i].text));
    absl::StrAppend(&out, Paint(style, colour, text), "\n");
  }
  return out;
}

}  // namespace pointsman::cli
