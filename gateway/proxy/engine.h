#pragma once

// The data path as the control side sees it: workers on threads of their own, listening, running
// the newest routing table. Thread-safe, but PublishTable() and FreeRetired() are for one thread at
// a time (the control thread), which is also where old tables are destroyed.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/core/address.h"
#include "common/mutex.h"
#include "gateway/core/cells.h"
#include "gateway/core/routing_table.h"
#include "gateway/proxy/options.h"
#include "gateway/proxy/tcp_forwarding.h"
#include "gateway/proxy/upstream_shelf.h"
#include "gateway/proxy/worker.h"

namespace pointsman::gateway {

struct ListenerOptions {
  // Port 0: any. Not a name.
  common::Address address;
  // Absent: plain.
  std::optional<TlsServerOptions> tls = std::nullopt;
  // Absent: HTTP.
  std::shared_ptr<const TcpForwarding> tcp = nullptr;
};

struct EngineOptions {
  std::vector<ListenerOptions> listeners;
  ProxyLimits limits;
  // Accepts nothing before ReleaseListeners().
  bool hold_listeners = false;
  // Keys of an engine before this one, whose clients may resume here; empty: none.
  TicketRing tickets;
  // Shared with the control side; has one WorkerCells for each worker, so it also says how many
  // workers run. Outlives the engine.
  EndpointCells* cells = nullptr;
  // Outlives the engine.
  const common::Clock* clock = nullptr;
  // May be null; outlives the engine.
  RequestObserver* observer = nullptr;
};

class Engine {
 public:
  // Ends as Drain(0) does.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Sockets of one listener.
  using Sockets = std::vector<Fd>;

  // Listens and starts the workers. InvalidArgument: certificates that cannot be used. Connections
  // wait in the kernel until a first table is published, but no longer than
  // ProxyLimits::first_table_wait; from then on requests without one are answered 503 (no_table).
  // Unavailable: an address cannot be bound. ResourceExhausted: no descriptors.
  // `inherited`: by listener, sockets that listen already, as many as there may be; none: they are
  // opened here, one for each worker.
  static absl::StatusOr<std::unique_ptr<Engine>> Start(EngineOptions options,
                                                       std::vector<Sockets> inherited = {});

  // The addresses really listened on, as in EngineOptions::listen.
  const std::vector<std::string>& listen_addresses() const { return listen_addresses_; }

  // Every worker will run `table` from its next turn on. `on_running` is called once, on a worker's
  // thread, when all of them do; it must be quick. Tables before it are destroyed in a later
  // PublishTable() or FreeRetired().
  void PublishTable(std::shared_ptr<const RoutingTable> table, std::function<void()> on_running);
  // Destroys the tables no worker runs any more; returns how many are left.
  size_t FreeRetired();

  // New connections of the listener (place in EngineOptions::listeners, which had TLS) get these
  // certificates; those that stand stay. InvalidArgument: they cannot be used; nothing changes.
  // Thread-safe.
  absl::Status ReplaceTls(size_t listener, const TlsServerOptions& tls);
  // A new key seals session tickets from now on. Thread-safe.
  void RotateTickets();
  // The keys now. Thread-safe.
  TicketRing tickets() const;
  // When the first of the listeners' certificates ends, as seconds since 1970; 0: there is none.
  // Thread-safe.
  int64_t certificates_end() const { return certificates_end_.load(std::memory_order_relaxed); }

  // See EngineOptions::hold_listeners. Thread-safe.
  void ReleaseListeners();

  // By listener, its sockets once more, for another process. ResourceExhausted: no descriptors.
  // REQUIRES: before Drain(), on the thread that calls it.
  absl::StatusOr<std::vector<Sockets>> DuplicateSockets() const;

  // Stops accepting, ends connections after their current answer, and returns when all are closed,
  // at the latest about `grace` from now. Idempotent.
  void Drain(const DrainOptions& drain);
  void Drain(absl::Duration grace) { Drain(DrainOptions{.grace = grace}); }

  struct Connections {
    size_t clients = 0;
    size_t upstreams = 0;
    // Workers that did not answer in time: theirs are missing.
    size_t mute = 0;
    std::vector<ConnectionFacts> shown;
  };
  // Asks every worker, and waits at most `wait`; of each kind at most `max` are shown, the workers'
  // shares being equal. Thread-safe. REQUIRES: not during the destructor.
  Connections ListConnections(size_t max, absl::Duration wait);

  // Counters of all workers, now.
  EngineStats Stats() const;
  // Drain() was called and every worker was told. Thread-safe.
  bool draining() const { return draining_.load(std::memory_order_acquire); }
  size_t workers() const { return workers_.size(); }

 private:
  struct Publication {
    uint64_t sequence = 0;
    std::shared_ptr<const RoutingTable> table;
    std::function<void()> on_running;
  };

  explicit Engine(EngineOptions options);
  absl::Status Listen(std::vector<Sockets> inherited);
  void OnAdopted(size_t worker, uint64_t sequence);
  void BeginTickets();
  // Contexts for services whose TLS is new in `table`.
  void PrepareUpstreamTls(const RoutingTable& table);

  const EngineOptions options_;
  std::vector<std::string> listen_addresses_;
  // By listener; each socket once. Connections would wait on them for ever after a drain.
  std::vector<Sockets> sockets_;
  // By worker, until it takes them.
  std::vector<std::vector<ListeningSocket>> listeners_;

  common::Mutex mutex_;
  // Oldest first. All but the last may still be read by workers that did not adopt a later one.
  std::deque<Publication> publications_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> adopted_ ABSL_GUARDED_BY(mutex_);
  uint64_t sequence_ = 0;

  // Null: without a limit. Outlives the workers.
  std::unique_ptr<SourceTable> sources_;
  // Null: there is one worker. Outlives the workers.
  std::unique_ptr<UpstreamShelf> shelf_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  std::atomic<bool> draining_{false};

  // Held while contexts are built; workers never take it.
  mutable common::Mutex tls_mutex_;
  std::shared_ptr<const TicketRing> tickets_ ABSL_GUARDED_BY(tls_mutex_);
  std::shared_ptr<const UpstreamTlsMap> upstream_tls_ ABSL_GUARDED_BY(tls_mutex_);
  std::vector<TlsClientContexts> client_contexts_ ABSL_GUARDED_BY(tls_mutex_);  // By worker.
  std::vector<int64_t> not_after_ ABSL_GUARDED_BY(tls_mutex_);                  // By listener.
  std::atomic<int64_t> certificates_end_{0};
};

}  // namespace pointsman::gateway
