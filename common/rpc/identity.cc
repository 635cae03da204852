#include "common/rpc/identity.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/rpc/tls.h"

namespace pointsman::common {
namespace {

constexpr size_t kNameBytesMax = 63;

// Strongest first.
constexpr Role kByStrength[] = {Role::kController, Role::kOperator, Role::kGateway, Role::kAgent,
                                Role::kViewer};

std::optional<Role> ParseRole(absl::string_view text) {
  for (const Role role : kByStrength) {
    if (text == RoleName(role)) return role;
  }
  return std::nullopt;
}

bool IsName(absl::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') {
      return false;
    }
  }
  return true;
}

// Takes over the role when the name fits with what was found before.
void Merge(absl::string_view role_text, absl::string_view name, Identity& identity) {
  const std::optional<Role> role = ParseRole(role_text);
  if (!role || !IsName(name)) return;
  if (!identity.roles.empty() && identity.name != name) return;
  identity.name = std::string(name);
  identity.roles.Add(*role);
}

std::vector<std::string> Property(const grpc::AuthContext& auth, const char* name) {
  std::vector<std::string> values;
  for (const grpc::string_ref& value : auth.FindPropertyValues(name)) {
    values.emplace_back(value.data(), value.size());
  }
  return values;
}

// gRPC writes "ipv4:127.0.0.1:5000", "ipv6:%5B::1%5D:5000" and "unix:PATH".
bool IsLocalPeer(absl::string_view peer) {
  if (absl::ConsumePrefix(&peer, "ipv6:")) {
    return absl::StartsWith(peer, "%5B::1%5D") || absl::StartsWith(peer, "[::1]") ||
           absl::StartsWith(peer, "%5B::ffff:127.") || absl::StartsWith(peer, "[::ffff:127.");
  }
  absl::ConsumePrefix(&peer, "ipv4:");
  return IsLoopbackAddress(peer);
}

}  // namespace

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kAgent:
      return "agent";
    case Role::kGateway:
      return "gateway";
    case Role::kOperator:
      return "operator";
    case Role::kViewer:
      return "viewer";
    case Role::kController:
      return "controller";
  }
  return "none";
}

std::string RoleSet::ToString() const {
  std::vector<absl::string_view> names;
  for (const Role role : kByStrength) {
    if (Has(role)) names.push_back(RoleName(role));
  }
  return names.empty() ? "none" : absl::StrJoin(names, ",");
}

std::string Identity::As(Role role) const { return absl::StrCat(RoleName(role), ":", name); }

std::string Identity::ToString() const {
  if (!authenticated && !name.empty()) return name;
  for (const Role role : kByStrength) {
    if (roles.Has(role)) return As(role);
  }
  return absl::StrCat("none:", name);
}

bool Identity::MaySpeakFor(Role role, absl::string_view id) const {
  return roles.Has(role) && (!authenticated || name == id);
}

Identity IdentityFromNames(const std::vector<std::string>& uris,
                           const std::vector<std::string>& dns_names) {
  Identity identity;
  identity.authenticated = true;
  for (const std::string& uri : uris) {
    absl::string_view rest = uri;
    if (!absl::ConsumePrefix(&rest, "spiffe://")) continue;
    const std::vector<absl::string_view> parts = absl::StrSplit(rest, '/');
    if (parts.size() == 3 && !parts[0].empty()) Merge(parts[1], parts[2], identity);
  }
  for (const std::string& dns_name : dns_names) {
    const std::vector<absl::string_view> labels = absl::StrSplit(dns_name, '.');
    if (labels.size() >= 3 && labels[2] == "pointsman") Merge(labels[1], labels[0], identity);
  }
  // Without a role the name only serves to say who was refused.
  if (identity.roles.empty()) {
    identity.name = !uris.empty() ? uris[0] : !dns_names.empty() ? dns_names[0] : "";
  }
  return identity;
}

Identity PeerIdentity(const grpc::ServerContextBase& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  const std::vector<std::string> transport =
      auth == nullptr ? std::vector<std::string>()
                      : Property(*auth, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
  const bool tls = !transport.empty() && (transport[0] == GRPC_SSL_TRANSPORT_SECURITY_TYPE ||
                                          transport[0] == GRPC_TLS_TRANSPORT_SECURITY_TYPE);
  if (tls) {
    Identity identity = IdentityFromNames(Property(*auth, GRPC_PEER_URI_PROPERTY_NAME),
                                          Property(*auth, GRPC_PEER_DNS_PROPERTY_NAME));
    if (!auth->IsPeerAuthenticated()) identity.roles = RoleSet();
    return identity;
  }
  Identity identity;
  identity.roles = RoleSet::All();
  identity.name = IsLocalPeer(context.peer()) ? "local" : "anonymous";
  return identity;
}

}  // namespace pointsman::common
