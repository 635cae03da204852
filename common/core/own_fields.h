#pragma once

// Header fields that are the gateway's own to write: those that frame or route a message, belong to
// one connection, or tell of it. Thread-safe (no state).

#include "absl/strings/string_view.h"

namespace pointsman::common {

// In any case; '_' counts as '-', as some servers read it.
bool IsOwnField(absl::string_view name);

}  // namespace pointsman::common
