#pragma once

// Drain and Undrain as changes of the configuration: an override "SERVICE.ENDPOINT" that comes and
// goes. Pure; thread-safe (no state).

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/core/names.h"
#include "pointsman/v1/config.pb.h"

namespace pointsman::controller {

// "overrides/SERVICE.ENDPOINT".
std::string DrainOverrideName(const common::EndpointRef& endpoint);

// Makes the override, or turns the one of that name into a drain. Idempotent.
absl::Status AddDrain(const common::EndpointRef& endpoint, absl::string_view comment,
                      v1::Config* config);
// NotFound "NOT_DRAINED": there is no such override, or it is no drain.
absl::Status RemoveDrain(const common::EndpointRef& endpoint, v1::Config* config);

}  // namespace pointsman::controller
