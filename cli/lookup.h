#pragma once

// Which resource a word of the command line means, and the errors when it means none: with the
// nearest known word, and with the command that lists what there is. Thread-safe (no state).

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/admin_client.h"
#include "common/core/names.h"

namespace pointsman::cli {

// "services" of "service" and "services". InvalidArgument: not one of `known` (plurals).
absl::StatusOr<std::string> KindOf(absl::string_view word,
                                   std::span<const absl::string_view> known);

// NotFound; `kind` is a plural. For an endpoint `name` and `known` are "SERVICE/ENDPOINT".
absl::Status Missing(absl::string_view kind, absl::string_view name,
                     const std::vector<std::string>& known);

// "web/web-1" or "services/web/endpoints/web-1". InvalidArgument.
absl::StatusOr<common::EndpointRef> EndpointNamed(const std::string& name);

// An endpoint that is not found, with the nearest known one in the message; other statuses are
// returned as they are. Asks the controller for every endpoint.
absl::Status SuggestEndpoint(const absl::Status& status, const std::string& name,
                             AdminClient* client);

}  // namespace pointsman::cli
