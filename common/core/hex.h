#pragma once

// Bytes written in hexadecimal digits. Thread-safe (no state).

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace pointsman::common {

// Of one digit; -1: it is none.
inline int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// "0dFf" -> two bytes; "" -> none. Absent: an odd number of digits, or something else than digits.
std::optional<std::string> DecodeHex(absl::string_view digits);

}  // namespace pointsman::common
