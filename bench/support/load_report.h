#pragma once

// What a load run counted, as text for people and as one line of JSON for scripts.
// Thread-compatible.

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bench/support/latency_recorder.h"
#include "common/core/time.h"

namespace pointsman::bench {

// Why a request failed.
enum class Failure {
  kConnect,   // No connection: refused or unreachable.
  kReset,     // The connection ended before the response did.
  kTimeout,   // No whole response in time.
  kStatus,    // A response of 400 or above.
  kProtocol,  // Bytes that are not HTTP/1.1.
};
inline constexpr size_t kFailureKinds = 5;
// "connect", "reset" ...
absl::string_view FailureName(Failure failure);

// One value of X-Backend; "" is a response without one.
struct BackendCount {
  uint64_t ok = 0;
  uint64_t failed = 0;
  LatencyRecorder latency;
  // Of its last response.
  common::MonotonicTime last;
};

struct LoadReport {
  uint64_t sent = 0;
  uint64_t ok = 0;
  std::array<uint64_t, kFailureKinds> failures{};
  // Requests sent once more on a new connection because a kept one had been closed before any
  // byte of the response came. Not failures: HTTP/1.1 lets a peer close an idle connection.
  uint64_t resent = 0;
  // Connections opened.
  uint64_t connections = 0;
  std::map<int, uint64_t> statuses;
  std::map<std::string, BackendCount> backends;
  // From the intended start of a request to its last response byte.
  LatencyRecorder latency;
  // Time of the first and the last failure; zero: none.
  common::MonotonicTime first_failure;
  common::MonotonicTime last_failure;

  uint64_t failed() const;
};

// One line without its end: {"kind":KIND,"now":...,"seconds":...,"sent":...,...}. Latencies in
// milliseconds, `now` and the backends' `last` in seconds of the steady clock.
std::string ReportJson(const LoadReport& report, absl::string_view kind, absl::Duration elapsed,
                       common::MonotonicTime now);

// A few lines, ending in a newline.
std::string ReportText(const LoadReport& report, absl::Duration elapsed);

}  // namespace pointsman::bench
