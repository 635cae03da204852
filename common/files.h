#pragma once

// Files as shells need them: read with a bound, replaced atomically, and the ready-file that tells
// scripts and tests where a program listens. Thread-safe (no state); two writers of one path race,
// the last rename wins whole.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pointsman::common {

// The whole file; "-" is standard input. NotFound; PermissionDenied; InvalidArgument (a folder);
// ResourceExhausted (more than `bytes_max`); Unavailable (a read failed).
absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t bytes_max);

struct WriteFileOptions {
  // Permission bits of a new file.
  int mode = 0644;
  // False: not forced to disk (a crash of the host may lose it, never tear it).
  bool sync = true;
};

// Writes a temporary file beside `path`, forces it to disk, renames it and forces the folder.
// Readers see the old content or the new, never a part. NotFound (the folder), PermissionDenied,
// ResourceExhausted (no space), Unavailable (any other failure); the temporary file is removed.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content,
                                 const WriteFileOptions& options = {});

// Makes the folder and its parents. As above.
absl::Status MakeFolders(const std::string& path);

// Where a program listens, for scripts. Empty fields are left out.
struct ReadyFile {
  // {"grpc": "127.0.0.1:7400"}.
  std::string grpc;
  // {"admin": "127.0.0.1:7401"}.
  std::string admin;
  // {"listen": "127.0.0.1:8080"}.
  std::string listen;
  // {"listen": ["127.0.0.1:8080"]}; at most one of `listen` and `listeners` is set.
  std::vector<std::string> listeners;
};

// One JSON object and a newline, with "pid" added.
std::string FormatReadyFile(const ReadyFile& ready);
// Written atomically, not forced to disk; an empty path does nothing.
absl::Status WriteReadyFile(const std::string& path, const ReadyFile& ready);

}  // namespace pointsman::common
