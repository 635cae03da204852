#pragma once

// Runs checks and fetches service metrics: all transfers of the agent in one libcurl multi handle,
// driven by the thread that calls Poll(). Each check opens a connection of its own, so that it
// also sees whether the service still accepts; metrics reuse theirs. Names are resolved on threads
// of libcurl, started only for names. Nothing follows redirects, proxies or the environment.
//
// A new kind of check (gRPC, exec, push) becomes one more case of StartProbe().
// Every started transfer ends in exactly one result, at the latest with its timeout.
//
// All but Wakeup() (any thread) belong to one thread. Owns its sockets; the destructor drops what
// is under way without results.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/core/agent_core.h"
#include "common/clock.h"

namespace pointsman::agent {

struct FetchResult {
  uint64_t token = 0;
  absl::StatusOr<std::string> body;  // At most kBodyBytesMax. Unavailable, ResourceExhausted.
};

struct ProberResults {
  std::vector<ProbeDoneInput> probes;
  std::vector<FetchResult> fetches;
};

class Prober {
 public:
  // Internal: libcurl does not start. `clock` must outlive the prober.
  static absl::StatusOr<std::unique_ptr<Prober>> Create(const common::Clock& clock);
  virtual ~Prober() = default;

  virtual void StartProbe(const ProbeEffect& probe) = 0;
  virtual void StartFetch(const MetricsEffect& fetch) = 0;

  // Waits until a transfer ends, `extra_fd` (-1: none) is readable, Wakeup() was called or
  // `timeout` passed; returns what ended meanwhile. Rounded up to milliseconds.
  virtual ProberResults Poll(absl::Duration timeout, int extra_fd) = 0;

  // Makes a Poll() under way, or else the next one, return. Thread-safe.
  virtual void Wakeup() = 0;

  // Transfers under way.
  virtual size_t active() const = 0;
};

}  // namespace pointsman::agent
