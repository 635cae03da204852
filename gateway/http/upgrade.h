#pragma once

// Changes of protocol within HTTP: which the gateway follows, and how both ends make sure of each
// other (the handshake of RFC 6455 4; RFC 8441 5 leaves it out). Every other protocol is passed
// over as if it had not been named. Thread-safe; pure but for the randomness that is handed in.
//
// Another protocol to follow is a value of Upgrade with a name in upgrade.cc and, where it has one,
// a handshake in UpgradeAskedFor() and TakeHandshake(). A list per route would be looked at in
// Stream::OnRequestHead(), before anything of the request was forwarded.

#include <array>

#include "absl/random/bit_gen_ref.h"
#include "absl/strings/string_view.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

// As in an Upgrade field and in ":protocol"; "" for kNone.
absl::string_view UpgradeName(Upgrade upgrade);
// The protocol of exactly this name, in any case; kNone for those that are not followed.
Upgrade UpgradeNamed(absl::string_view name);

// What a complete HTTP/1 head, whose Connection lists Upgrade, asks for: the first protocol listed
// that is followed, and only with a well-formed handshake in a GET without a body.
Upgrade UpgradeAskedFor(const RequestHead& head);
// The fields of a 101 name exactly the protocol that was asked for.
bool SwitchesTo(Upgrade asked, const HeaderBlock& response);

// Base64 of 16 bytes, and of the SHA-1 that answers it.
using WebSocketKey = std::array<char, 24>;
using WebSocketAccept = std::array<char, 28>;

WebSocketKey MakeWebSocketKey(absl::BitGenRef random);
// The one key of the head, or "" when there is none, more than one, or one that is malformed.
absl::string_view WebSocketKeyOf(const HeaderBlock& request);
WebSocketAccept AcceptFor(absl::string_view key);
// The endpoint proved that it read the request's key. Its proof is marked as not to be forwarded:
// whoever answers the client writes it anew. False: it did not, and must not be believed.
bool TakeHandshake(const RequestHead& request, HeaderBlock* response);

}  // namespace pointsman::gateway
