#pragma once

// Words for people, made on demand from the records that decisions left: endpoint states for
// lists, and explanations with inputs, arithmetic and what would change the result. Decides
// nothing and computes nothing anew. Thread-safe on a const service.

#include <string>
#include <vector>

#include "common/core/time.h"
#include "controller/core/service_state.h"

namespace pointsman::v1 {
class EndpointState;
class Explanation;
}  // namespace pointsman::v1

namespace pointsman::controller {

// By endpoint ID. O(endpoints x gateways).
std::vector<v1::EndpointState> DescribeEndpoints(const ServiceState& service,
                                                 common::MonotonicTime now);

// `freeze`: why the tables are frozen; empty: they are not.
v1::Explanation ExplainEndpoint(const ServiceState& service, const EndpointState& endpoint,
                                const std::string& freeze, common::MonotonicTime now);

// One sentence: "http failed 3 times: refused".
std::string CauseOf(const ServiceState& service, const EndpointState& endpoint);

}  // namespace pointsman::controller
