#pragma once

// What a person does about an error: the text of its `next:` line. Where the error is made knows it
// best and says so with WithNext; the server's reasons and the bare codes have one each, so that no
// error is without. Thread-safe (no state).

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pointsman::cli {

// `status` with its next step, replacing one it may have. An OK status is returned as it is.
absl::Status WithNext(absl::Status status, absl::string_view next);

// Never empty. REQUIRES: not OK.
std::string NextStepOf(const absl::Status& status);

}  // namespace pointsman::cli
