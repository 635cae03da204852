#pragma once

// What a worker knows of a client's connection, whatever protocol it speaks. Owned by the worker,
// buried at the end of the turn in which it closed. Thread-compatible.

#include <cstddef>
#include <memory>

#include "gateway/net/event_loop.h"
#include "gateway/net/socket.h"
#include "gateway/net/source_table.h"
#include "gateway/net/tcp_connection.h"
#include "gateway/proxy/client_peer.h"
#include "gateway/proxy/connection_facts.h"

namespace pointsman::gateway {

class ClientConnection : public Mortal {
 public:
  // Ends as soon as the client can be told without losing what it sent.
  virtual void Drain() = 0;
  // Closes now, whatever is under way.
  virtual void Kill() = 0;
  virtual ConnectionFacts Describe() const = 0;

  // Place in the worker's list.
  size_t registry_index = 0;
  // Its place among the connections from where it comes.
  SourceTable::Slot source;
};

// Who owns client connections.
class ClientRegistry {
 public:
  virtual ~ClientRegistry() = default;
  // The connection is closed; it must be kept until the end of the turn.
  virtual void OnClientClosed(ClientConnection* connection) = 0;
  // The PROXY header is off the socket, which then waits to be served like one just accepted at the
  // listener (its place), but from `peer`.
  virtual void OnProxyHeader(size_t listener, Fd socket, const SocketAddress& peer) = 0;
  // The client turned out to speak HTTP/2: its socket, and what came on it, go to a connection of
  // that kind; `from` is closed then.
  virtual void OnHttp2(ClientConnection* from, TcpConnection* socket, const ClientPeer& peer,
                       const Slice& received) = 0;
  // TLS was agreed on: the socket goes to a connection of what was chosen, or what the listener
  // (its place) is for; `from` is closed then.
  virtual void OnTlsReady(ClientConnection* from, size_t listener, TcpConnection* socket,
                          const SocketAddress& peer) = 0;
};

}  // namespace pointsman::gateway
