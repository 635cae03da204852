#pragma once

// Invariants. PM_CHECK is on in every build: a broken invariant ends the process with the place
// and the reason on standard error. Never used on input from network, disk or configuration.
// Thread-safe.

#include <cstdio>
#include <cstdlib>

namespace pointsman::common {

// Prints "FILE:LINE: check failed: CONDITION" and aborts.
[[noreturn]] inline void CheckFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace pointsman::common

#define PM_CHECK(condition)           \
  (__builtin_expect(!!(condition), 1) \
       ? static_cast<void>(0)         \
       : ::pointsman::common::CheckFailed(__FILE__, __LINE__, #condition))
