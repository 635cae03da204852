#pragma once

// 64-bit hashes that are the same on every machine and in every version, for choosing among
// members and for checksums; not for secrets. Thread-safe (no state).

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"

namespace pointsman::common {

// XXH3, 64 bits.
uint64_t Hash64(absl::string_view bytes, uint64_t seed = 0);

// One hash of two, in which the order matters.
uint64_t HashCombine(uint64_t a, uint64_t b);

// The index of the member with the highest hash of (member, key), so that when a member leaves only
// its own keys move. Equal hashes: the first. O(members), whose bytes are hashed each time.
// REQUIRES: at least one member.
size_t RendezvousPick(absl::string_view key, std::span<const absl::string_view> members);

}  // namespace pointsman::common
