#include "gateway/grpc/timeout.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "absl/strings/ascii.h"

namespace pointsman::gateway {

namespace {

constexpr int64_t kDigitsMax = 99'999'999;

struct Unit {
  char letter;
  absl::Duration length;
};

// From fine to coarse.
const std::array<Unit, 6>& Units() {
  static const std::array<Unit, 6> units = {{{'n', absl::Nanoseconds(1)},
                                             {'u', absl::Microseconds(1)},
                                             {'m', absl::Milliseconds(1)},
                                             {'S', absl::Seconds(1)},
                                             {'M', absl::Minutes(1)},
                                             {'H', absl::Hours(1)}}};
  return units;
}

}  // namespace

std::optional<absl::Duration> ParseGrpcTimeout(absl::string_view text) {
  if (text.size() < 2 || text.size() > kGrpcTimeoutBytesMax) return std::nullopt;
  int64_t value = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  for (const Unit& unit : Units()) {
    if (unit.letter == text.back()) return value * unit.length;
  }
  return std::nullopt;
}

size_t WriteGrpcTimeout(absl::Duration left, char* out) {
  for (const Unit& unit : Units()) {
    absl::Duration rest;
    const int64_t value = absl::IDivDuration(left, unit.length, &rest);
    if (value > kDigitsMax && unit.letter != 'H') continue;
    char* end = std::to_chars(out, out + kGrpcTimeoutBytesMax - 1, std::min(value, kDigitsMax)).ptr;
    *end++ = unit.letter;
    return static_cast<size_t>(end - out);
  }
  return 0;
}

}  // namespace pointsman::gateway
