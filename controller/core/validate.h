#pragma once

// The door for untrusted messages: what passes here is finite, in range and bounded, so the core
// may compute with it. Every error is InvalidArgument (limits: ResourceExhausted) and its message
// is "CODE: where, value, limit" with a CODE of codes.h; CodeOf() cuts it out. Thread-safe.

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pointsman::v1 {
class AgentHello;
class AgentReport;
class Endpoint;
class GatewayHello;
class Observations;
class RestartRequest;
class RestartResult;
}  // namespace pointsman::v1

namespace pointsman::controller {

// "REPORT_NOT_FINITE" of "REPORT_NOT_FINITE: instances[0]...."; empty when there is none.
absl::string_view CodeOf(const absl::Status& status);

// All are O(size of the message).
absl::Status ValidateEndpoint(const v1::Endpoint& endpoint);
absl::Status ValidateHello(const v1::AgentHello& hello);
// `instances`: number of instances of the session's Hello, in whose order the report is.
absl::Status ValidateReport(const v1::AgentReport& report, uint32_t instances);
absl::Status ValidateRestartRequest(const v1::RestartRequest& request, uint32_t instances);
absl::Status ValidateRestartResult(const v1::RestartResult& result);
absl::Status ValidateGatewayHello(const v1::GatewayHello& hello);
absl::Status ValidateObservations(const v1::Observations& observations);

}  // namespace pointsman::controller
