#pragma once

// absl::Status to gRPC's status and back, with the reason as google.rpc.ErrorInfo in the details.
// Thread-safe (no state).

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace pointsman::common {

// Every failed status carries a detail; without a reason of its own: the code's name
// ("NOT_FOUND"). Text and metadata are cut to what fits into the 8 KiB of trailers that clients
// take (else these see neither the error nor its reason), and bytes that are not UTF-8 are
// replaced.
grpc::Status ToGrpcStatus(const absl::Status& status);
// The reason, when there is one, is found by ReasonOf.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace pointsman::common
