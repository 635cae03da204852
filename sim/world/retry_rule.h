#pragma once

// When a try ends and whether the request may be tried again: the rules of gateway/proxy/stream.cc
// (NextDeadline, OnTryFailed, OnTryTooSlow, TakeRetry) restated without sockets, for requests that
// are idempotent and have no body. What changes there must change here. Pure; thread-safe.

#include <cstdint>

#include "common/core/time.h"
#include "gateway/core/cells.h"
#include "gateway/core/routing_table.h"

namespace pointsman::sim {

enum class TryPhase : uint8_t { kConnecting, kAwaiting };

struct TryState {
  TryPhase phase = TryPhase::kConnecting;
  common::MonotonicTime request_started;
  common::MonotonicTime phase_started;
  common::MonotonicTime sent;  // kAwaiting.
  uint32_t retries = 0;        // Made so far.
  bool per_try_waived = false;
};

enum class TryEnd : uint8_t {
  kConnectTimeout,
  kFirstByteTimeout,
  kTooSlow,         // The per-try time: another endpoint, if there is one.
  kRequestTimeout,  // Of the request as a whole.
};

struct TryDeadline {
  common::MonotonicTime at;
  TryEnd why = TryEnd::kRequestTimeout;
};

TryDeadline NextDeadline(const TryState& state, const gateway::ServicePolicy& policy);

// What the gateway's fast and slow loop are told of a try that ended so.
gateway::TryOutcome OutcomeOf(TryEnd end);

// A retry is left by number; the budget is asked after this.
bool RetryLeft(const TryState& state, const gateway::ServicePolicy& policy);

}  // namespace pointsman::sim
