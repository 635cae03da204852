#pragma once

// What the objects of one worker share. Owned by the worker; thread-compatible, used on its thread
// only.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/random/random.h"
#include "gateway/core/address_memory.h"
#include "gateway/core/cells.h"
#include "gateway/core/json_body.h"
#include "gateway/core/local_avoidance.h"
#include "gateway/core/picker.h"
#include "gateway/core/routing_table.h"
#include "gateway/http1/message_parsers.h"
#include "gateway/net/chunk.h"
#include "gateway/net/event_loop.h"
#include "gateway/net/socket.h"
#include "gateway/net/source_table.h"
#include "gateway/net/tcp_connection.h"
#include "gateway/proxy/client_peer.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/options.h"
#include "gateway/proxy/upstream_sessions.h"
#include "gateway/tls/client_hello.h"
#include "gateway/tls/contexts.h"

namespace pointsman::gateway {

class RetryBudgets;
class ServiceLoads;
class StreamPool;
class UpstreamPools;
class UpstreamShelf;

struct WorkerContext {
  WorkerContext(const common::Clock& clock, const ProxyLimits& proxy_limits,
                WorkerCells& worker_cells)
      : limits(proxy_limits),
        loop(clock),
        cells(worker_cells),
        avoidance(worker_cells),
        request_parsers(proxy_limits.head),
        response_parsers(proxy_limits.head),
        upstream_sessions(proxy_limits.tls_upstream_sessions_max) {}

  const ProxyLimits limits;
  // Of this worker; the rest of connections_max is the others'.
  size_t connections_max = 0;
  // Where the connections of all workers are from; null: not counted.
  SourceTable* sources = nullptr;
  // Of all workers; null: there are no others.
  UpstreamShelf* shelf = nullptr;
  size_t index = 0;  // Among `workers`.
  size_t workers = 1;
  // That this worker may have in use: its part of limits.buffer_bytes_max.
  size_t chunks_max = 1;
  size_t awaited_bytes = 0;  // The sum of AwaitedBytes().
  // Declared before everything that holds sessions.
  TlsWorker tls;
  // Declared before everything that holds chunks.
  ChunkPool chunks;
  EventLoop loop;
  ReadyList ready;
  std::vector<TcpConnection*> to_flush;
  std::vector<TcpConnection*> to_flush_at_end;
  WorkerCells& cells;
  LocalAvoidance avoidance;
  PickTurns turns;
  ParserLender<RequestParsers> request_parsers;
  ParserLender<ResponseParsers> response_parsers;
  JsonBody json;
  WorkerCounters counters;
  absl::InsecureBitGen random;
  // Of services with TLS; null: there is none.
  std::shared_ptr<const TlsClientContexts> tls_clients;
  UpstreamSessions upstream_sessions;
  AddressMemory addresses;
  ClientHelloReader hello;
  const RoutingTable* table = nullptr;
  StreamPool* streams = nullptr;
  UpstreamPools* upstreams = nullptr;
  RetryBudgets* budgets = nullptr;
  ServiceLoads* loads = nullptr;
  RequestObserver* observer = nullptr;
  bool draining = false;
  // While draining: when idle HTTP/1 connections close.
  common::MonotonicTime drain_idle_until;

  CountersView counters_view() { return {cells, avoidance, loop.Now(), &turns}; }

  bool BuffersFull() const { return chunks.in_use() >= chunks_max; }
  // What was admitted before may have grown by a quarter more: whatever brings more bytes ends.
  bool BuffersOverfull() const { return chunks.in_use() * 4 >= chunks_max * 5; }
  // From here on less is kept for each.
  bool BuffersPressed() const { return chunks.in_use() * 2 >= chunks_max; }
  // What a body that is awaited may come to; `announced`: its length, 0: not known. One that is
  // known to be small counts nothing: the buffers' pressure bounds those.
  size_t AwaitedBytes(int64_t announced) const {
    if (announced > 0 && announced <= static_cast<int64_t>(kChunkDataBytes)) return 0;
    const size_t most = limits.replay_bytes_max;
    return kChunkBytes + (announced > 0 ? std::min<size_t>(most, announced) : most);
  }
  // Those that are awaited and this one may come to more than a quarter of the buffers.
  bool AwaitsEnough(int64_t announced) const {
    const size_t more = AwaitedBytes(announced);
    return BuffersPressed() ||
           (more > 0 && awaited_bytes > 0 && (awaited_bytes + more) * 4 > chunks_max * kChunkBytes);
  }
  // Bytes of a body that may wait in one direction of one stream: fewer when many do.
  size_t StreamWindow() const {
    return BuffersPressed() ? std::min(limits.stream_window_bytes, kChunkDataBytes)
                            : limits.stream_window_bytes;
  }

  bool Trusts(const SocketAddress& peer) const { return IsIn(limits.trusted_proxies.get(), peer); }
  static bool IsIn(const common::CidrSet* networks, const SocketAddress& peer) {
    if (networks == nullptr) return false;
    const std::optional<common::IpAddress> ip = peer.Ip();
    return ip.has_value() && networks->Contains(*ip);
  }
  ClientPeer PeerOf(const SocketAddress& peer) const { return ClientPeer(peer, Trusts(peer)); }

  // `connection` is flushed once the ready list is empty.
  void FlushLater(TcpConnection* connection) {
    if (connection->flush_listed || !connection->open()) return;
    connection->flush_listed = true;
    to_flush.push_back(connection);
  }
  // `connection` is flushed at the turn's end: what many streams say in a turn leaves at once.
  void FlushAtTurnEnd(TcpConnection* connection) {
    if (connection->flush_listed || !connection->open()) return;
    connection->flush_listed = true;
    to_flush_at_end.push_back(connection);
  }
  // Without room for more nothing waits for the turn's end.
  void FlushSoonerWhenFull() {
    if (to_flush_at_end.empty() || !BuffersFull()) return;
    to_flush.insert(to_flush.end(), to_flush_at_end.begin(), to_flush_at_end.end());
    to_flush_at_end.clear();
  }
};

}  // namespace pointsman::gateway
