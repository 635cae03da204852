#pragma once

// The server name at the start of a TLS connection that somebody else will answer. OpenSSL reads
// it; nothing is answered. Thread-compatible.

#include <string>

#include "absl/strings/string_view.h"
#include "gateway/tls/openssl.h"

namespace pointsman::gateway {

class ClientHelloReader {
 public:
  // A hello may take several records; more than this is refused.
  static constexpr size_t kBytesMax = 16 * 1024;

  enum class Found : uint8_t {
    kMore,    // Not complete yet.
    kHello,   // `name` is set; empty when the client asked for none.
    kNotTls,  // Nothing that TLS begins with.
  };
  // `bytes`: everything that came so far. O(bytes).
  Found Read(absl::string_view bytes, std::string* name);

 private:
  static int OnHello(SSL* session, int* alert, void* self);

  // Its own: the process's default one would have workers wait for each other. Goes last.
  LibraryPtr library_;
  SslContextPtr context_;
};

// Server name in a ClientHello (RFC 6066 3), within OpenSSL's callback; empty: none, or not one
// host name.
absl::string_view ServerNameOf(SSL* session);

}  // namespace pointsman::gateway
