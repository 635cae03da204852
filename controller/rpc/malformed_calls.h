#pragma once

// Calls of the admin API whose bytes are no message of the contract (cut off, or text that is not
// UTF-8). gRPC ends these before a method sees them, with a bare UNIMPLEMENTED; here that becomes
// InvalidArgument "MESSAGE_MALFORMED", counted. Thread-safe.

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "controller/rpc/refusals.h"

namespace pointsman::controller {

// For the server builder's interceptors; other services' calls pass untouched. REQUIRES: every
// method of v1::AdminService is there, so that UNIMPLEMENTED has no other cause. `errors` outlives
// the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeMalformedCalls(
    RefusalCounts* errors);

}  // namespace pointsman::controller
