#include "common/core/cidr_set.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/core/status_macros.h"

namespace pointsman::common {
namespace {

absl::Status Wrong(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("network \"", absl::CHexEscape(text.substr(0, 64)), "\": ", what,
                   "; write \"10.0.0.0/8\", \"2001:db8::/32\" or one address"));
}

// Bits of `bytes` behind the first `prefix` become `value`; true when that changed any.
bool FillBehind(int prefix, int bits, bool value, std::array<uint8_t, 16>* bytes) {
  bool changed = false;
  for (int bit = prefix; bit < bits; ++bit) {
    uint8_t& byte = (*bytes)[bit / 8];
    const uint8_t mask = static_cast<uint8_t>(0x80 >> (bit % 8));
    if (((byte & mask) != 0) == value) continue;
    byte ^= mask;
    changed = true;
  }
  return changed;
}

}  // namespace

absl::StatusOr<CidrSet::Range> CidrSet::ParseNetwork(absl::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = ParseIpAddress(text.substr(0, slash));
  if (!address) return Wrong(text, "no IP address");
  const int bits = address->v6 ? 128 : 32;
  int prefix = bits;
  if (slash != absl::string_view::npos) {
    const absl::string_view digits = text.substr(slash + 1);
    const bool plain = !digits.empty() && digits.size() <= 3 &&
                       std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit);
    if (!plain || !absl::SimpleAtoi(digits, &prefix) || prefix > bits) {
      return Wrong(text, absl::StrCat("the prefix is no number from 0 to ", bits));
    }
  }
  Range range{*address, *address};
  if (FillBehind(prefix, bits, false, &range.first.bytes)) {
    return Wrong(text, "the address has bits behind its prefix");
  }
  FillBehind(prefix, bits, true, &range.last.bytes);
  return range;
}

absl::StatusOr<CidrSet> CidrSet::Parse(absl::string_view text) {
  CidrSet set;
  if (absl::StripAsciiWhitespace(text).empty()) return set;
  const std::vector<absl::string_view> entries = absl::StrSplit(text, ',');
  if (entries.size() > kNetworksMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(entries.size(), " networks, at most ", kNetworksMax, " are allowed"));
  }
  for (const absl::string_view entry : entries) {
    PM_ASSIGN_OR_RETURN(const Range range, ParseNetwork(absl::StripAsciiWhitespace(entry)));
    set.ranges_.push_back(range);
  }
  // Networks overlap only by one containing the other.
  std::sort(set.ranges_.begin(), set.ranges_.end(), [](const Range& a, const Range& b) {
    return a.first != b.first ? a.first < b.first : b.last < a.last;
  });
  size_t kept = 1;
  for (size_t i = 1; i < set.ranges_.size(); ++i) {
    if (set.ranges_[i].last <= set.ranges_[kept - 1].last) continue;
    set.ranges_[kept++] = set.ranges_[i];
  }
  set.ranges_.resize(kept);
  return set;
}

bool CidrSet::Contains(const IpAddress& address) const {
  const auto behind = std::upper_bound(
      ranges_.begin(), ranges_.end(), address,
      [](const IpAddress& value, const Range& range) { return value < range.first; });
  return behind != ranges_.begin() && address <= (behind - 1)->last;
}

}  // namespace pointsman::common
