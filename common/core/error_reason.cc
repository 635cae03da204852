#include "common/core/error_reason.h"

#include <optional>

#include "absl/strings/cord.h"
#include "pointsman/v1/error.pb.h"

namespace pointsman::common {
namespace {

std::optional<v1::ErrorInfo> InfoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorInfoType);
  v1::ErrorInfo info;
  if (!payload || !info.ParseFromString(std::string(*payload))) return std::nullopt;
  return info;
}

}  // namespace

absl::Status WithReason(absl::Status status, absl::string_view reason,
                        const std::map<std::string, std::string>& metadata) {
  if (status.ok()) return status;
  v1::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(kErrorDomain);
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  status.SetPayload(kErrorInfoType, absl::Cord(info.SerializeAsString()));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const std::optional<v1::ErrorInfo> info = InfoOf(status);
  return info ? info->reason() : std::string();
}

std::map<std::string, std::string> ReasonMetadata(const absl::Status& status) {
  std::map<std::string, std::string> metadata;
  if (const std::optional<v1::ErrorInfo> info = InfoOf(status)) {
    metadata.insert(info->metadata().begin(), info->metadata().end());
  }
  return metadata;
}

}  // namespace pointsman::common
