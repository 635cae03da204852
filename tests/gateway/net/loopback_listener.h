#pragma once

// Listeners on chosen loopback addresses: those of two addresses of one peer share a port.
// Thread-compatible.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "common/core/address.h"
#include "common/core/check.h"
#include "gateway/net/fd.h"
#include "gateway/net/socket.h"

namespace pointsman::gateway {

inline SocketAddress AddressAt(const std::string& host, uint16_t port) {
  return SocketAddress::From(*common::ParseAddress(host + ":" + std::to_string(port)));
}

// Accepts nothing by itself.
class LoopbackListener {
 public:
  // Port 0: any.
  explicit LoopbackListener(const std::string& host, uint16_t port = 0, int backlog = 16) {
    const SocketAddress address = AddressAt(host, port);
    fd_.Reset(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int one = 1;
    setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    PM_CHECK(bind(fd_.get(), address.get(), address.length()) == 0);
    PM_CHECK(listen(fd_.get(), backlog) == 0);
    port_ = SocketAddress::Local(fd_.get())->port();
  }
  uint16_t port() const { return port_; }
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
  uint16_t port_ = 0;
};

// Somebody listens, but whoever connects hears nothing: the queue is full, so that the kernel drops
// what comes, as a network does that leads nowhere.
class SilentListener {
 public:
  explicit SilentListener(const std::string& host, uint16_t port = 0)
      : listener_(host, port, /*backlog=*/0) {
    for (int i = 0; i < 2; ++i) {
      fillers_.push_back(StartConnect(AddressAt(host, listener_.port())).fd);
      PM_CHECK(fillers_.back().valid());
    }
  }
  uint16_t port() const { return listener_.port(); }

 private:
  LoopbackListener listener_;
  std::vector<Fd> fillers_;
};

}  // namespace pointsman::gateway
