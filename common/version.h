#pragma once

// Which Pointsman this is. Thread-safe.

#include "absl/strings/string_view.h"

namespace pointsman::common {

// "0.1.0", or "0.1.0+COMMIT" when the build defines PM_COMMIT.
absl::string_view Version();

}  // namespace pointsman::common
