#include "controller/store/sqlite_schema.h"

#include <string>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/core/status_macros.h"
#include "controller/store/sqlite_database.h"

namespace pointsman::controller {
namespace {

// Step N leads from version N to N + 1. Never edited once released: append.
constexpr const char* kMigrations[] = {
    // 1: what is shared: keys and values under one revision counter.
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE kv (key BLOB PRIMARY KEY, value BLOB NOT NULL, mod_revision INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('revision', 0);"
    "INSERT INTO meta VALUES ('store_id', '');",
    // 2: what is local: events, decisions, snapshots.
    "CREATE TABLE events (sequence INTEGER PRIMARY KEY, type TEXT NOT NULL, subject TEXT NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE TABLE decisions (id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL,"
    " time_us INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE INDEX decisions_by_endpoint ON decisions (endpoint, id);"
    "CREATE TABLE snapshots (name TEXT PRIMARY KEY, data BLOB NOT NULL);"
    "INSERT INTO meta VALUES ('last_event', 0);"
    "INSERT INTO meta VALUES ('probe', 0);",
};
static_assert(std::size(kMigrations) == kSchemaVersion);

absl::Status CheckIntegrity(Database& database) {
  PM_ASSIGN_OR_RETURN(Statement check, database.Prepare("PRAGMA quick_check(1)"));
  PM_ASSIGN_OR_RETURN(const bool row, check.Step());
  if (row && check.Bytes(0) == "ok") return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("integrity check: ", row ? check.Bytes(0) : absl::string_view("no answer")));
}

absl::Status Migrate(Database& database, int64_t version) {
  const std::string commit = absl::StrFormat(
      "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT;", version + 1, kApplicationId);
  PM_RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  absl::Status status = database.Execute(kMigrations[version]);
  if (status.ok()) status = database.Execute(commit.c_str());
  if (!status.ok()) database.Execute("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace

absl::Status ConfigureConnection(Database& database) {
  // 64 MiB: the log is cut back to this after a checkpoint.
  return database.Execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
      "PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF;");
}

absl::StatusOr<bool> PrepareSchema(Database& database) {
  PM_ASSIGN_OR_RETURN(const int64_t tables,
                      database.QueryInteger("SELECT count(*) FROM sqlite_schema"));
  PM_ASSIGN_OR_RETURN(const int64_t application, database.QueryInteger("PRAGMA application_id"));
  PM_ASSIGN_OR_RETURN(int64_t version, database.QueryInteger("PRAGMA user_version"));
  if (tables > 0 && application != kApplicationId) {
    return absl::DataLossError("a database, but not one of Pointsman");
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat("written by a newer version (schema ",
                                                      version, ", this one knows up to ",
                                                      kSchemaVersion, "); run that version"));
  }
  if (version < 0) return absl::DataLossError(absl::StrCat("schema version ", version));
  PM_RETURN_IF_ERROR(CheckIntegrity(database));
  PM_RETURN_IF_ERROR(ConfigureConnection(database));
  for (; version < kSchemaVersion; ++version) PM_RETURN_IF_ERROR(Migrate(database, version));
  PM_ASSIGN_OR_RETURN(
      const int64_t unnamed,
      database.QueryInteger("SELECT count(*) FROM meta WHERE key = 'store_id' AND value = ''"));
  if (unnamed == 0) return false;
  PM_ASSIGN_OR_RETURN(Statement name,
                      database.Prepare("UPDATE meta SET value = ? WHERE key = 'store_id'"));
  PM_RETURN_IF_ERROR(name.BindText(1, NewStoreId()).Run());
  return true;
}

std::string NewStoreId() {
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

}  // namespace pointsman::controller
