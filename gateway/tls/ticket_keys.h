#pragma once

// Keys that session tickets are sealed with. One ring is shared by all workers, so that a client
// may resume on any of them; the newest key seals, the older ones still open. Values; a ring is
// replaced, never changed.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pointsman::gateway {

struct TicketKey {
  std::array<uint8_t, 16> name;
  std::array<uint8_t, 32> cipher;
  std::array<uint8_t, 32> mac;
};

// Newest first; never empty.
using TicketRing = std::vector<TicketKey>;

// A new key takes over this often, and with each process that takes another's place; each opens
// tickets until kTicketKeysKept newer ones have come.
inline constexpr absl::Duration kTicketRotation = absl::Hours(8);
inline constexpr size_t kTicketKeysKept = 3;
// How long a client may resume.
inline constexpr absl::Duration kTicketLifetime = absl::Hours(12);

// `before` with a new random key in front, and the oldest left out; null: a ring of one. Null when
// the system has no randomness.
std::shared_ptr<const TicketRing> RotateTickets(const TicketRing* before);

// A ring as bytes, for the process that takes this one's place, and back. InvalidArgument: not
// such bytes.
std::string EncodeTickets(const TicketRing& ring);
absl::StatusOr<TicketRing> DecodeTickets(absl::string_view bytes);

}  // namespace pointsman::gateway
