#include "controller/store/sqlite_engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "common/log.h"
#include "common/thread_name.h"

namespace pointsman::controller {
namespace {

constexpr absl::Duration kProbeInterval = absl::Seconds(1);

}  // namespace

SqliteEngine::SqliteEngine(std::unique_ptr<Database> writer, std::unique_ptr<Database> reader)
    : writer_(std::move(writer)), reader_(std::move(reader)) {
  write_thread_ =
      common::NamedThread("pm-store-write", [this] { RunQueue(writes_, *writer_, true); });
  read_thread_ =
      common::NamedThread("pm-store-read", [this] { RunQueue(reads_, *reader_, false); });
}

SqliteEngine::~SqliteEngine() {
  for (Queue* queue : {&writes_, &reads_}) {
    common::MutexLock lock(queue->mutex);
    queue->stopping = true;
    queue->wake.NotifyAll();
  }
  write_thread_.join();
  read_thread_.join();
}

absl::Status SqliteEngine::Submit(Queue& queue, Job job) {
  common::MutexLock lock(queue.mutex);
  if (queue.stopping) return absl::CancelledError("the store is closing");
  if (queue.jobs.size() >= kStoreJobsMax) {
    common::MutexLock health_lock(health_mutex_);
    ++health_.refused;
    return absl::ResourceExhaustedError(
        absl::StrCat("the store's queue is full (", kStoreJobsMax, " jobs)"));
  }
  queue.jobs.push_back(std::move(job));
  queue.wake.NotifyOne();
  return absl::OkStatus();
}

void SqliteEngine::Write(Durability durability, Body body, const Done& done) {
  const absl::Status admitted = Submit(writes_, [this, durability, body = std::move(body), done](
                                                    absl::Status run, Database& database) {
    if (run.ok()) run = RunTransaction(durability, body, database);
    done(std::move(run));
  });
  if (!admitted.ok()) done(admitted);
}

void SqliteEngine::Read(Body body, const Done& done) {
  const absl::Status admitted =
      Submit(reads_, [body = std::move(body), done](absl::Status run, Database& database) {
        if (run.ok()) run = database.Execute("BEGIN");
        if (run.ok()) {
          run = body(database);
          database.Execute("COMMIT").IgnoreError();
        }
        done(std::move(run));
      });
  if (!admitted.ok()) done(admitted);
}

void SqliteEngine::Post(std::function<void()> work) {
  Submit(writes_, [work = std::move(work)](const absl::Status& run, Database&) {
    if (run.ok()) work();
  }).IgnoreError();
}

void SqliteEngine::RunQueue(Queue& queue, Database& database, bool probes) {
  while (true) {
    Job job;
    absl::Status run;
    {
      common::MutexLock lock(queue.mutex);
      if (queue.jobs.empty() && !queue.stopping) queue.wake.WaitFor(queue.mutex, kProbeInterval);
      if (!queue.jobs.empty()) {
        job = std::move(queue.jobs.front());
        queue.jobs.pop_front();
      }
      if (queue.stopping) {
        if (!job) return;
        run = absl::CancelledError("the store is closing");
      }
    }
    if (job) {
      job(run, database);
    } else if (probes) {
      ProbeWhenFailing(database);
    }
  }
}

void SqliteEngine::ProbeWhenFailing(Database& database) {
  if (Health().writable) return;
  RunTransaction(
      Durability::kFlushed,
      [](Database& db) {
        return db.Execute("UPDATE meta SET value = value + 1 WHERE key = 'probe'");
      },
      database)
      .IgnoreError();
}

absl::Status SqliteEngine::RunTransaction(Durability durability, const Body& body,
                                          Database& database) {
  absl::Status status;
  if (durability != durability_) {
    status = database.Execute(durability == Durability::kFlushed ? "PRAGMA synchronous = FULL"
                                                                 : "PRAGMA synchronous = NORMAL");
    if (status.ok()) durability_ = durability;
  }
  if (status.ok()) status = database.Execute("BEGIN IMMEDIATE");
  if (status.ok()) {
    status = body(database);
    if (status.ok()) status = database.Execute("COMMIT");
    if (!status.ok()) database.Execute("ROLLBACK").IgnoreError();
  }
  RecordWrite(status);
  return status;
}

void SqliteEngine::RecordWrite(const absl::Status& status) {
  common::MutexLock lock(health_mutex_);
  ++health_.writes;
  if (health_.writable && !status.ok()) {
    common::LogError("store.write_failed", {{"cause", status.message()}});
  } else if (!health_.writable && status.ok()) {
    common::LogInfo("store.writable_again", {{"failures", health_.write_failures}});
  }
  health_.writable = status.ok();
  health_.error = std::string(status.message());
  if (!status.ok()) ++health_.write_failures;
}

StoreHealth SqliteEngine::Health() const {
  StoreHealth health;
  {
    common::MutexLock lock(health_mutex_);
    health = health_;
  }
  common::MutexLock lock(writes_.mutex);
  health.queued = writes_.jobs.size();
  return health;
}

}  // namespace pointsman::controller
