#pragma once

// State as text for people: endpoints, agents, gateways, events, the controller. Pure functions of
// messages; thread-safe.

#include <string>

#include "absl/time/time.h"
#include "cli/text.h"
#include "google/protobuf/repeated_field.h"
#include "pointsman/v1/admin.pb.h"

namespace pointsman::cli {

// `wide`: address, place, load and a bar of the weight too.
std::string EndpointsTable(const google::protobuf::RepeatedPtrField<v1::EndpointState>& endpoints,
                           bool wide, const Style& style);
std::string AgentsTable(const google::protobuf::RepeatedPtrField<v1::AgentState>& agents, bool wide,
                        const Style& style);
std::string GatewaysTable(const google::protobuf::RepeatedPtrField<v1::GatewayState>& gateways,
                          bool wide, const Style& style);
// One event in a line.
std::string EventLine(const v1::Event& event, bool wide, const Style& style, absl::TimeZone zone);
std::string EventsTable(const google::protobuf::RepeatedPtrField<v1::Event>& events, bool wide,
                        const Style& style, absl::TimeZone zone);

// One thing in full.
std::string EndpointFacts(const v1::EndpointState& endpoint, const Style& style);
std::string AgentFacts(const v1::AgentState& agent, const Style& style);
std::string GatewayFacts(const v1::GatewayState& gateway, const Style& style);
std::string StatusText(const v1::ControllerStatus& status, const Style& style);

// One line that says what is different, for `watch`; `before` null: it is new. Empty: nothing that
// is worth a line (verdict, weight by 1 %, whether it is routable).
std::string EndpointChange(const v1::EndpointState* before, const v1::EndpointState& after,
                           const Style& style);

}  // namespace pointsman::cli
