#pragma once

// Status codes of gRPC, and which one stands for what HTTP or the gateway says. Pure.

#include "absl/strings/string_view.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

enum class GrpcStatus : int {
  kOk = 0,
  kUnknown = 2,
  kDeadlineExceeded = 4,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kUnauthenticated = 16,
};

// Of an HTTP answer that is none of gRPC's (grpc/doc/http-grpc-status-mapping.md).
GrpcStatus GrpcStatusOf(int http_status);
// Of an answer of the gateway's own.
GrpcStatus GrpcStatusOf(Reason reason);

// "application/grpc", with "+proto" and the like or parameters, in any case; not gRPC-Web.
bool IsGrpcContentType(absl::string_view content_type);

}  // namespace pointsman::gateway
