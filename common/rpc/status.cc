#include "common/rpc/status.h"

#include <grpcpp/support/status.h>

#include <string>

#include "absl/strings/cord.h"
#include "common/core/error_reason.h"
#include "pointsman/v1/error.pb.h"

namespace pointsman::common {

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const absl::Status full = ReasonOf(status).empty()
                                ? WithReason(status, absl::StatusCodeToString(status.code()))
                                : status;
  v1::RpcStatus detail;
  detail.set_code(static_cast<int>(status.code()));
  detail.set_message(std::string(status.message()));
  google::protobuf::Any* any = detail.add_details();
  any->set_type_url(kErrorInfoType);
  any->set_value(std::string(*full.GetPayload(kErrorInfoType)));
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      detail.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  v1::RpcStatus detail;
  if (!detail.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& any : detail.details()) {
    if (any.type_url() == kErrorInfoType) {
      result.SetPayload(kErrorInfoType, absl::Cord(any.value()));
    }
  }
  return result;
}

}  // namespace pointsman::common
