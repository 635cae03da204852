#pragma once

// What the program's exit code means: stable, for scripts. Thread-safe (no state).

#include <string>

#include "absl/status/status.h"

namespace pointsman::cli {

enum class ExitCode {
  kOk = 0,
  kDifferences = 1,
  kInvalid = 2,
  kNotFound = 3,
  kRefused = 4,
  kUnavailable = 5,
  kDenied = 6,
  kLimit = 7,
  kInternal = 8,
};

// The code a failed call ends with. REQUIRES: not OK.
ExitCode ExitCodeOf(const absl::Status& status);

// The table that `pointsman help exit-codes` prints.
std::string ExitCodeTable();

}  // namespace pointsman::cli
