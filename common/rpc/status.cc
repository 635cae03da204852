#include "common/rpc/status.h"

#include <grpcpp/support/status.h>

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "common/core/error_reason.h"
#include "common/core/utf8.h"
#include "pointsman/v1/error.pb.h"

namespace pointsman::common {
namespace {

// Together below 8 KiB, gRPC's default for all trailers of a call, with room for the others.
constexpr size_t kMessageWireBytesMax = 4'096;
constexpr size_t kDetailMessageBytesMax = 1'024;
constexpr size_t kMetadataEntriesMax = 6;
constexpr size_t kMetadataBytesMax = 128;

// The beginning of `text` that takes at most `wire_bytes_max` once gRPC has escaped it ("%0A"),
// as UTF-8. O(wire_bytes_max).
std::string Fit(absl::string_view text, size_t wire_bytes_max) {
  constexpr absl::string_view kCut = " ...";
  std::string fitting;
  size_t wire_bytes = kCut.size();
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    const bool plain = length == 1 && absl::ascii_isprint(text[0]) && text[0] != '%';
    wire_bytes += plain ? 1 : 3 * std::max<size_t>(length, 1);
    if (wire_bytes > wire_bytes_max) return fitting + std::string(kCut);
    fitting += length == 0 ? "?" : std::string(text.substr(0, length));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return fitting;
}

std::map<std::string, std::string> FitMetadata(const absl::Status& status) {
  std::map<std::string, std::string> fitting;
  for (const auto& [key, value] : ReasonMetadata(status)) {
    if (fitting.size() >= kMetadataEntriesMax) break;
    fitting[key] = Fit(value, kMetadataBytesMax);
  }
  return fitting;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string own = ReasonOf(status);
  const absl::Status full = WithReason(
      status, own.empty() ? absl::StatusCodeToString(status.code()) : own, FitMetadata(status));
  v1::RpcStatus detail;
  detail.set_code(static_cast<int>(status.code()));
  detail.set_message(Fit(status.message(), kDetailMessageBytesMax));
  google::protobuf::Any* any = detail.add_details();
  any->set_type_url(kErrorInfoType);
  any->set_value(std::string(*full.GetPayload(kErrorInfoType)));
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      Fit(status.message(), kMessageWireBytesMax), detail.SerializeAsString());
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
