#pragma once

// Network addresses as configuration writes them: "10.0.0.7:8080", "[2001:db8::7]:8080",
// "unix:/run/web.sock", "name:8080". Parsing never resolves anything. Values; thread-compatible.

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pointsman::common {

struct Address {
  enum class Kind { kIpv4, kIpv6, kUnix, kName };

  Kind kind = Kind::kIpv4;
  // Network order; IPv4 uses the first four.
  std::array<uint8_t, 16> bytes = {};
  // kUnix: the path; kName: the host name, lower case. Empty otherwise.
  std::string name = {};
  // 0 for kUnix, and "any" where an address is bound.
  uint16_t port = 0;

  friend bool operator==(const Address&, const Address&) = default;
  friend auto operator<=>(const Address&, const Address&) = default;
};

// Longest accepted text, and longest path of a unix socket (the kernel's limit).
inline constexpr size_t kAddressBytesMax = 255;
inline constexpr size_t kUnixPathBytesMax = 107;

// InvalidArgument: says what is wrong with which part, and shows the four forms. The port is
// required except for unix; 0 is accepted here and refused where it has no sense. "localhost" is a
// name. An IPv6 address must stand in brackets; scopes ("%eth0") are refused.
absl::StatusOr<Address> ParseAddress(absl::string_view text);

// As ParseAddress, of something to connect to. InvalidArgument also: port 0.
absl::StatusOr<Address> ParseEndpointAddress(absl::string_view text);

// "HOST" or "HOST:PORT" with a name or an IP address, as a Host field has it.
bool IsHostText(absl::string_view text);

// The canonical text: ParseAddress(ToString(a)) == a. IPv6 as RFC 5952 writes it.
std::string ToString(const Address& address);
// The same without port: "10.0.0.7", "2001:db8::7", "/run/web.sock", "name".
std::string HostOf(const Address& address);

// 127.0.0.0/8, ::1, IPv4-mapped loopback, a unix socket, or the name "localhost". Other names are
// not loopback: nobody knows until they are resolved.
bool IsLoopback(const Address& address);

}  // namespace pointsman::common
