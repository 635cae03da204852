#include "common/core/hex.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace pointsman::common {

std::optional<std::string> DecodeHex(absl::string_view digits) {
  const bool clean = std::all_of(digits.begin(), digits.end(), [](char c) {
    return absl::ascii_isxdigit(static_cast<unsigned char>(c));
  });
  if (!clean || digits.size() % 2 != 0) return std::nullopt;
  return absl::HexStringToBytes(digits);
}

}  // namespace pointsman::common
