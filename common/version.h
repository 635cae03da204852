#pragma once

// Which Pointsman this is. Thread-safe.

#include "absl/strings/string_view.h"

namespace pointsman::common {

// "0.1.0+973899f1c2ab": the version and the commit it was built from, "-dirty" behind it when the
// tree had changes. "0.1.0+unknown": built outside of git, or not one of the four programs
// (cmake/PmCommit.cmake).
absl::string_view Version();

}  // namespace pointsman::common
