#pragma once

// Transport security of every controller connection: mutual TLS from three PEM files, or plain
// text where that is harmless (loopback) or asked for (--insecure). The files are read again while
// the program runs, so that a renewed certificate serves new connections without a restart; running
// connections stay. Thread-safe functions; credentials with files own a thread that reads them.

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace pointsman::common {

// Paths of PEM files: --tls-cert, --tls-key, --tls-ca. All three or none.
struct TlsFiles {
  std::string cert;  // This program's certificate, then its intermediates.
  std::string key;   // The certificate's private key.
  std::string ca;    // Authorities that peers' certificates must lead to.
  // How long a change of the files may go unseen, in whole seconds. Zero, for clients of one call:
  // they are read once, and gRPC says more of why a connection failed.
  absl::Duration reload_every = absl::Seconds(10);

  bool empty() const { return cert.empty() && key.empty() && ca.empty(); }
};

// InvalidArgument: some of the three are given and some are not; names the missing flags.
absl::Status CheckTlsFiles(const TlsFiles& files);

// IsLoopback() of a text with any port or none: "127.x.y.z:PORT", "[::1]:PORT", "localhost:PORT"
// and "unix:PATH" are. A name other than "localhost" is not resolved and not loopback; neither is
// an empty host or a wildcard.
bool IsLoopbackAddress(absl::string_view address);

// What may be bound: everything with certificates or with `insecure`, else loopback only.
// InvalidArgument: as CheckTlsFiles. FailedPrecondition: `address` is not loopback; says which
// flags would allow it.
absl::Status CheckBindAllowed(absl::string_view address, const TlsFiles& files, bool insecure);

// Server side: with files, clients must present a certificate that leads to `ca`; without, plain
// text. Whether plain text may be bound is CheckBindAllowed's question.
// InvalidArgument: as CheckTlsFiles, a file has no PEM block of its kind, or the key does not fit
// the certificate. NotFound,
// PermissionDenied: a file cannot be read; the message names flag and path.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsFiles& files);

// Client side: the server's certificate must lead to `ca` and name the host dialled. Without
// files: plain text. Errors: as MakeServerCredentials.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const TlsFiles& files);

}  // namespace pointsman::common
