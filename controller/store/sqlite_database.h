#pragma once

// One SQLite connection and its statements, with errors as absl::Status. Thread-compatible: one
// thread at a time. A Statement must not outlive its Database, and of one text only one may be in
// use at a time.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace pointsman::controller {

// Reset and ready for its next use when destroyed.
class Statement {
 public:
  Statement(sqlite3* connection, sqlite3_stmt* statement)
      : connection_(connection), statement_(statement) {}
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;

  // Parameters from 1. Bytes are copied.
  Statement& BindText(int index, absl::string_view value);
  Statement& BindBlob(int index, absl::string_view value);
  Statement& BindInteger(int index, int64_t value);
  // True: a row is there. Errors: as Database::Execute.
  absl::StatusOr<bool> Step();
  // Steps until no row is left.
  absl::Status Run();

  // Columns of the current row, from 0; valid until the next Step.
  absl::string_view Bytes(int column) const;
  int64_t Integer(int column) const;

 private:
  sqlite3* connection_;
  sqlite3_stmt* statement_;
  int bind_error_ = 0;
};

class Database {
 public:
  // Opens or makes the file. `vfs` empty: SQLite's default. Errors: as Execute.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const std::string& vfs);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Statements without results, separated by semicolons. Unavailable: an I/O error, a full disk, a
  // read-only file, a lock held too long. DataLoss: the file is damaged or no database.
  // Internal: our SQL is wrong.
  absl::Status Execute(const char* sql);
  // Compiled once and kept. `sql` must be a literal. Errors: as Execute.
  absl::StatusOr<Statement> Prepare(const char* sql);
  // The first column of the first row; 0 when there is none. Errors: as Execute.
  absl::StatusOr<int64_t> QueryInteger(const char* sql);
  // Of the statement before.
  int64_t changes() const;

 private:
  explicit Database(sqlite3* connection) : connection_(connection) {}

  sqlite3* connection_;
  std::map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace pointsman::controller
