#pragma once

// What a request says of where it came from: X-Forwarded-*, Forwarded (RFC 7239), X-Real-IP,
// X-Request-Id, x-pointsman-*. From a sender that is not a trusted proxy all of it is taken out
// before anything is decided by it; from one that is, it is believed, checked and extended, and the
// client is the nearest address of the chain that is no trusted proxy (docs/design/clients.md).
// Thread-safe; no state.

#include "absl/strings/string_view.h"
#include "common/core/cidr_set.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

// The other end of the connection a request came on.
struct Sender {
  absl::string_view host;   // Its address without port, or "unix".
  absl::string_view proto;  // "http" or "https".
  // Its address is in `proxies`, which then is not null.
  bool trusted = false;
  const common::CidrSet* proxies = nullptr;
};

// After it every field left in the head may be forwarded and matched. Returns where the client's
// address stands in the head's block; size 0: the sender is the client. O(1) without such fields,
// else O(head); allocates only when the head outgrows its block, or for many Forwarded elements.
TextRef TakeClaims(const Sender& sender, RequestHead* head);

}  // namespace pointsman::gateway
