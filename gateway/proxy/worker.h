#pragma once

// One worker: a thread's event loop with its listeners, connections, streams and pools. Everything
// but the constructor and the methods marked thread-safe runs on the thread that calls Run().

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/clock.h"
#include "common/core/time.h"
#include "common/mutex.h"
#include "gateway/core/cells.h"
#include "gateway/core/outlier_watch.h"
#include "gateway/core/routing_table.h"
#include "gateway/net/event_loop.h"
#include "gateway/proxy/client_connection.h"
#include "gateway/proxy/http1_client.h"
#include "gateway/proxy/http2_client.h"
#include "gateway/proxy/listener.h"
#include "gateway/proxy/options.h"
#include "gateway/proxy/proxy_header_client.h"
#include "gateway/proxy/retry_budgets.h"
#include "gateway/proxy/service_loads.h"
#include "gateway/proxy/stream.h"
#include "gateway/proxy/tcp_client.h"
#include "gateway/proxy/tls_client.h"
#include "gateway/proxy/upstream_pools.h"
#include "gateway/proxy/upstream_shelf.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

struct WorkerOptions {
  const common::Clock* clock = nullptr;
  ProxyLimits limits;
  size_t connections_max = 0;  // Of this worker.
  // Of the gateway; null: sources are not counted. Outlives the worker.
  SourceTable* sources = nullptr;
  // Of all workers; null: there is none. The first worker tends it. Outlives the workers.
  UpstreamShelf* shelf = nullptr;
  size_t index = 0;  // Among `workers`.
  size_t workers = 1;
  // Accepts nothing before ReleaseListeners().
  bool hold_listeners = false;
  WorkerCells* cells = nullptr;
  RequestObserver* observer = nullptr;
  // By listener; null (or fewer): HTTP.
  std::vector<std::shared_ptr<const TcpForwarding>> tcp;
  // Called at the start of a turn on the worker's thread, after it took the table that was posted
  // with this sequence (and so let go of all before).
  absl::AnyInvocable<void(uint64_t sequence)> on_adopted;
};

// A socket that listens, and its listener's place.
struct ListeningSocket {
  size_t place = 0;
  Fd fd;
};

struct DrainOptions {
  // What is left then is closed.
  absl::Duration grace;
  // By place of the listener: true: another process accepts what waits on its sockets. Fewer are
  // false.
  std::vector<bool> handed_over = {};
};

// What a worker is to use from its next turn on; null (or not named) stays as it is.
struct TlsUpdate {
  // By place of the listener.
  std::vector<std::pair<size_t, std::shared_ptr<const TlsServerContext>>> listeners;
  std::shared_ptr<const TicketRing> tickets;
  std::shared_ptr<const TlsClientContexts> clients;
};

class Worker final : public EventLoop::Delegate, public ClientRegistry {
 public:
  explicit Worker(WorkerOptions options);
  ~Worker() override;

  // ResourceExhausted when the kernel gives no descriptors. Before Run(), on any thread. `places`:
  // how many listeners there are; each may have any number of sockets.
  absl::Status Open(std::vector<ListeningSocket> sockets, size_t places);
  // Serves until drained or stopped.
  void Run();
  // One turn of Run(), for a bench that is the worker's thread, its clients and its endpoints.
  // Waits for the next timer when nothing has come.
  void RunTurn();

  // Thread-safe. The newest table is taken at the start of the next turn. `table` stays alive until
  // on_adopted() told of this or a later sequence.
  void PostTable(const RoutingTable* table, uint64_t sequence);
  // The workers (this one among them) that connections may be handed to. Before Run(); they must
  // live as long as this runs.
  void SetPeers(std::vector<Worker*> peers) { peers_ = std::move(peers); }
  // Thread-safe. Of contexts built with TlsLibrary().
  void PostTls(TlsUpdate update);
  // Thread-safe. `task` is run on the worker's thread at the start of a turn, soon; never when the
  // worker has ended by then.
  void Post(absl::AnyInvocable<void()> task);
  struct Connections {
    size_t clients = 0;
    size_t upstreams = 0;
    std::vector<ConnectionFacts> shown;
  };
  // On the worker's thread: at most `max` of each kind are shown.
  Connections Describe(size_t max) const;
  // Thread-safe. See WorkerOptions::hold_listeners.
  void ReleaseListeners();
  // Made at the first call; by one thread at a time, never the worker's. Null: OpenSSL fails.
  OSSL_LIB_CTX* TlsLibrary();
  // Stops accepting, ends each connection after its current answer; what is left `grace` after the
  // worker took notice is closed. Run() returns when no connection is left. On any thread; only the
  // first call counts.
  void Drain(const DrainOptions& drain);

  // Readable by any thread.
  const WorkerCounters& counters() const { return context_.counters; }
  // Of the worker's thread (or after Run()).
  const WorkerContext& context() const { return context_; }

  // EventLoop::Delegate
  void OnTurnStart() override;
  void Settle() override;
  void OnTurnEnd() override;
  // ClientRegistry
  void OnClientClosed(ClientConnection* connection) override;
  void OnProxyHeader(size_t listener, Fd socket, const SocketAddress& peer) override;
  void OnHttp2(ClientConnection* from, TcpConnection* socket, const ClientPeer& peer,
               const Slice& received) override;
  void OnTlsReady(ClientConnection* from, size_t listener, TcpConnection* socket,
                  const SocketAddress& peer) override;

