#pragma once

// What a server reports of itself to policies that listen to reports: a difference of two readings
// of its counters. Pure. Thread-safe.

#include "absl/time/time.h"
#include "sim/policy.h"
#include "sim/server.h"

namespace pointsman::sim {

// `concurrency`: the server's slots. CPU is the busy share of them, at most 1.
// REQUIRES: `to` was read `elapsed` > 0 after `from`.
LoadReport ReportOf(const ServerCounters& from, const ServerCounters& to, absl::Duration elapsed,
                    uint32_t concurrency);

}  // namespace pointsman::sim
