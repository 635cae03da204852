#pragma once

// OpenSSL contexts of one worker: what its TLS sessions begin from. Each worker has a library
// context of its own, so that handshakes on different workers share no lock. Contexts are built on
// any thread while no session of the worker begins from them yet, and never changed afterwards;
// sessions are made on the worker's thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gateway/core/upstream_tls.h"
#include "gateway/tls/openssl.h"
#include "gateway/tls/options.h"
#include "gateway/tls/server_names.h"
#include "gateway/tls/ticket_keys.h"

namespace pointsman::gateway {

// What the TLS sessions of one worker share.
struct TlsWorker {
  LibraryPtr library;
  // Null: no tickets. Of the worker's thread.
  std::shared_ptr<const TicketRing> tickets;
  // Steps of handshakes still allowed in this turn.
  int handshake_steps_left = 0;
};

// Null when OpenSSL cannot be set up.
LibraryPtr MakeTlsLibrary();

// A listener's certificates, chosen by server name.
class TlsServerContext {
 public:
  // InvalidArgument: a certificate or key that cannot be used; the message names which.
  static absl::StatusOr<std::shared_ptr<const TlsServerContext>> Make(
      const TlsServerOptions& options, OSSL_LIB_CTX* library);

  // Null when out of memory. `worker` outlives the session.
  SslPtr NewSession(TlsWorker* worker) const;
  // Place of the certificate that a request for `host` is to be served under.
  size_t CertificateFor(absl::string_view host) const { return names_.Find(host); }
  // Place of the one that a session was begun with.
  size_t CertificateOf(const SSL* session) const;
  // See TlsServerOptions::http2.
  bool http2() const { return http2_; }
  // Earliest end of a certificate, as seconds since 1970.
  int64_t not_after() const { return not_after_; }

 private:
  TlsServerContext() = default;
  // OpenSSL's callbacks.
  static int ChooseCertificate(SSL* session, int* alert, void* self);
  static int ChooseProtocol(SSL* session, const unsigned char** out, unsigned char* out_size,
                            const unsigned char* in, unsigned in_size, void* self);

  std::vector<SslContextPtr> certificates_;
  std::vector<ClientCertificates> clients_;
  ServerNames names_;
  bool http2_ = false;
  int64_t not_after_ = 0;
};

// How to speak to the endpoints of a service.
class TlsClientContext {
 public:
  // InvalidArgument: authorities that cannot be read.
  static absl::StatusOr<std::shared_ptr<const TlsClientContext>> Make(const UpstreamTls& options,
                                                                      OSSL_LIB_CTX* library);

  // Null when out of memory.
  SslPtr NewSession() const;
  bool http2() const { return options_.protocol == UpstreamProtocol::kHttp2; }

 private:
  explicit TlsClientContext(const UpstreamTls& options) : options_(options) {}

  const UpstreamTls options_;
  SslContextPtr context_;
};

// The clients' contexts of a worker, by the key in the services' policy.
using TlsClientContexts = absl::flat_hash_map<uint64_t, std::shared_ptr<const TlsClientContext>>;

}  // namespace pointsman::gateway
