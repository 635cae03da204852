#pragma once

// The store's errors as the admin API tells them: two stable reasons, whatever went wrong within.
// Thread-safe (no state).

#include "absl/status/status.h"

namespace pointsman::controller {

// DataLoss "STORE_DAMAGED" of DataLoss; of every other error Unavailable "STORE_UNAVAILABLE".
// REQUIRES: !status.ok().
absl::Status WithStoreReason(const absl::Status& status);

}  // namespace pointsman::controller
