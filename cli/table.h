#pragma once

// Aligned columns, and aligned "key: value" lines. Thread-compatible.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/text.h"

namespace pointsman::cli {

struct Column {
  std::string header;
  bool right = false;
};

// A cell's text may come from anywhere; it is cleaned when it is added.
struct Cell {
  Cell(std::string text, Colour colour = Colour::kNone)  // NOLINT: a text is a cell.
      : text(std::move(text)), colour(colour) {}
  Cell(const char* text) : text(text) {}  // NOLINT

  std::string text;
  Colour colour = Colour::kNone;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: one cell a column.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }

  // Header and rows, two spaces between columns, nothing after the last character of a line. Where
  // the terminal's width is known, the last column is cut to fit. Columns in which no row has
  // anything but "-" are left out.
  std::string Format(const Style& style) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// Lines "Name:     value"; empty values are left out.
class Facts {
 public:
  void Add(absl::string_view name, Cell value);
  std::string Format(const Style& style) const;

 private:
  std::vector<std::pair<std::string, Cell>> facts_;
};

}  // namespace pointsman::cli
