#pragma once

// Names of resources: which IDs are valid, "services/web" against "web", and the nearest known
// word to show when somebody mistypes one. Thread-safe (no state).

#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pointsman::common {

// 1 to 63 bytes of [a-z0-9-]: services, routes, checks.
bool IsServiceId(absl::string_view id);
// 1 to 63 bytes of [A-Za-z0-9._-]: endpoints, agents, gateways.
bool IsEndpointId(absl::string_view id);
// 1 to 127 bytes of [A-Za-z0-9._-].
bool IsOverrideId(absl::string_view id);

// A token of RFC 9110 5.6.2, as names of header fields, methods and protocols are: at least one
// letter, digit or one of these.
inline constexpr absl::string_view kTokenPunctuation = "!#$%&'*+-.^_`|~";
bool IsToken(absl::string_view text);

// "web" -> "services/web", and so on. The ID is taken as it is.
std::string ServiceName(absl::string_view id);
std::string RouteName(absl::string_view id);
std::string OverrideName(absl::string_view id);
std::string AgentName(absl::string_view id);
std::string GatewayName(absl::string_view id);
std::string EndpointName(absl::string_view service, absl::string_view endpoint);

// "services/web" or "web" -> "web"; a view into `name`. Does not validate the ID.
absl::string_view BareId(absl::string_view name, absl::string_view collection);

struct EndpointRef {
  std::string service;
  std::string endpoint;
  friend bool operator==(const EndpointRef&, const EndpointRef&) = default;
  friend auto operator<=>(const EndpointRef&, const EndpointRef&) = default;
};

// "services/web/endpoints/web-1", "web/web-1". InvalidArgument: the form or an ID is wrong.
absl::StatusOr<EndpointRef> ParseEndpointName(absl::string_view name);

// Insertions, deletions, replacements and swaps of neighbours to turn `a` into `b`.
// O(|a| * |b|); texts longer than 64 bytes count as entirely different.
int EditDistance(absl::string_view a, absl::string_view b);

// The known word nearest to `word`, any case; absent when none is near (more than a third of the
// longer word would change). The first of equals.
std::optional<std::string> NearestName(absl::string_view word, std::span<const std::string> known);

}  // namespace pointsman::common
