#pragma once

// The names of protocols that a route may let requests change to. Thread-safe (no state).

#include "absl/strings/string_view.h"

namespace pointsman::common {

// What is wrong with `name` as an entry of a route's `upgrades`: it must be a token with, perhaps,
// "/" and a version (RFC 9110 7.8), at most 64 bytes, and none of the protocols that would change
// what the gateway itself speaks (HTTP, h2c, TLS). Any case. "": nothing. Static storage.
absl::string_view UpgradeNameError(absl::string_view name);

}  // namespace pointsman::common
