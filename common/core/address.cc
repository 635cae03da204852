#include "common/core/address.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/core/ip_address.h"
#include "common/core/status_macros.h"

namespace pointsman::common {
namespace {

constexpr absl::string_view kForms =
    "; write \"10.0.0.7:8080\", \"[2001:db8::7]:8080\", \"unix:/run/web.sock\" or \"name:8080\"";
constexpr size_t kHostNameBytesMax = 253;
constexpr size_t kHostLabelBytesMax = 63;
constexpr int kGroups = 8;

absl::Status Wrong(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "address \"", absl::CHexEscape(text.substr(0, kAddressBytesMax)), "\": ", what, kForms));
}

bool AllDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

std::optional<uint32_t> ParseDecimal(absl::string_view text, uint32_t max) {
  uint32_t value = 0;
  if (text.size() > 5 || !AllDigits(text) || !absl::SimpleAtoi(text, &value) || value > max) {
    return std::nullopt;
  }
  return value;
}

bool IsHostName(absl::string_view name) {
  if (name.empty() || name.size() > kHostNameBytesMax) return false;
  for (const absl::string_view label : absl::StrSplit(name, '.')) {
    if (label.empty() || label.size() > kHostLabelBytesMax) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    for (const char c : label) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') return false;
    }
  }
  return true;
}

absl::StatusOr<Address> ParseUnix(absl::string_view text) {
  const absl::string_view path = text.substr(5);
  if (path.empty() || path[0] != '/') return Wrong(text, "a unix socket's path begins with \"/\"");
  if (path.size() > kUnixPathBytesMax) {
    return Wrong(text, absl::StrCat("a unix socket's path is at most ", kUnixPathBytesMax,
                                    " bytes, this one has ", path.size()));
  }
  if (absl::StrContains(path, '\0')) return Wrong(text, "a path has no zero bytes");
  return Address{.kind = Address::Kind::kUnix, .name = std::string(path)};
}

absl::StatusOr<Address> ParseBracketed(absl::string_view text) {
  const size_t end = text.find(']');
  if (end == absl::string_view::npos) return Wrong(text, "the bracket is not closed");
  const auto bytes = ParseIpv6(text.substr(1, end - 1));
  if (!bytes) return Wrong(text, "what is in the brackets is no IPv6 address");
  const absl::string_view rest = text.substr(end + 1);
  if (rest.empty() || rest[0] != ':') return Wrong(text, "the port is missing");
  const std::optional<uint32_t> port = ParseDecimal(rest.substr(1), 65535);
  if (!port) return Wrong(text, "the port is no number from 0 to 65535");
  return Address{
      .kind = Address::Kind::kIpv6, .bytes = *bytes, .port = static_cast<uint16_t>(*port)};
}

// RFC 5952: lower case, the longest run of two or more zero groups (the first of equals) left out.
std::string Ipv6Text(const std::array<uint8_t, 16>& bytes) {
  const auto group = [&](int i) { return bytes[2 * i] << 8 | bytes[2 * i + 1]; };
  int best_start = -1;
  int best_length = 1;
  for (int i = 0; i < kGroups;) {
    int end = i;
    while (end < kGroups && group(end) == 0) ++end;
    if (end - i > best_length) {
      best_start = i;
      best_length = end - i;
    }
    i = std::max(end, i + 1);
  }
  std::string out;
  for (int i = 0; i < kGroups; ++i) {
    if (i == best_start) {
      absl::StrAppend(&out, "::");
      i += best_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out.push_back(':');
    absl::StrAppend(&out, absl::Hex(group(i)));
  }
  return out;
}

}  // namespace

absl::StatusOr<Address> ParseAddress(absl::string_view text) {
  if (text.empty()) return Wrong(text, "empty");
  if (text.size() > kAddressBytesMax) {
    return Wrong(text,
                 absl::StrCat("at most ", kAddressBytesMax, " bytes, this one has ", text.size()));
  }
  if (absl::StartsWith(text, "unix:")) return ParseUnix(text);
  if (text[0] == '[') return ParseBracketed(text);
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return Wrong(text, "the port is missing");
  const absl::string_view host = text.substr(0, colon);
  if (absl::StrContains(host, ':')) return Wrong(text, "an IPv6 address stands in brackets");
  const std::optional<uint32_t> port = ParseDecimal(text.substr(colon + 1), 65535);
  if (!port) return Wrong(text, "the port is no number from 0 to 65535");
  Address address{.port = static_cast<uint16_t>(*port)};
  if (const auto ipv4 = ParseIpv4(host); ipv4) {
    std::copy(ipv4->begin(), ipv4->end(), address.bytes.begin());
    return address;
  }
  const absl::string_view last_label = host.substr(host.rfind('.') + 1);
  if (AllDigits(last_label)) return Wrong(text, "the host is no IPv4 address");
  if (!IsHostName(host)) return Wrong(text, "the host is no valid name");
  address.kind = Address::Kind::kName;
  address.name = absl::AsciiStrToLower(host);
  return address;
}

absl::StatusOr<Address> ParseEndpointAddress(absl::string_view text) {
  absl::StatusOr<Address> address = ParseAddress(text);
  if (address.ok() && address->kind != Address::Kind::kUnix && address->port == 0) {
    return Wrong(text, "an endpoint's port is 1 to 65535");
  }
  return address;
}

std::string HostOf(const Address& address) {
  switch (address.kind) {
    case Address::Kind::kIpv4:
      return absl::StrCat(address.bytes[0], ".", address.bytes[1], ".", address.bytes[2], ".",
                          address.bytes[3]);
    case Address::Kind::kIpv6:
      return Ipv6Text(address.bytes);
    case Address::Kind::kUnix:
    case Address::Kind::kName:
      break;
  }
  return address.name;
}

bool IsHostText(absl::string_view text) {
  auto address = ParseAddress(text);
  if (!address.ok()) address = ParseAddress(absl::StrCat(text, ":80"));
  return address.ok() && address->kind != Address::Kind::kUnix;
}

std::string ToString(const Address& address) {
  switch (address.kind) {
    case Address::Kind::kUnix:
      return absl::StrCat("unix:", address.name);
    case Address::Kind::kIpv6:
      return absl::StrCat("[", HostOf(address), "]:", address.port);
    case Address::Kind::kIpv4:
    case Address::Kind::kName:
      break;
  }
  return absl::StrCat(HostOf(address), ":", address.port);
}

bool IsLoopback(const Address& address) {
  switch (address.kind) {
    case Address::Kind::kIpv4:
      return address.bytes[0] == 127;
    case Address::Kind::kIpv6: {
      const auto zeros = [&](int count) {
        return std::all_of(address.bytes.begin(), address.bytes.begin() + count,
                           [](uint8_t byte) { return byte == 0; });
      };
      if (zeros(15) && address.bytes[15] == 1) return true;
      return zeros(10) && address.bytes[10] == 0xFF && address.bytes[11] == 0xFF &&
             address.bytes[12] == 127;
    }
    case Address::Kind::kUnix:
      return true;
    case Address::Kind::kName:
      break;
  }
  return address.name == "localhost";
}

}  // namespace pointsman::common
