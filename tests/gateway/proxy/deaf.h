#pragma once

// An endpoint that no connection reaches and that refuses none.

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "common/core/check.h"
#include "gateway/net/fd.h"

namespace pointsman::gateway {

// A listener whose queue is full: the kernel answers no further connection.
class DeafEndpoint {
 public:
  DeafEndpoint() {
    listener_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address_);
    auto* raw = reinterpret_cast<sockaddr*>(&address_);
    PM_CHECK(bind(listener_.get(), raw, size) == 0 && listen(listener_.get(), 0) == 0);
    PM_CHECK(getsockname(listener_.get(), raw, &size) == 0);
    for (Fd& fd : fillers_) {
      fd.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      // Refused or in progress: either fills the queue.
      static_cast<void>(connect(fd.get(), raw, size));
    }
  }
  uint16_t port() const { return ntohs(address_.sin_port); }

 private:
  sockaddr_in address_{};
  Fd listener_;
  std::array<Fd, 4> fillers_;
};

}  // namespace pointsman::gateway
