#include "cli/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/utf8.h"

namespace pointsman::cli {
namespace {

constexpr int kGap = 2;
// Below this a cut column says nothing; the line is rather let wrap.
constexpr int kLastColumnMin = 12;

// The first `width` characters, the last one a '~' when something was cut.
std::string Cut(const std::string& text, int width) {
  if (width <= 0 || DisplayWidth(text) <= width) return text;
  size_t end = 0;
  for (int i = 0; i + 1 < width; ++i) {
    end += std::max<size_t>(common::Utf8SequenceLength(absl::string_view(text).substr(end)), 1);
  }
  return absl::StrCat(text.substr(0, end), "~");
}

}  // namespace

void Table::AddRow(std::vector<Cell> cells) {
  PM_CHECK(cells.size() == columns_.size());
  for (Cell& cell : cells) {
    cell.text = cell.text.empty() ? "-" : Clean(cell.text);
  }
  rows_.push_back(std::move(cells));
}

std::string Table::Format(const Style& style) const {
  std::vector<size_t> shown;
  std::vector<int> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    int width = DisplayWidth(columns_[i].header);
    bool used = rows_.empty();
    for (const auto& row : rows_) {
      width = std::max(width, DisplayWidth(row[i].text));
      used = used || row[i].text != "-";
    }
    if (!used) continue;
    shown.push_back(i);
    widths.push_back(width);
  }
  int before_last = 0;
  for (size_t i = 0; i + 1 < widths.size(); ++i) before_last += widths[i] + kGap;
  const int left = style.width - before_last;
  const int last_max = style.width > 0 && left >= kLastColumnMin ? left : 0;

  std::string out;
  const auto write_line = [&](const auto& cell_of) {
    std::string line;
    for (size_t i = 0; i < shown.size(); ++i) {
      const bool last = i + 1 == shown.size();
      Cell cell = cell_of(shown[i]);
      if (last) cell.text = Cut(cell.text, last_max);
      const std::string pad(std::max(widths[i] - DisplayWidth(cell.text), 0), ' ');
      const std::string painted = Paint(style, cell.colour, cell.text);
      const bool right = columns_[shown[i]].right;
      absl::StrAppend(&line, right ? pad : "", painted, right || last ? "" : pad,
                      last ? "" : std::string(kGap, ' '));
    }
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&out, line, "\n");
  };
  write_line([&](size_t i) { return Cell(columns_[i].header, Colour::kBold); });
  for (const auto& row : rows_) {
    write_line([&](size_t i) { return row[i]; });
  }
  return out;
}

void Facts::Add(absl::string_view name, Cell value) {
  if (value.text.empty()) return;
  value.text = Clean(value.text);
  facts_.emplace_back(std::string(name), std::move(value));
}

std::string Facts::Format(const Style& style) const {
  int width = 0;
  for (const auto& [name, value] : facts_) width = std::max(width, DisplayWidth(name));
  std::string out;
  for (const auto& [name, value] : facts_) {
    const std::string pad(width - DisplayWidth(name) + kGap, ' ');
    absl::StrAppend(&out, Paint(style, Colour::kBold, absl::StrCat(name, ":")), pad,
                    Paint(style, value.colour, value.text), "\n");
  }
  return out;
}

}  // namespace pointsman::cli
