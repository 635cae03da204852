#pragma once

// Pages of the admin API: sizes and tokens. A token is opaque to clients; it holds the last name
// or number of the page before, so that a page is right also when the list changed in between.
// Thread-safe (no state).

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pointsman::controller {

inline constexpr int kPageSizeDefault = 100;
inline constexpr int kPageSizeMax = 1'000;

// 0 is the default, more than the maximum is the maximum. InvalidArgument "PAGE_INVALID":
// negative.
absl::StatusOr<uint32_t> PageSize(int32_t asked);

std::string PageToken(absl::string_view last);
// Empty: the first page. InvalidArgument "PAGE_INVALID": no token of ours.
absl::StatusOr<std::string> ParsePageToken(absl::string_view token);
// The same where the token holds a number; 0: the first page.
absl::StatusOr<uint64_t> ParseNumberToken(absl::string_view token);

}  // namespace pointsman::controller
