#pragma once

// Who may call what: one table for every method of every service on the gRPC port, default deny.
// Each handler begins with CheckRole; a test walks all methods of all services with every role and
// fails when one has no entry or does not ask. Thread-safe (no state).

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/rpc/identity.h"

namespace grpc {
class ServerContextBase;
}

namespace pointsman::controller {

// Roles that may call "/pointsman.v1.AdminService/GetService"; empty: nobody, also for methods
// that are not in the table.
common::RoleSet AllowedRoles(absl::string_view method);

// Every method of the table, sorted.
std::vector<std::string> MethodsWithRoles();

// The caller's identity when it may call the method. PermissionDenied with reason "ROLE_DENIED":
// names identity, method and the roles that may.
absl::StatusOr<common::Identity> CheckRole(const grpc::ServerContextBase& context,
                                           absl::string_view method);

}  // namespace pointsman::controller
