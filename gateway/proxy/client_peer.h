#pragma once

// Who is at the other end of a client's connection, as little of it as requests ask for: idle
// connections keep it. A value.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "gateway/net/socket.h"

namespace pointsman::gateway {

class ClientPeer {
 public:
  // `trusted`: it is one of ProxyLimits::trusted_proxies.
  ClientPeer(const SocketAddress& address, bool trusted)
      : size_(static_cast<uint8_t>(address.WriteHost(host_))), trusted_(trusted) {}

  // As SocketAddress::WriteHost().
  absl::string_view host() const { return {host_, size_}; }
  bool trusted() const { return trusted_; }

 private:
  char host_[SocketAddress::kHostBytes];
  uint8_t size_;
  bool trusted_;
};

}  // namespace pointsman::gateway
