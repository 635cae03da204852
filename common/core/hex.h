#pragma once

// Bytes written in hexadecimal digits. Thread-safe (no state).

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace pointsman::common {

// "0dFf" -> two bytes; "" -> none. Absent: an odd number of digits, or something else than digits.
std::optional<std::string> DecodeHex(absl::string_view digits);

}  // namespace pointsman::common
