#pragma once

// The two threads behind the SQLite store: one writes, one reads, each with its own connection and
// bounded queue. Thread-safe. Owns threads and connections; destroying it finishes the jobs at
// hand and answers the waiting ones with Cancelled.

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "controller/store/sqlite_database.h"
#include "controller/store/sqlite_store.h"

namespace pointsman::controller {

// Jobs waiting at most, each queue; more are refused with ResourceExhausted.
inline constexpr size_t kStoreJobsMax = 1024;

class SqliteEngine {
 public:
  // Works on the connection. A failed status takes the transaction back and counts as a failure of
  // the store: answers that are no failure ("compare does not hold") travel another way.
  using Body = std::function<absl::Status(Database&)>;
  using Done = std::function<void(absl::Status)>;

  enum class Durability {
    kFlushed,  // On disk when done: synchronous FULL.
    kLazy,     // A crash of the host may lose it, never tear it: synchronous NORMAL.
  };

  SqliteEngine(std::unique_ptr<Database> writer, std::unique_ptr<Database> reader);
  ~SqliteEngine();
  SqliteEngine(const SqliteEngine&) = delete;
  SqliteEngine& operator=(const SqliteEngine&) = delete;

  // Runs the body in a transaction on the writing thread, then `done` there.
  void Write(Durability durability, Body body, const Done& done);
  // Runs the body in a read transaction (one moment's state) on the reading thread, then `done`.
  void Read(Body body, const Done& done);
  // Runs on the writing thread between transactions; dropped when the queue is full.
  void Post(std::function<void()> work);

  StoreHealth Health() const;

 private:
  // Called with OK to run, or with why it will not.
  using Job = std::function<void(absl::Status, Database&)>;
  struct Queue {
    common::Mutex mutex;
    common::CondVar wake;
    bool stopping ABSL_GUARDED_BY(mutex) = false;
    std::deque<Job> jobs ABSL_GUARDED_BY(mutex);
  };

  // ResourceExhausted: full. Cancelled: stopping.
  absl::Status Submit(Queue& queue, Job job);
  void RunQueue(Queue& queue, Database& database, bool probes);
  // A small write, to notice that the disk takes writes again.
  void ProbeWhenFailing(Database& database);
  absl::Status RunTransaction(Durability durability, const Body& body, Database& database);
  void RecordWrite(const absl::Status& status);

  const std::unique_ptr<Database> writer_;
  const std::unique_ptr<Database> reader_;
  mutable Queue writes_;
  Queue reads_;
  // The writing thread's own: what the connection is set to.
  Durability durability_ = Durability::kFlushed;
  mutable common::Mutex health_mutex_;
  StoreHealth health_ ABSL_GUARDED_BY(health_mutex_);
  std::thread write_thread_;
  std::thread read_thread_;
};

}  // namespace pointsman::controller
