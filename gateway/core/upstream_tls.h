#pragma once

// How gateways speak TLS to the endpoints of a service: values. Policies carry a key instead, so
// that they stay small; the table has what the keys stand for.

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"

namespace pointsman::gateway {

// Spoken inside; offered in ALPN, and HTTP/2 must be agreed on.
enum class UpstreamProtocol : uint8_t { kHttp1, kHttp2, kTcp };

struct UpstreamTls {
  // Authorities that may have signed, in PEM; empty: those of the host.
  std::string ca_pem;
  // Sent as SNI, and looked for in the certificate. An IP address is looked for as such, and not
  // sent. Empty only when `insecure`.
  std::string server_name;
  bool insecure = false;  // The certificate is not verified.
  UpstreamProtocol protocol = UpstreamProtocol::kHttp1;
  friend bool operator==(const UpstreamTls&, const UpstreamTls&) = default;
};

// Equal for equal values; never 0, which stands for plain connections.
uint64_t UpstreamTlsKey(const UpstreamTls& tls);

using UpstreamTlsMap = absl::flat_hash_map<uint64_t, UpstreamTls>;

}  // namespace pointsman::gateway
