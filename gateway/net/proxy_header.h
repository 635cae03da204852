#pragma once

// Reads the header of the PROXY protocol (versions 1 and 2, as HAProxy defines them) that a proxy
// in front sends before everything else, from bytes that come in any pieces. Strict: what is not
// exactly one is refused, and nothing behind it is looked at. No I/O. Thread-compatible; a value.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "common/core/ip_address.h"

namespace pointsman::gateway {

// Longest header accepted: version 2 with 4,080 bytes of addresses and TLVs. Balancers of clouds
// add names of endpoints, TLS's facts and certificates' names.
inline constexpr size_t kProxyHeaderBytesMax = 4096;

enum class ProxyHeaderState : uint8_t {
  kMore,  // Every header that begins so is longer.
  kDone,
  kError,
};

enum class ProxyHeaderError : uint8_t {
  kNone,
  kNotOne,   // The bytes begin no header.
  kVersion,  // Of version 2: another version or command.
  kFamily,   // Of version 2: none that there is. Of version 1: another word.
  kAddress,  // Not two addresses of the family with ports.
  kTooLong,  // Above kProxyHeaderBytesMax; version 1: above 107.
  kTlv,      // TLVs that do not end where the header does.
};

struct ProxyHeader {
  ProxyHeaderState state = ProxyHeaderState::kMore;
  ProxyHeaderError error = ProxyHeaderError::kNone;
  // kDone: bytes of the header; what follows belongs to the protocol behind it.
  size_t size = 0;
  // Whom the header names; nullopt: the socket's own (LOCAL, UNKNOWN, or a family that is not TCP
  // over IPv4 or IPv6: who is behind a unix socket has no address here).
  std::optional<common::IpAddress> source;
  uint16_t source_port = 0;
};

// `bytes`: everything received so far. The result for a beginning is kMore or that of the whole, so
// it does not depend on how the bytes were cut. Looks at kProxyHeaderBytesMax bytes at most.
ProxyHeader ParseProxyHeader(absl::string_view bytes);

}  // namespace pointsman::gateway
