#pragma once

// A client's connection until its PROXY header has come whole; then its socket is served as one
// from whom the header names. What came is looked at in the kernel's buffer (at most 536 bytes) and
// only the header is taken out, so whatever protocol follows finds its first byte first. Owns no
// buffer. Thread-compatible; owned by its worker, buried at the end of the turn in which it closed.

#include <cstddef>
#include <cstdint>

#include "gateway/net/event_loop.h"
#include "gateway/net/fd.h"
#include "gateway/net/socket.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/proxy/client_connection.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

class ProxyHeaderClient final : public ClientConnection, public IoHandler, public TimerEntry {
 public:
  ProxyHeaderClient(WorkerContext* context, ClientRegistry* registry, size_t listener);

  // Takes over an accepted socket; false when it cannot be registered.
  bool Start(Fd fd, const SocketAddress& peer);

  // ClientConnection: a client that is about to speak is heard, but not for long.
  void Drain() override;
  void Kill() override { Close(); }
  ConnectionFacts Describe() const override {
    return {.upstream = false,
            .protocol = "proxy_header",
            .tls = false,
            .requests = 0,
            .unsent_bytes = 0,
            .fd = fd_.get()};
  }

  void OnIo(uint32_t events) override;
  void OnTimer() override;

 private:
  void Fail(Reason reason);
  void Close();

  WorkerContext* const context_;
  ClientRegistry* const registry_;
  const size_t listener_;
  Fd fd_;
  SocketAddress peer_;
  common::MonotonicTime deadline_;
  bool closed_ = false;
};

}  // namespace pointsman::gateway
