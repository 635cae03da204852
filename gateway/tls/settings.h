#pragma once

// What servers' and clients' contexts have in common. Thread-safe.

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gateway/tls/openssl.h"
#include "gateway/tls/options.h"

namespace pointsman::gateway {

// Versions, cipher suites (AEAD with forward secrecy only), groups, modes.
absl::Status CommonSettings(TlsVersion min_version, SSL_CTX* context);

// At least one; InvalidArgument otherwise.
absl::StatusOr<std::vector<X509Ptr>> ReadCertificates(absl::string_view pem, OSSL_LIB_CTX* library);

// InvalidArgument: a key that is encrypted, unreadable, or not the certificate's.
absl::Status UseCertificate(const std::vector<X509Ptr>& chain, absl::string_view key_pem,
                            OSSL_LIB_CTX* library, SSL_CTX* context);

}  // namespace pointsman::gateway
