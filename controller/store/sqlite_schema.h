#pragma once

// The tables of pointsman.db and how an older file becomes a newer one. Thread-safe (no state).

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pointsman::controller {

class Database;

// Marks a file as ours: "PMdb".
inline constexpr int64_t kApplicationId = 0x504d6462;
// PRAGMA user_version of a file that is up to date.
inline constexpr int64_t kSchemaVersion = 2;

// Checks the file, sets the connection up, and brings the tables up to date, each step in a
// transaction of its own. True: the file was empty and is new. DataLoss: damaged, or not ours;
// FailedPrecondition: of a newer version; else as Database::Execute.
absl::StatusOr<bool> PrepareSchema(Database& database);

// Settings of every connection. Errors: as Database::Execute.
absl::Status ConfigureConnection(Database& database);

// A new random store identity: 32 hexadecimal digits.
std::string NewStoreId();

}  // namespace pointsman::controller
