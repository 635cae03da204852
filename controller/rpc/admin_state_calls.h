#pragma once

// The admin API's methods that show a running controller: endpoints, agents, gateways, events, why
// a decision was made. They change nothing. Thread-safe.

#include <string>

#include "common/core/names.h"
#include "controller/rpc/admin_config_calls.h"
#include "controller/rpc/admin_watch.h"

namespace pointsman::controller {

class AdminStateCalls : public AdminConfigCalls {
 public:
  Reactor* ListEndpoints(Context* context, const v1::ListEndpointsRequest* request,
                         v1::ListEndpointsResponse* response) override;
  Reactor* ListAgents(Context* context, const v1::ListAgentsRequest* request,
                      v1::ListAgentsResponse* response) override;
  Reactor* ListGateways(Context* context, const v1::ListGatewaysRequest* request,
                        v1::ListGatewaysResponse* response) override;
  Reactor* ListEvents(Context* context, const v1::ListEventsRequest* request,
                      v1::ListEventsResponse* response) override;
  WatchReactor* WatchEndpoints(Context* context, const v1::WatchEndpointsRequest* request) override;
  Reactor* Explain(Context* context, const v1::ExplainRequest* request,
                   v1::Explanation* response) override;
  Reactor* GetStatus(Context* context, const v1::GetStatusRequest* request,
                     v1::ControllerStatus* response) override;

 protected:
  explicit AdminStateCalls(const AdminServiceOptions& options)
      : AdminConfigCalls(options),
        watches_({options.state, options.clock, options.errors, options.watches_max}) {}

  // The endpoint that a request's "services/S/endpoints/E" names.
  static absl::StatusOr<common::EndpointRef> EndpointOf(absl::string_view name);

  EndpointWatches watches_;

 private:
  // "services/ID" to the bare ID of a configured service; "" and "services/-" to "", all.
  absl::StatusOr<std::string> ParentService(absl::string_view parent) const;
  absl::StatusOr<common::EndpointRef> ExplainedOf(const std::string& name) const;
};

}  // namespace pointsman::controller
