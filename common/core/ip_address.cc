#include "common/core/ip_address.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace pointsman::common {
namespace {

constexpr int kGroups = 8;
constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::optional<uint16_t> ParseGroup(absl::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  uint32_t value = 0;
  if (!std::all_of(text.begin(), text.end(),
                   [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); }) ||
      !absl::SimpleHexAtoi(text, &value)) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(value);
}

// Groups separated by ':', the last of which may be an IPv4 address when `last_part`.
std::optional<std::vector<uint16_t>> ParseGroups(absl::string_view text, bool last_part) {
  std::vector<uint16_t> groups;
  if (text.empty()) return groups;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  for (size_t i = 0; i < parts.size(); ++i) {
    if (last_part && i + 1 == parts.size() && absl::StrContains(parts[i], '.')) {
      const auto ipv4 = ParseIpv4(parts[i]);
      if (!ipv4) return std::nullopt;
      groups.push_back(static_cast<uint16_t>((*ipv4)[0] << 8 | (*ipv4)[1]));
      groups.push_back(static_cast<uint16_t>((*ipv4)[2] << 8 | (*ipv4)[3]));
      continue;
    }
    const std::optional<uint16_t> group = ParseGroup(parts[i]);
    if (!group) return std::nullopt;
    groups.push_back(*group);
  }
  return groups;
}

}  // namespace

std::optional<std::array<uint8_t, 4>> ParseIpv4(absl::string_view text) {
  std::array<uint8_t, 4> bytes;
  size_t at = 0;
  for (size_t i = 0; i < 4; ++i) {
    const size_t begin = at;
    int value = 0;
    while (at < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[at])) &&
           at - begin < 3) {
      value = value * 10 + (text[at++] - '0');
    }
    // A leading zero would be octal to some readers: refused.
    if (at == begin || value > 255 || (at - begin > 1 && text[begin] == '0')) return std::nullopt;
    bytes[i] = static_cast<uint8_t>(value);
    if (i < 3 && (at == text.size() || text[at++] != '.')) return std::nullopt;
  }
  if (at != text.size()) return std::nullopt;
  return bytes;
}

std::optional<std::array<uint8_t, 16>> ParseIpv6(absl::string_view text) {
  const std::vector<absl::string_view> halves = absl::StrSplit(text, "::");
  if (halves.size() > 2) return std::nullopt;
  const bool shortened = halves.size() == 2;
  const auto head = ParseGroups(halves[0], !shortened);
  const auto tail = shortened ? ParseGroups(halves[1], true) : std::vector<uint16_t>();
  if (!head || !tail) return std::nullopt;
  const size_t count = head->size() + tail->size();
  if (shortened ? count > kGroups - 1 : count != kGroups) return std::nullopt;
  std::array<uint16_t, kGroups> groups = {};
  std::copy(head->begin(), head->end(), groups.begin());
  std::copy(tail->begin(), tail->end(), groups.end() - static_cast<long>(tail->size()));
  std::array<uint8_t, 16> bytes;
  for (size_t i = 0; i < kGroups; ++i) {
    bytes[2 * i] = static_cast<uint8_t>(groups[i] >> 8);
    bytes[2 * i + 1] = static_cast<uint8_t>(groups[i] & 0xFF);
  }
  return bytes;
}

IpAddress IpFromIpv4(const std::array<uint8_t, 4>& bytes) {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  return address;
}

IpAddress IpFromIpv6(const std::array<uint8_t, 16>& bytes) {
  if (std::equal(std::begin(kMappedPrefix), std::end(kMappedPrefix), bytes.begin())) {
    return IpFromIpv4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  return IpAddress{.v6 = true, .bytes = bytes};
}

std::optional<IpAddress> ParseIpAddress(absl::string_view text) {
  if (const auto ipv4 = ParseIpv4(text); ipv4) return IpFromIpv4(*ipv4);
  if (const auto ipv6 = ParseIpv6(text); ipv6) return IpFromIpv6(*ipv6);
  return std::nullopt;
}

}  // namespace pointsman::common
