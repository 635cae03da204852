#pragma once

// Numeric socket addresses and the few socket calls that the load generator and the test backend
// share. Names are not resolved. Thread-safe.

#include <sys/socket.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pointsman::bench {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// "127.0.0.1:80" or "[::1]:80". InvalidArgument names what is wrong.
absl::StatusOr<SocketAddress> ParseSocketAddress(absl::string_view text);

// A non-blocking listening socket with SO_REUSEADDR; the caller closes it. Unavailable: the
// address is taken or not ours.
absl::StatusOr<int> ListenOn(const SocketAddress& address);

// Starts a non-blocking connection with TCP_NODELAY; the caller closes it. The connection may
// still be pending. Unavailable: refused at once, or no descriptor left.
absl::StatusOr<int> StartConnection(const SocketAddress& address);

// "127.0.0.1:41234" of a bound socket; empty on error.
std::string LocalAddressText(int fd);

}  // namespace pointsman::bench
