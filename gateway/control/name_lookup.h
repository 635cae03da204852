#pragma once

// Addresses of host names by c-ares, 64 at once: one that is slow holds up none of the others.
// Asks what /etc/resolv.conf and /etc/hosts say at the time. Thread-compatible.

#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/core/address.h"

namespace pointsman::gateway {

struct NameLookupOptions {
  // "127.0.0.1:5353,[::1]:53"; empty: those of /etc/resolv.conf.
  std::string servers;
  // For a server's answer; asked `tries` times, twice as long each time.
  absl::Duration timeout = absl::Seconds(1);
  int tries = 2;
};

// NotFound: the name does not exist, or has no address; Unavailable: it cannot be known now. IPv4
// and IPv6 without port, ascending (so IPv4 first, whichever is used), each once. A family whose
// question was lost is missing as one that does not exist is.
using LookupResult = absl::StatusOr<std::vector<common::Address>>;

// Calls `done` for each name, in the order in which the answers come, and returns when it was
// called for all; or soon after `stop()` is true, without the rest. Blocks.
void LookUpAll(const NameLookupOptions& options, const std::vector<std::string>& names,
               absl::FunctionRef<void(const std::string& name, LookupResult result)> done,
               absl::FunctionRef<bool()> stop);

}  // namespace pointsman::gateway
