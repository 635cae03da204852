#pragma once

// A request's parameters by name: those of its query, and cookies. Thread-safe (no state).

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace pointsman::gateway {

// The value of the first parameter of `query` ("a=1&b=2", without "?") whose decoded name is
// `name`; "a" alone has an empty value. Decoded as forms are: %XX, + is a space; a % that begins no
// escape stays. A view into `query` or `*scratch`. O(query); allocates only for a value with
// escapes.
std::optional<absl::string_view> FindParameter(absl::string_view query, absl::string_view name,
                                               std::string* scratch);

// The value of the first cookie named `name` (RFC 6265 4.2: byte by byte) in the value of one
// Cookie field, as it was sent. O(field).
std::optional<absl::string_view> FindCookie(absl::string_view field, absl::string_view name);

}  // namespace pointsman::gateway
