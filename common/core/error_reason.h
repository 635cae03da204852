#pragma once

// A stable, machine-readable reason on an absl::Status ("ETAG_MISMATCH"), beside its code and its
// message for people. It travels over gRPC as google.rpc.ErrorInfo of domain "pointsman".
// Thread-safe (no state).

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pointsman::common {

inline constexpr char kErrorDomain[] = "pointsman";
// Payload URL and detail type.
inline constexpr char kErrorInfoType[] = "type.googleapis.com/google.rpc.ErrorInfo";

// `status` with the reason, replacing one it may have. An OK status is returned as it is.
absl::Status WithReason(absl::Status status, absl::string_view reason,
                        const std::map<std::string, std::string>& metadata = {});
// The reason; empty: none.
std::string ReasonOf(const absl::Status& status);
// Its metadata; empty: none.
std::map<std::string, std::string> ReasonMetadata(const absl::Status& status);

}  // namespace pointsman::common
