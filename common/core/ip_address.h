#pragma once

// IP addresses to compare, without ports or names, and how they are written. Values; thread-safe
// (no state).

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/string_view.h"

namespace pointsman::common {

// "10.0.0.7"; no leading zeros. No allocation.
std::optional<std::array<uint8_t, 4>> ParseIpv4(absl::string_view text);
// "2001:db8::7", "::ffff:10.0.0.7"; no scope, no brackets.
std::optional<std::array<uint8_t, 16>> ParseIpv6(absl::string_view text);

// An IPv6 address that stands for an IPv4 one (::ffff:0:0/96) is that one: which of the two a
// socket shows depends on how it was opened.
struct IpAddress {
  bool v6 = false;
  // Network order; IPv4 uses the first four.
  std::array<uint8_t, 16> bytes = {};

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const IpAddress& address) {
    return H::combine(std::move(state), address.v6, address.bytes);
  }
};

IpAddress IpFromIpv4(const std::array<uint8_t, 4>& bytes);
IpAddress IpFromIpv6(const std::array<uint8_t, 16>& bytes);
// Either form.
std::optional<IpAddress> ParseIpAddress(absl::string_view text);

}  // namespace pointsman::common
