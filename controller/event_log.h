#pragma once

// What happened, and who caused it: a bounded ring in memory for quick reading, written in batches
// to the local store. Recording never waits and never fails: when the store does not keep up, the
// oldest events not written yet are dropped and counted.
//
// Thread-safe. Owns one thread; the destructor writes what waits (at most a second).

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "controller/store/local_store.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {

// What the caller knows; sequence and time are added.
struct EventDraft {
  // Stable: see docs/events.md.
  std::string type;
  // "services/web/endpoints/web-1".
  std::string subject;
  // "operator:alice", "agent:host-7", "controller".
  std::string actor;
  // One sentence.
  std::string summary;
  // At most 32; the rest is left out.
  std::vector<std::pair<std::string, std::string>> details;
};

struct EventLogCounters {
  uint64_t recorded = 0;
  uint64_t written = 0;
  // Not written: the queue was full. Still seen in memory for a while.
  uint64_t dropped = 0;
  uint64_t waiting = 0;
};

class EventLog {
 public:
  // `store` null: memory only. Both must outlive the log.
  struct Options {
    LocalStore* store = nullptr;
    const common::Clock* clock = nullptr;
    // Kept in memory for reading, and waiting to be written, at most.
    size_t ring_max = 10'000;
    size_t waiting_max = 10'000;
    // Events of one write.
    size_t batch_max = 500;
    // Pause after a failed write.
    absl::Duration retry = absl::Seconds(1);
  };

  // Continues the store's sequence; asks the store and waits for it.
  explicit EventLog(const Options& options);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Returns the sequence given. O(1), no I/O.
  uint64_t Record(EventDraft draft);
  // Newest first: what waits in memory first, then the store. The callback may run on this thread
  // or the store's. Errors: as LocalStore, only for the part that memory does not hold.
  void List(const EventQuery& query,
            std::function<void(absl::StatusOr<std::vector<v1::Event>>)> done) const;
  EventLogCounters counters() const;

 private:
  void Run();
  // Writes one batch and waits for the answer; false: it failed.
  bool WriteBatch(const std::vector<v1::Event>& batch, absl::Duration timeout);

  const Options options_;
  mutable common::Mutex mutex_;
  common::CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_sequence_ ABSL_GUARDED_BY(mutex_) = 1;
  // Both ascending by sequence.
  std::deque<v1::Event> ring_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::Event> waiting_ ABSL_GUARDED_BY(mutex_);
  EventLogCounters counters_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace pointsman::controller
