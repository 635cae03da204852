#pragma once

// Which endpoint a client is to stay with: the value of its cookie, and the way back from that.
// Immutable; thread-safe.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "gateway/core/picker_policy.h"

namespace pointsman::gateway {

// A hash of the endpoint's ID, never 0: the same in every gateway.
uint64_t AffinityOf(absl::string_view service, absl::string_view endpoint_id);

// 16 hexadecimal digits. 0: it is no such value.
std::string AffinityText(uint64_t affinity);
uint64_t ParseAffinity(absl::string_view text);

// The value of a Set-Cookie field; `secure`: the client's connection is TLS. HttpOnly,
// SameSite=Lax.
std::string AffinitySetCookie(const AffinityCookie& cookie, uint64_t affinity, bool secure);

// Positions in ServiceTable::endpoints by AffinityOf().
using AffinityIndex = absl::flat_hash_map<uint64_t, uint32_t>;

}  // namespace pointsman::gateway
