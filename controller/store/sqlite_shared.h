#pragma once

// SharedStore on the SQLite engine. Watches are served from a bounded ring of this process's own
// transactions: older ones are compacted. Thread-safe. Must be destroyed after the engine's
// threads ended, and after every WatchHandle.

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/mutex.h"
#include "controller/store/shared_store.h"
#include "controller/store/sqlite_engine.h"

namespace pointsman::controller {

// Events kept for watches.
inline constexpr size_t kWatchEventsKept = 10'000;
inline constexpr size_t kWatchersMax = 1'000;

class SqliteShared final : public SharedStore {
 public:
  // `revision`: the store's at opening. `engine` is used, not owned.
  SqliteShared(std::string store_id, uint64_t revision)
      : store_id_(std::move(store_id)), floor_(revision), newest_(revision) {}
  // Before the first call.
  void Attach(SqliteEngine* engine) { engine_ = engine; }

  std::string store_id() const override { return store_id_; }
  void List(ListOptions options, Callback<ListResult> done) override;
  void Get(std::vector<std::string> keys, Callback<ListResult> done) override;
  void Txn(TxnRequest request, Callback<TxnResult> done) override;
  std::unique_ptr<WatchHandle> Watch(std::string prefix, uint64_t from,
                                     std::function<void(const WatchBatch&)> done) override;
  void ClaimScope(ClaimRequest request, Callback<Claim> done) override;
  void Renew(Claim claim, Callback<Claim> done) override;

 private:
  class Watcher;
  class Handle;

  // On the writing thread: keeps the events and hands them to the watchers.
  void Publish(std::vector<StoreEvent> events, uint64_t revision);
  void Pump();
  WatchBatch BatchFor(const Watcher& watcher);

  const std::string store_id_;
  SqliteEngine* engine_ = nullptr;
  common::Mutex mutex_;
  // Events up to this revision are gone.
  uint64_t floor_ ABSL_GUARDED_BY(mutex_);
  uint64_t newest_ ABSL_GUARDED_BY(mutex_);
  std::deque<StoreEvent> ring_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pointsman::controller
