#pragma once

// Both stores in one SQLite file, DIR/pointsman.db, for a controller alone: no set-up, durable
// (write-ahead log; configuration and epochs with synchronous FULL). One thread writes, one reads,
// each with its own connection and bounded queue, so that a disk that fails or hangs stops neither
// reads nor the report path. Write failures are reported to the caller and in Health(); the store
// tries a small write each second until the disk takes one again.
//
// Thread-safe. Owns its threads; destroying it finishes the job at hand and answers the waiting
// ones with Cancelled.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controller/store/local_store.h"
#include "controller/store/shared_store.h"

namespace pointsman::controller {

struct SqliteStoreOptions {
  // Folder of pointsman.db; made when missing.
  std::string folder;
  // Test door (--store-fault-file): while a file of this name exists, every write of the store
  // fails with SQLITE_IOERR. Empty: off.
  std::string fault_file;
};

struct StoreHealth {
  // False: the last write failed; `error` says how.
  bool writable = true;
  std::string error;
  // Since the start.
  uint64_t writes = 0;
  uint64_t write_failures = 0;
  // Jobs refused because a queue was full.
  uint64_t refused = 0;
  uint64_t queued = 0;
};

class SqliteStore {
 public:
  virtual ~SqliteStore() = default;

  virtual SharedStore& shared() = 0;
  virtual LocalStore& local() = 0;
  virtual StoreHealth Health() const = 0;
  // True: this start made the file; its identity is new.
  virtual bool created() const = 0;
};

// Opens or makes the file, checks it, brings an older one up to date. Blocks (milliseconds; the
// check reads the whole file). Errors, each with what to do next:
// FailedPrecondition: another process has it open, or a newer version wrote it.
// DataLoss: it is damaged, or no database of ours.
// PermissionDenied, Unavailable: the folder cannot be made, the file cannot be opened or written.
absl::StatusOr<std::unique_ptr<SqliteStore>> OpenSqliteStore(const SqliteStoreOptions& options);

}  // namespace pointsman::controller
