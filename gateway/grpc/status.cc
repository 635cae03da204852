#include "gateway/grpc/status.h"

#include "absl/strings/match.h"

namespace pointsman::gateway {

GrpcStatus GrpcStatusOf(int http_status) {
  switch (http_status) {
    case 400:
      return GrpcStatus::kInternal;
    case 401:
      return GrpcStatus::kUnauthenticated;
    case 403:
      return GrpcStatus::kPermissionDenied;
    case 404:
      return GrpcStatus::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcStatus::kUnavailable;
    default:
      return GrpcStatus::kUnknown;
  }
}

GrpcStatus GrpcStatusOf(Reason reason) {
  switch (reason) {
    case Reason::kDeadlineExceeded:
    case Reason::kRequestTimeout:
      return GrpcStatus::kDeadlineExceeded;
    case Reason::kBodyTooLarge:
    case Reason::kHeadTooLarge:
    case Reason::kTooManyFields:
      return GrpcStatus::kResourceExhausted;
    case Reason::kGrpcNeedsHttp2:
      return GrpcStatus::kUnimplemented;
    default:
      return GrpcStatusOf(ReasonStatus(reason));
  }
}

bool IsGrpcContentType(absl::string_view content_type) {
  constexpr absl::string_view kPrefix = "application/grpc";
  if (!absl::StartsWithIgnoreCase(content_type, kPrefix)) return false;
  if (content_type.size() == kPrefix.size()) return true;
  const char next = content_type[kPrefix.size()];
  return next == '+' || next == ';' || next == ' ';
}

}  // namespace pointsman::gateway
