#pragma once

// Changes of protocol within HTTP: which the gateway follows, and how both ends make sure of each
// other (WebSocket's handshake of RFC 6455 4; RFC 8441 5 leaves it out). WebSocket is followed on
// every route, others where the route lists them; the rest is passed over as if it had not been
// named. Thread-safe; pure but for the randomness that is handed in.
//
// Another protocol with a handshake of its own is a value of Upgrade, with its checks in
// ChooseUpgrade() and TakeHandshake().

#include <array>
#include <span>
#include <string>

#include "absl/random/bit_gen_ref.h"
#include "absl/strings/string_view.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

// The list of protocols that a complete HTTP/1 head, whose Connection lists Upgrade, asks for: of
// the first Upgrade field. Empty when no route could follow it: HTTP/1.0, a body, a HEAD (whose
// answer has none) or "OPTIONS *".
TextRef ProtocolsAskedFor(const RequestHead& head);
// Chooses what to ask the endpoint for: the first of head->protocols that is WebSocket with a
// well-formed handshake, or one of `allowed` (in any case). kNone: none is. O(list * allowed).
void ChooseUpgrade(std::span<const std::string> allowed, RequestHead* head);
// The chosen one as in an Upgrade field and in ":protocol". REQUIRES: head.upgrade is not kNone.
absl::string_view UpgradeName(const RequestHead& head);

// Base64 of 16 bytes, and of the SHA-1 that answers it.
using WebSocketKey = std::array<char, 24>;
using WebSocketAccept = std::array<char, 28>;

WebSocketKey MakeWebSocketKey(absl::BitGenRef random);
// The one key of the head, or "" when there is none, more than one, or one that is malformed.
absl::string_view WebSocketKeyOf(const HeaderBlock& request);
WebSocketAccept AcceptFor(absl::string_view key);
// The fields of a 101 name exactly the protocol that was asked for and, for WebSocket, prove that
// the endpoint read the request's key. The proof is marked as not to be forwarded: whoever answers
// the client writes it anew. False: they do not, and the endpoint must not be believed.
bool TakeHandshake(const RequestHead& request, HeaderBlock* response);

}  // namespace pointsman::gateway
