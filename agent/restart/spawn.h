#pragma once

// Starts a program in a session of its own. See restart_runner.h for why. Thread-safe.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pointsman::agent {

struct SpawnOptions {
  std::vector<std::string> argv;  // argv[0] is a path; not empty.
  std::string output;             // Standard output and error; empty: /dev/null.
  bool truncate_output = false;   // Else it is appended to.
  std::string directory = "/";
  // True: a child of init, so that nobody here needs to wait for it. False: a child of ours.
  bool detached = false;
};

// The new process's pid, once it runs the program. NotFound, PermissionDenied, Unavailable: it
// could not be started; says at which step and why.
absl::StatusOr<int64_t> Spawn(const SpawnOptions& options);

}  // namespace pointsman::agent
