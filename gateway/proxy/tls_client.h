#pragma once

// A client's connection while TLS is agreed on; then its socket goes to a connection of the
// protocol that was chosen. Thread-compatible; owned by its worker, buried at the end of the turn
// in which it closed.

#include <memory>

#include "gateway/net/socket.h"
#include "gateway/net/tcp_connection.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/proxy/client_connection.h"
#include "gateway/proxy/worker_context.h"
#include "gateway/tls/filter.h"

namespace pointsman::gateway {

class TlsClient final : public ClientConnection, public ConnectionOwner, public TimerEntry {
 public:
  // `listener`: place of the one it came in by.
  TlsClient(WorkerContext* context, ClientRegistry* registry, size_t listener);

  // Takes over an accepted socket; false when it cannot be served.
  bool Start(Fd fd, const SocketAddress& peer, std::shared_ptr<const TlsServerContext> tls);

  // ClientConnection: a client that is about to speak is heard, but not for long.
  void Drain() override;
  void Kill() override { Close(); }
  ConnectionFacts Describe() const override {
    return {.upstream = false,
            .protocol = "tls_handshake",
            .tls = true,
            .requests = 0,
            .unsent_bytes = tcp_.out().bytes(),
            .fd = tcp_.fd()};
  }

  // ConnectionOwner
  void OnConnected() override;
  void OnReceived(Slice /*bytes*/) override {}
  void OnInputEnd() override { Fail(); }
  void OnSent(size_t /*n*/) override {}
  void OnHangUp() override { Fail(); }
  void OnFailed(int /*error*/) override { Fail(); }

  void OnTimer() override;

 private:
  void Fail();
  void Close();

  WorkerContext* const context_;
  ClientRegistry* const registry_;
  const size_t listener_;
  TcpConnection tcp_;
  SocketAddress peer_;
  common::MonotonicTime deadline_;
  bool closed_ = false;
};

}  // namespace pointsman::gateway
