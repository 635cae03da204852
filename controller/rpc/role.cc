#include "controller/rpc/role.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"

namespace pointsman::controller {
namespace {

using common::Role;
using common::RoleSet;

struct MethodRoles {
  absl::string_view method;
  RoleSet roles;
};

constexpr RoleSet kRead = {Role::kViewer, Role::kOperator};
constexpr RoleSet kWrite = {Role::kOperator};
constexpr RoleSet kEverybody = RoleSet::All();

// By method.
constexpr MethodRoles kTable[] = {
    // Served by gRPC itself, which asks nobody: everybody who passes TLS may.
    {"/grpc.health.v1.Health/Check", kEverybody},
    {"/grpc.health.v1.Health/Watch", kEverybody},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kEverybody},
    {"/pointsman.v1.AdminService/Apply", kWrite},
    {"/pointsman.v1.AdminService/CreateOverride", kWrite},
    {"/pointsman.v1.AdminService/CreateRoute", kWrite},
    {"/pointsman.v1.AdminService/CreateService", kWrite},
    {"/pointsman.v1.AdminService/DeleteOverride", kWrite},
    {"/pointsman.v1.AdminService/DeleteRoute", kWrite},
    {"/pointsman.v1.AdminService/DeleteService", kWrite},
    {"/pointsman.v1.AdminService/Drain", kWrite},
    {"/pointsman.v1.AdminService/Explain", kRead},
    {"/pointsman.v1.AdminService/Freeze", kWrite},
    {"/pointsman.v1.AdminService/GetOverride", kRead},
    {"/pointsman.v1.AdminService/GetRevision", kRead},
    {"/pointsman.v1.AdminService/GetRoute", kRead},
    {"/pointsman.v1.AdminService/GetService", kRead},
    {"/pointsman.v1.AdminService/GetStatus", kRead},
    {"/pointsman.v1.AdminService/ListAgents", kRead},
    {"/pointsman.v1.AdminService/ListEndpoints", kRead},
    {"/pointsman.v1.AdminService/ListEvents", kRead},
    {"/pointsman.v1.AdminService/ListGateways", kRead},
    {"/pointsman.v1.AdminService/ListOverrides", kRead},
    {"/pointsman.v1.AdminService/ListRevisions", kRead},
    {"/pointsman.v1.AdminService/ListRoutes", kRead},
    {"/pointsman.v1.AdminService/ListServices", kRead},
    {"/pointsman.v1.AdminService/Rollback", kWrite},
    {"/pointsman.v1.AdminService/Undrain", kWrite},
    {"/pointsman.v1.AdminService/UpdateOverride", kWrite},
    {"/pointsman.v1.AdminService/UpdateRoute", kWrite},
    {"/pointsman.v1.AdminService/UpdateService", kWrite},
    {"/pointsman.v1.AdminService/WatchEndpoints", kRead},
    {"/pointsman.v1.AgentService/Connect", {Role::kAgent}},
    {"/pointsman.v1.GatewayService/Subscribe", {Role::kGateway}},
};

}  // namespace

RoleSet AllowedRoles(absl::string_view method) {
  const auto* entry = std::lower_bound(
      std::begin(kTable), std::end(kTable), method,
      [](const MethodRoles& a, absl::string_view name) { return a.method < name; });
  if (entry == std::end(kTable) || entry->method != method) return RoleSet();
  return entry->roles;
}

std::vector<std::string> MethodsWithRoles() {
  std::vector<std::string> methods;
  for (const MethodRoles& entry : kTable) methods.emplace_back(entry.method);
  return methods;
}

absl::StatusOr<common::Identity> CheckRole(const grpc::ServerContextBase& context,
                                           absl::string_view method) {
  common::Identity identity = common::PeerIdentity(context);
  const RoleSet allowed = AllowedRoles(method);
  if (identity.roles.Intersects(allowed)) return identity;
  return common::WithReason(
      absl::PermissionDeniedError(absl::StrCat(
          identity.ToString(), " may not call ", method, "; needed: ", allowed.ToString(),
          " (the role comes from the certificate's subject alternative name)")),
      "ROLE_DENIED", {{"method", std::string(method)}, {"identity", identity.ToString()}});
}

}  // namespace pointsman::controller
