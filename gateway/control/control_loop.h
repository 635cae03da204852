#pragma once

// The control side's one thread: keeps the stream to the controller, applies bundles, builds
// tables and hands them to the workers, acknowledges, observes, resolves names, sums the cells and
// saves snapshots. What it decides is in gateway/core (TableState) and in Observer; here are the
// order and the clocks.
//
// Without a controller, or while none answers, the last good table stays in force. Thread-safe:
// public functions may be called from any thread. Owns its thread, stream, resolver and writer.

#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/core/backoff.h"
#include "common/mutex.h"
#include "gateway/control/name_resolver.h"
#include "gateway/control/snapshot.h"
#include "gateway/control/subscription.h"
#include "gateway/core/avoidance_watch.h"
#include "gateway/core/cells.h"
#include "gateway/core/observe_schedule.h"
#include "gateway/core/observer.h"
#include "gateway/core/table_state.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::gateway {

// Hands a table to every worker; `adopted` is called (on any thread) once all run it.
using PublishTable =
    std::function<void(std::shared_ptr<const RoutingTable> table, std::function<void()> adopted)>;

struct ControlOptions {
  std::string gateway_id;
  Place place;
  uint64_t boot_id = 0;  // Random, not 0.
  // Null: no controller.
  std::shared_ptr<grpc::Channel> channel;
  // Present: runs from this; then `channel` is null.
  std::optional<v1::Config> static_config;
  // The running table of the process whose place this one takes, as EncodeSnapshot() writes it;
  // used instead of what is on disk. Empty: none.
  std::string handed_table;
  // See SetActive().
  bool active = true;
  // Folder for the snapshot; empty: none is kept.
  std::string state_dir;
  PublishTable publish;
  // Frees what is left of older tables; called on the control thread after tables were adopted.
  std::function<void()> free_retired;
  NameResolver::Resolve resolve;  // As NameResolver::Options.
  absl::Duration resolve_interval = absl::Seconds(5);
  absl::Duration observe_interval = absl::Seconds(1);
  absl::Duration snapshot_interval = absl::Seconds(3);
  // How long the process must run with a loaded snapshot to have proven it.
  absl::Duration proven_after = absl::Seconds(5);
  // From one summing of the cells to the next. A wake-up costs more than the sum, so workers that
  // were idle for forty of them are summed five times less often; and a single one ten times,
  // as it knows all there is and sums are only for averages.
  absl::Duration sum_interval = absl::Milliseconds(5);
  absl::Duration stage_wait = absl::Seconds(5);
  // From one table to the next: what changes meanwhile comes together, and a bundle is acknowledged
  // with it. The first change after so long is published at once.
  absl::Duration table_interval = absl::Milliseconds(10);
  common::BackoffOptions backoff = {.initial = absl::Milliseconds(200),
                                    .max = absl::Seconds(5),
                                    .floor = absl::Milliseconds(20),
                                    .factor = 2.0};
};

// To show and to count; cumulative.
struct ControlStatus {
  bool connected = false;
  bool has_config = false;
  uint64_t connects = 0;
  uint64_t bundles = 0;
  uint64_t bundle_bytes = 0;
  uint64_t frames = 0;
  uint64_t nacks = 0;
  uint64_t tables = 0;
  uint64_t observations = 0;
  uint64_t observations_dropped = 0;  // The stream did not take them.
  uint64_t snapshots_written = 0;
  uint64_t snapshots_failed = 0;
  bool snapshot_pending = false;    // The running table is not on disk yet.
  absl::Duration last_apply;        // Arrival of the last bundle until every worker ran it.
  absl::Duration disconnected_for;  // Zero while connected; Infinite: never connected.
  std::string last_nack;
  std::string store_id;
};

class ControlLoop {
 public:
  // `clock` and `cells` must outlive this; `publish` may be called until the destructor returns.
  ControlLoop(const common::Clock& clock, EndpointCells& cells, ControlOptions options);
  // Stops; a snapshot that waits is written. What `publish` was given may be called no more.
  ~ControlLoop();

  // Loads what is on disk, or the static configuration, so that Start() has a table to publish at
  // once. Before Start. InvalidArgument: the static configuration is refused. A missing or broken
  // snapshot is logged and not an error, a refused handed_table is one; NotFound, PermissionDenied:
  // the state folder.
  absl::Status Load();
  // Publishes the first table before it returns, then starts the thread.
  void Start();
  // Ends the thread and the stream: nothing is published afterwards. Idempotent.
  void Stop();

  // Another static configuration, in its place. InvalidArgument: refused; nothing changed.
  absl::Status ReplaceStatic(const v1::Config& config);

