#include "controller/store/sqlite_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "controller/store/fault_vfs.h"
#include "controller/store/sqlite_engine.h"
#include "controller/store/sqlite_local.h"
#include "controller/store/sqlite_schema.h"
#include "controller/store/sqlite_shared.h"

namespace pointsman::controller {
namespace {

// Held by one process at a time; let go when it ends, however it ends.
class FolderLock {
 public:
  FolderLock() = default;
  ~FolderLock() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  absl::Status Take(const std::string& folder) {
    const std::string path = absl::StrCat(folder, "/pointsman.lock");
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) {
      return absl::PermissionDeniedError(absl::StrCat(path, ": ", std::strerror(errno)));
    }
    if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("another controller runs on ", folder,
                     " (it holds pointsman.lock); stop it, or give another --data-dir"));
  }

 private:
  int descriptor_ = -1;
};

// Adds what to do next.
absl::Status Explain(const absl::Status& status, const std::string& path) {
  const std::string where = absl::StrCat("store ", path, ": ", status.message());
  if (absl::IsDataLoss(status)) {
    return absl::DataLossError(
        absl::StrCat(where,
                     ". The file is not usable: restore a backup of it, or move it away with its "
                     "-wal and -shm files to start with an empty store (gateways keep their "
                     "tables; apply the configuration again)"));
  }
  if (absl::IsUnavailable(status)) {
    return absl::UnavailableError(
        absl::StrCat(where, ". Check free space and permissions of the folder"));
  }
  return absl::Status(status.code(), where);
}

class SqliteStoreFile final : public SqliteStore {
 public:
  SqliteStoreFile(std::unique_ptr<FolderLock> lock, std::unique_ptr<SqliteShared> shared,
                  bool created)
      : lock_(std::move(lock)), shared_(std::move(shared)), created_(created) {}

  void Begin(std::unique_ptr<Database> writer, std::unique_ptr<Database> reader) {
    engine_ = std::make_unique<SqliteEngine>(std::move(writer), std::move(reader));
    shared_->Attach(engine_.get());
    local_.Attach(engine_.get());
  }

  SharedStore& shared() override { return *shared_; }
  LocalStore& local() override { return local_; }
  StoreHealth Health() const override { return engine_->Health(); }
  bool created() const override { return created_; }

 private:
  const std::unique_ptr<FolderLock> lock_;
  const std::unique_ptr<SqliteShared> shared_;
  SqliteLocal local_;
  const bool created_;
  // Last, so that its threads end before what they use.
  std::unique_ptr<SqliteEngine> engine_;
};

absl::StatusOr<std::unique_ptr<SqliteStore>> OpenFile(const std::string& path,
                                                      const std::string& vfs,
                                                      std::unique_ptr<FolderLock> lock) {
  PM_ASSIGN_OR_RETURN(std::unique_ptr<Database> writer, Database::Open(path, vfs));
  PM_ASSIGN_OR_RETURN(const bool created, PrepareSchema(*writer));
  PM_ASSIGN_OR_RETURN(const int64_t revision,
                      writer->QueryInteger("SELECT value FROM meta WHERE key = 'revision'"));
  std::string store_id;
  {
    PM_ASSIGN_OR_RETURN(Statement select,
                        writer->Prepare("SELECT value FROM meta WHERE key = 'store_id'"));
    PM_RETURN_IF_ERROR(select.Step().status());
    store_id = std::string(select.Bytes(0));
  }
  PM_ASSIGN_OR_RETURN(std::unique_ptr<Database> reader, Database::Open(path, vfs));
  PM_RETURN_IF_ERROR(reader->Execute("PRAGMA query_only = ON"));
  auto store = std::make_unique<SqliteStoreFile>(
      std::move(lock),
      std::make_unique<SqliteShared>(std::move(store_id), static_cast<uint64_t>(revision)),
      created);
  store->Begin(std::move(writer), std::move(reader));
  return std::unique_ptr<SqliteStore>(std::move(store));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> OpenSqliteStore(const SqliteStoreOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) {
    return absl::PermissionDeniedError(
        absl::StrCat("--data-dir ", options.folder, ": ", error.message()));
  }
  auto lock = std::make_unique<FolderLock>();
  PM_RETURN_IF_ERROR(lock->Take(options.folder));
  const std::string vfs =
      options.fault_file.empty() ? std::string() : RegisterFaultVfs(options.fault_file);
  const std::string path = absl::StrCat(options.folder, "/pointsman.db");
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = OpenFile(path, vfs, std::move(lock));
  if (!store.ok()) return Explain(store.status(), path);
  return store;
}

}  // namespace pointsman::controller
