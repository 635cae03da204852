#pragma once

// How many descriptors this process may have open: every connection is one. Thread-safe; what it
// changes is the whole process's.

#include <cstdint>

#include "absl/status/statusor.h"
#include "gateway/proxy/options.h"

namespace pointsman::gateway {

// Raises the soft limit of open files to the hard one, and returns it. The soft one is low (1,024)
// for programs that use select(), which nothing here does. Internal: the kernel refused.
absl::StatusOr<uint64_t> RaiseDescriptorLimit();

// What a process at its limit of connections has open: each client's, one with an endpoint for
// each, and the process's own files.
uint64_t DescriptorsNeeded(const ProxyLimits& limits);

// Says in the log when this process may not have that many. True: it was said.
bool WarnOfFewDescriptors(const ProxyLimits& limits);

}  // namespace pointsman::gateway