  // What the running table was made of, for ControlOptions::handed_table of another process; empty:
  // there is none, or it is static. Waits for the thread. REQUIRES: between Start() and Stop().
  std::string TableForSuccessor();
  // Waits until each name in the table was looked up, well or not, and the published table has what
  // was found; at most about `at_most`. REQUIRES: as above.
  void AwaitNames(absl::Duration at_most);
  // False: another process is this gateway: there is no stream to the controller, the snapshot is
  // left alone, the table stays in force.
  void SetActive(bool active);

  // The newest published table.
  std::shared_ptr<const RoutingTable> CurrentTable() const;
  ControlStatus status() const;
  // When the thread last came round; it does at least once a second.
  common::MonotonicTime last_turn() const {
    return common::MonotonicTime::FromMicros(last_turn_.load(std::memory_order_relaxed));
  }
  // Sums of the cells of `table`'s endpoints, under the lock that guards their reuse.
  void WithCells(const std::function<void(const EndpointCells&)>& read) const;

 private:
  struct BundleArrived {
    uint64_t stream;
    std::unique_ptr<v1::Bundle> bundle;
    common::MonotonicTime at;
  };
  struct StreamClosed {
    uint64_t stream;
    absl::Status status;
  };
  struct Adopted {
    uint64_t serial;
  };
  struct Resolved {
    std::string name;
    std::vector<common::Address> addresses;
  };
  struct StaticReplaced {
    v1::Config config;
  };
  struct TableWanted {
    std::promise<std::string> answer;
  };
  struct Activity {
    bool active;
  };
  using Event = std::variant<BundleArrived, StreamClosed, Adopted, Resolved, StaticReplaced,
                             TableWanted, Activity>;

  // A bundle whose Ack waits for the workers.
  struct PendingAck {
    uint64_t stream;
    uint64_t serial;  // 0: the table is not built yet.
    common::MonotonicTime arrived;
    v1::Ack ack;
  };
  struct PendingRetirement {
    uint64_t serial;
    std::vector<CellRef> cells;
  };

  void Post(Event event);
  void Run();
  std::deque<Event> WaitForEvents(absl::Duration at_most);
  void Handle(BundleArrived event);
  void Handle(const StreamClosed& event);
  void Handle(Adopted event);
  void Handle(Resolved event);
  void Handle(const StaticReplaced& event);
  void Handle(TableWanted event);
  void Handle(Activity event);
  absl::Status RestoreHanded(common::MonotonicTime now);
  void Tick(common::MonotonicTime now);
  void OpenStream(common::MonotonicTime now);
  v1::GatewayMessage Hello() const;
  v1::Ack AckFor(const BundleResult& result) const;
  void Upload(const v1::Bundle& bundle);
  void SendAck(PendingAck pending, common::MonotonicTime now);
  // Builds and publishes.
  void PublishBuilt();
  void Observe(common::MonotonicTime now);
  // Logs which endpoints workers avoid, and which no longer.
  void LogAvoided(common::MonotonicTime now);
  void RestoreSnapshot(common::MonotonicTime now);
  absl::Duration NextWait(common::MonotonicTime now) const;

  const common::Clock& clock_;
  EndpointCells& cells_;
  const ControlOptions options_;

  // Of the thread (and of Start before it).
  std::unique_ptr<TableState> state_;
  Observer observer_;
  ObserveSchedule observe_schedule_;
  AvoidanceWatch avoidance_watch_;
  common::MonotonicTime avoided_at_;  // The next look.
  common::Backoff backoff_;
  std::mt19937_64 random_;
  std::deque<PendingAck> pending_acks_;
  std::deque<PendingRetirement> pending_retirements_;
  uint64_t adopted_serial_ = 0;
  bool table_wanted_ = false;
  common::MonotonicTime built_at_;
  uint64_t stream_ = 0;  // 0: none.
  uint64_t static_revision_ = 0;
  bool bundle_seen_ = false;  // On this stream.
  bool snapshot_dirty_ = false;
  bool active_;
  common::MonotonicTime connect_at_;
  common::MonotonicTime sum_at_;
  common::MonotonicTime summed_at_;
  int idle_sums_ = 0;  // In a row.
  common::MonotonicTime snapshot_at_;
  common::MonotonicTime proven_at_ = common::MonotonicTime::Infinite();

  // Guards the reuse of slots against readers of other threads.
  mutable common::Mutex cells_mutex_;
  std::atomic<int64_t> last_turn_{0};
  mutable common::Mutex mutex_;
  common::CondVar wake_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const RoutingTable> current_ ABSL_GUARDED_BY(mutex_);
  ControlStatus status_ ABSL_GUARDED_BY(mutex_);
  common::MonotonicTime disconnected_at_ ABSL_GUARDED_BY(mutex_);

  // Declared last: their threads and callbacks end first.
  std::unique_ptr<SnapshotFile> snapshot_;
  std::unique_ptr<SnapshotWriter> snapshot_writer_;
  std::unique_ptr<NameResolver> resolver_;
  std::unique_ptr<Subscription> subscription_;
  std::thread thread_;
};

}  // namespace pointsman::gateway
