#pragma once

// Agents' and gateways' messages as inputs of the cores. What comes in here has passed
// validate.h. Thread-safe: no state.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "controller/core/inputs.h"

namespace pointsman::v1 {
class AgentHello;
class AgentReport;
class GatewayHello;
class InstanceReport;
class Observations;
}  // namespace pointsman::v1

namespace pointsman::controller {

// Whose message it is.
struct Sender {
  const std::string& name;
  uint64_t boot;
  uint64_t session;
};

AgentHelloInput HelloInput(const v1::AgentHello& hello, uint64_t session, std::string actor);

// Without service and instances: what the report says of agent and host.
AgentReportInput ReportHeader(const v1::AgentReport& report, const Sender& sender,
                              absl::Duration report_interval);
InstanceSample SampleOf(const v1::InstanceReport& report, uint32_t instance, bool checks_current);
// A number that changes, but for one chance in 2^64, when the samples say another state than
// before: of checks, of the process, or a restart. Load is no state.
uint64_t StateOf(const std::vector<InstanceSample>& samples);

GatewayHelloInput GatewayInput(const v1::GatewayHello& hello, uint64_t session);
// One input for each service.
std::vector<ObservationsInput> ObservationInputs(const v1::Observations& observations,
                                                 const Sender& sender);

}  // namespace pointsman::controller
