#pragma once

// A connection to an endpoint as TLS knows it: which policy it follows, and where the sessions it
// is given are kept. Thread-compatible; part of its connection.

#include <cstdint>
#include <memory>

#include "gateway/net/tcp_connection.h"
#include "gateway/proxy/worker_context.h"
#include "gateway/tls/filter.h"

namespace pointsman::gateway {

class UpstreamTlsBinding final : public TlsSessionKeeper {
 public:
  // `policy`: key in WorkerContext::tls_clients; 0: plain.
  UpstreamTlsBinding(WorkerContext* context, CellRef cell, uint64_t policy)
      : context_(context), key_{cell.index, cell.generation, policy} {}

  uint64_t policy() const { return key_.policy; }
  // Begins TLS if the policy asks for it. False: it cannot begin.
  bool Start(TcpConnection* connection);
  // Counts how the agreement ended.
  void OnConnected(const TcpConnection& connection);
  // What a failure with `error` (errno) before the connection stood is called.
  Reason OnConnectFailed(int error);

  void Keep(SessionPtr session) override {
    context_->upstream_sessions.Keep(key_, std::move(session));
  }

 private:
  WorkerContext* const context_;
  const UpstreamSessions::Key key_;
};

}  // namespace pointsman::gateway
