#pragma once

// Rules for fields that hold in every protocol. Thread-safe; no state.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "gateway/http/header_block.h"

namespace pointsman::gateway {

// Only the gateway itself says "x-pointsman-*" in a response: an endpoint's, which would pass for
// the gateway's, are marked as not to be forwarded.
void DropGatewaysOwnFields(HeaderBlock* block);

// Marks the trailers that must not be forwarded (framing, routing, authentication).
void ApplyTrailerRules(HeaderBlock* block);

// Digits only, no sign, no leading zero, at most 18 of them; -1 when it is anything else.
int64_t ParseContentLength(absl::string_view text);

// host[:port] with a non-empty host of letters, digits, '-', '.', '_', '~', or an IPv6 address in
// brackets; port of 1 to 5 digits.
bool IsAuthority(absl::string_view text);

}  // namespace pointsman::gateway