 private:
  void AddClient(std::unique_ptr<ClientConnection> client, SourceTable::Slot source);
  // nullopt: it has all the connections it may have.
  std::optional<SourceTable::Slot> EnterSource(const SocketAddress& peer);
  // Says why on a fresh socket, where the client expects HTTP.
  void Shed(size_t listener, const Fd& fd, Reason reason);
  void OnAccepted(size_t listener, Fd fd, const SocketAddress& peer);
  // Clients' connections, those on their way here included. Any thread.
  size_t Load() const;
  // The worker with the fewest connections, if this one has so many more that it pays to give one
  // away; else null. O(workers).
  Worker* LighterPeer() const;
  // On the giver's thread. False: this one drains; the connection stays with the giver.
  bool Offer(size_t listener, Fd* fd, const SocketAddress& peer);
  void Begin(size_t listener, Fd fd, const SocketAddress& peer);
  void Serve(size_t listener, Fd fd, const SocketAddress& peer);
  void StartTls(size_t listener, Fd fd, const SocketAddress& peer, SourceTable::Slot source);
  // `socket`: of a connection that TLS was agreed on, whose place is `source`; null: `fd` is fresh.
  void StartTcp(size_t listener, Fd fd, TcpConnection* socket, SourceTable::Slot source);
  void AdoptTls();
  void RunTasks();
  void AdoptTable();
  // Tells the cells of limits that are others than before. O(services) and, of those, endpoints.
  void AdoptLimits(const RoutingTable& before, const RoutingTable& now);
  void AdoptLimits(const ServicePolicy& before, const ServiceTable& service);
  void BeginDrain();
  void CloseEverything();
  void Sweep();
  void FindOutliers();
  // Gives back the memory that a peak needed and the time since the last call did not.
  void TrimMemory();
  // Once both a table (or the time for it) and the release have come.
  void StartListeners();

  class CallTimer final : public TimerEntry {
   public:
    explicit CallTimer(absl::AnyInvocable<void()> call) : call_(std::move(call)) {}
    void OnTimer() override { call_(); }

   private:
    absl::AnyInvocable<void()> call_;
  };

  // Closes what endpoints end on the shelf.
  class ShelfWatch final : public IoHandler {
   public:
    explicit ShelfWatch(UpstreamShelf* shelf) : shelf_(shelf) {}
    void OnIo(uint32_t /*events*/) override { shelf_->Discard(); }

   private:
    UpstreamShelf* const shelf_;
  };

  // The shelf, on the worker that tends it.
  UpstreamShelf* tended_shelf() const { return context_.index == 0 ? context_.shelf : nullptr; }

  WorkerContext context_;
  StreamPool streams_;
  UpstreamPools upstreams_;
  RetryBudgets budgets_;
  ServiceLoads loads_{&context_};
  OutlierWatch outliers_;
  struct PlacedListener {
    size_t place;
    std::unique_ptr<Listener> listener;
  };
  std::vector<PlacedListener> listeners_;
  std::vector<std::shared_ptr<const TcpForwarding>> listener_tcp_;
  // By listener; null: plain.
  std::vector<std::shared_ptr<const TlsServerContext>> listener_tls_;
  std::vector<std::unique_ptr<ClientConnection>> clients_;
  std::optional<ShelfWatch> shelf_watch_;
  CallTimer sweep_timer_;
  CallTimer outlier_timer_;
  CallTimer first_table_timer_;
  absl::AnyInvocable<void(uint64_t)> on_adopted_;

  // Of OnTurnEnd(), kept for its memory.
  std::vector<TcpConnection*> flushing_;

  // Mailbox: written by others, taken at the start of a turn. The sequence is written last.
  std::atomic<const RoutingTable*> posted_table_{nullptr};
  std::atomic<uint64_t> posted_sequence_{0};
  // Written before the grace, which tells of both.
  std::vector<bool> handed_over_;
  std::atomic<int64_t> drain_grace_micros_{-1};
  std::atomic<bool> tls_posted_{false};
  common::Mutex tls_mutex_;
  TlsUpdate posted_tls_ ABSL_GUARDED_BY(tls_mutex_);
  std::atomic<bool> tasks_posted_{false};
  common::Mutex tasks_mutex_;
  std::vector<absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(tasks_mutex_);
  bool takes_offers_ ABSL_GUARDED_BY(tasks_mutex_) = true;
  std::atomic<size_t> offered_{0};  // Connections among the tasks.
  std::vector<Worker*> peers_;
  bool hold_listeners_;
  bool listeners_due_ = false;
  uint64_t adopted_sequence_ = 0;
  bool pools_stale_ = false;
  // Sweeps of the shelf to come: others may put there what they had before they looked.
  int shelf_sweeps_ = 0;
  common::MonotonicTime drain_deadline_ = common::MonotonicTime::Infinite();
};

}  // namespace pointsman::gateway
