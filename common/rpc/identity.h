#pragma once

// Who is at the other end of a call: the certificate's subject alternative name becomes a role and
// a name. Accepted, in this order (the first that fits counts; all that fit add their roles when
// they agree on the name):
//   URI  spiffe://DOMAIN/ROLE/NAME       spiffe://example.org/agent/host-7
//   DNS  NAME.ROLE.pointsman[.ANYTHING]  host-7.agent.pointsman.example.org
// ROLE is one of agent, gateway, operator, viewer, controller; NAME is 1 to 63 bytes of
// [A-Za-z0-9._-] (in a DNS name: without dots). DOMAIN is not compared: the authorities in
// --tls-ca are who is trusted. A certificate without such a name has no role and may do nothing.
// Without TLS everybody has every role (programs then bind to loopback only, unless told
// --insecure). Values are thread-compatible, functions thread-safe.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace grpc {
class ServerContextBase;
}

namespace pointsman::common {

enum class Role : uint8_t { kAgent, kGateway, kOperator, kViewer, kController };

// "agent", "gateway", "operator", "viewer", "controller".
absl::string_view RoleName(Role role);

class RoleSet {
 public:
  constexpr RoleSet() = default;
  constexpr RoleSet(std::initializer_list<Role> roles) {
    for (const Role role : roles) Add(role);
  }
  static constexpr RoleSet All() {
    return {Role::kAgent, Role::kGateway, Role::kOperator, Role::kViewer, Role::kController};
  }

  constexpr void Add(Role role) { bits_ |= 1u << static_cast<uint8_t>(role); }
  constexpr bool Has(Role role) const { return (bits_ >> static_cast<uint8_t>(role)) & 1u; }
  constexpr bool Intersects(RoleSet other) const { return (bits_ & other.bits_) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(RoleSet, RoleSet) = default;
  // "agent,viewer"; "none".
  std::string ToString() const;

 private:
  uint8_t bits_ = 0;
};

struct Identity {
  RoleSet roles;
  // "alice", "host-7"; "local" without TLS from this host, "anonymous" without TLS from another.
  std::string name;
  // True: a certificate said so.
  bool authenticated = false;

  // Who acts in `role`, for events: "operator:alice", "agent:host-7", "operator:local".
  std::string As(Role role) const;
  // In the strongest role held (controller, operator, gateway, agent, viewer): "operator:alice";
  // "local" or "anonymous" without TLS; "none:NAME" without a role.
  std::string ToString() const;
  // May speak for the agent or gateway called `id`: has the role and, when authenticated, the
  // same name.
  bool MaySpeakFor(Role role, absl::string_view id) const;
};

// The identity in a verified certificate's alternative names; no role when none fits.
Identity IdentityFromNames(const std::vector<std::string>& uris,
                           const std::vector<std::string>& dns_names);

// The identity of a call's peer.
Identity PeerIdentity(const grpc::ServerContextBase& context);

}  // namespace pointsman::common
