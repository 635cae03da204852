#pragma once

// What a listener asks of TLS: values, read from files by others. Secrets (keys) are in here: never
// log one.

#include <cstdint>
#include <string>
#include <vector>

namespace pointsman::gateway {

enum class ClientCertificates : uint8_t {
  kNone,      // Not asked for.
  kOptional,  // Asked for; one that is shown must be good.
  kRequired,
};

// One certificate of a listener and whom it speaks with.
struct TlsCertificate {
  std::string chain_pem;  // The leaf first.
  std::string key_pem;
  // Server names it is chosen for, lower case, "*.example.com" for one label more. Empty: the DNS
  // names in the certificate.
  std::vector<std::string> names;
  ClientCertificates clients = ClientCertificates::kNone;
  std::string client_ca_pem;
  friend bool operator==(const TlsCertificate&, const TlsCertificate&) = default;
};

enum class TlsVersion : uint8_t { k12, k13 };

struct TlsServerOptions {
  // Not empty. The first serves clients that name no server, or one that no certificate has.
  std::vector<TlsCertificate> certificates;
  TlsVersion min_version = TlsVersion::k12;
  // ALPN: HTTP/2 (if `http2`) before HTTP/1.1; false: clients may ask for anything, and are told
  // nothing.
  bool http = true;
  bool http2 = true;
  friend bool operator==(const TlsServerOptions&, const TlsServerOptions&) = default;
};

}  // namespace pointsman::gateway
