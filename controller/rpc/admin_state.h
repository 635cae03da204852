#pragma once

// What the admin API shows of a running controller, behind one interface: the shards, the
// directory of agents and gateways, and the store stand behind it in a controller, a fake in
// tests. Thread-safe. Callbacks run once, on any thread, also on the caller's; they must not
// block.

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pointsman/v1/admin.pb.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {

class AdminState {
 public:
  virtual ~AdminState() = default;

  // Every endpoint of one service (bare ID), or of all (empty), in any order. An unknown service
  // has none. ResourceExhausted "MAILBOX_FULL": a shard cannot be asked.
  virtual void Endpoints(
      std::string service,
      std::function<void(absl::StatusOr<std::vector<v1::EndpointState>>)> done) = 0;
  // Of the service when `endpoint` is empty. NotFound: there is no such one. Else as Endpoints.
  virtual void Explain(std::string service, std::string endpoint,
                       std::function<void(absl::StatusOr<v1::Explanation>)> done) = 0;
  // In any order. O(agents), O(gateways).
  virtual std::vector<v1::AgentState> Agents() const = 0;
  virtual std::vector<v1::GatewayState> Gateways() const = 0;
  // All but the fields about configuration and freeze, which the admin service fills in. Errors:
  // as Endpoints.
  virtual void Status(std::function<void(absl::StatusOr<v1::ControllerStatus>)> done) = 0;
};

}  // namespace pointsman::controller
