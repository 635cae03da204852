#pragma once

// Sockets without policy: addresses, listening, connecting, accepting. Everything is non-blocking
// and close-on-exec. Thread-safe.

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/core/address.h"
#include "common/core/ip_address.h"
#include "gateway/net/fd.h"

namespace pointsman::gateway {

// A socket address the kernel understands. A value.
class SocketAddress {
 public:
  SocketAddress() = default;
  // REQUIRES: not kName (names are resolved elsewhere).
  static SocketAddress From(const common::Address& address);
  static SocketAddress From(const common::IpAddress& ip, uint16_t port);
  // The local address of a socket; Internal when the kernel refuses.
  static absl::StatusOr<SocketAddress> Local(int fd);
  // The other end's; Unavailable: there is none.
  static absl::StatusOr<SocketAddress> Peer(int fd);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  sockaddr* mutable_get() { return reinterpret_cast<sockaddr*>(&storage_); }
  socklen_t length() const { return length_; }
  void set_length(socklen_t length) { length_ = length; }
  int family() const { return storage_.ss_family; }
  // 0 for unix sockets.
  uint16_t port() const;
  void set_port(uint16_t port);
  // nullopt for unix sockets.
  std::optional<common::IpAddress> Ip() const;
  // As common::ParseAddress reads it.
  std::string ToString() const;
  // Address without port and brackets, "unix" for unix sockets; writes at most 46 bytes (no
  // terminator) to `out` and returns how many.
  static constexpr size_t kHostBytes = 46;
  size_t WriteHost(char* out) const;

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

struct ListenOptions {
  int backlog = 4096;
  // Several sockets may listen on the same address (one per worker).
  bool reuse_port = true;
};

// Unavailable (with the address and the kernel's reason) when binding fails.
absl::StatusOr<Fd> Listen(const SocketAddress& address, const ListenOptions& options);

// Unavailable: somebody listens on this address already, as Listen() cannot see, which would share
// the port and its connections with them. Unix sockets and port 0 are always free.
absl::Status CheckUnused(const SocketAddress& address);

// Another descriptor of the same socket. ResourceExhausted: there is none left.
absl::StatusOr<Fd> Duplicate(const Fd& fd);

struct ConnectStart {
  Fd fd;              // Invalid when the attempt failed at once.
  bool done = false;  // The connection stands already.
  int error = 0;      // errno of a failed attempt.
};
// Begins to connect; TCP_NODELAY is set on TCP sockets.
ConnectStart StartConnect(const SocketAddress& address);
// errno of a finished connect, 0 if it stands.
int ConnectError(int fd);

// Accepts one connection. Returns -1 with errno when there is none; TCP_NODELAY is inherited from
// the listener.
int AcceptOne(int listener, SocketAddress* peer);

}  // namespace pointsman::gateway
