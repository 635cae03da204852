#pragma once

// Reads the chains of addresses that proxies leave in X-Forwarded-For and Forwarded (RFC 7239).
// Strict: what is not written as it should be names nobody. Thread-safe; no state. Views are parts
// of the text that was given.

#include <cstddef>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "common/core/cidr_set.h"
#include "common/core/ip_address.h"

namespace pointsman::gateway {

// An address as proxies write it: "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80".
struct ChainNode {
  absl::string_view host;  // Without brackets and port.
  common::IpAddress ip;
};
std::optional<ChainNode> ParseChainNode(absl::string_view text);

// The nearest (last) address of an X-Forwarded-For that is not in `proxies`; when all are, the
// first; nullopt when not even the last is an address. Nothing in front of what is no address
// counts.
std::optional<ChainNode> NearestClient(absl::string_view chain, const common::CidrSet& proxies);

// One element of Forwarded; empty: not said.
struct ForwardedElement {
  absl::string_view from;  // "for".
  absl::string_view host;
  absl::string_view proto;
};
inline constexpr size_t kForwardedElementsMax = 32;
using ForwardedElements = absl::InlinedVector<ForwardedElement, 4>;

// False: not as RFC 7239 4 writes it, an escape in a quoted value, or too many elements.
bool ParseForwarded(absl::string_view text, ForwardedElements* elements);

// As NearestClient; `*index` is the element that names it.
std::optional<ChainNode> NearestClient(const ForwardedElements& elements,
                                       const common::CidrSet& proxies, size_t* index);

}  // namespace pointsman::gateway
