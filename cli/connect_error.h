#pragma once

// Why a controller was not reached, in words a person can act on: gRPC's own text names neither
// what was expected nor what to change. Thread-safe (no state).

#include "absl/status/status.h"
#include "cli/admin_client.h"

namespace pointsman::cli {

// `failure` is of the connection (no reason of the server's): Unavailable or DeadlineExceeded, kept
// as such with the address, gRPC's words and the next step.
absl::Status ExplainConnectFailure(const absl::Status& failure, const ConnectOptions& options);

}  // namespace pointsman::cli
