#include "controller/rpc/admin_state_calls.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"
#include "common/core/status_macros.h"
#include "common/version.h"
#include "controller/rpc/admin_lists.h"
#include "controller/rpc/role.h"

namespace pointsman::controller {
namespace {

constexpr absl::Duration kWatchPeriodDefault = absl::Seconds(1);
constexpr absl::Duration kWatchPeriodMin = absl::Milliseconds(50);
constexpr absl::Duration kWatchPeriodMax = absl::Minutes(1);

}  // namespace

absl::StatusOr<common::EndpointRef> AdminStateCalls::EndpointOf(absl::string_view name) {
  absl::StatusOr<common::EndpointRef> ref = common::ParseEndpointName(name);
  if (ref.ok()) return ref;
  return common::WithReason(ref.status(), "NAME_INVALID", {{"field", "name"}});
}

// An endpoint, or a service and no endpoint.
absl::StatusOr<common::EndpointRef> AdminStateCalls::ExplainedOf(const std::string& name) const {
  if (absl::StrContains(name, "/endpoints/") || !absl::StartsWith(name, "services/")) {
    return EndpointOf(name);
  }
  PM_ASSIGN_OR_RETURN(const std::string service, ParentService(name));
  return common::EndpointRef{service, ""};
}

absl::StatusOr<std::string> AdminStateCalls::ParentService(absl::string_view parent) const {
  if (parent.empty() || parent == "services/-" || parent == "-") return std::string();
  PM_ASSIGN_OR_RETURN(const std::string name, ResourceName<ServiceKind>(parent));
  const ConfigSnapshot current = configuration_->Current();
  PM_RETURN_IF_ERROR(GetResource<ServiceKind>(*current.config, name).status());
  return std::string(common::BareId(name, ServiceKind::kCollection));
}

grpc::ServerUnaryReactor* AdminStateCalls::ListEndpoints(Context* context,
                                                         const v1::ListEndpointsRequest* request,
                                                         v1::ListEndpointsResponse* response) {
  return Serve(context, "ListEndpoints", [&](const common::Identity&, const Done& done) {
    const auto service = ParentService(request->parent());
    if (!service.ok()) return done(service.status());
    // The request, like the response, lives until `done`.
    state_->Endpoints(*service, [request, response, done](auto states) {
      if (!states.ok()) return done(states.status());
      done(FillPage(*request, *std::move(states), response, response->mutable_endpoints()));
    });
  });
}

grpc::ServerUnaryReactor* AdminStateCalls::ListAgents(Context* context,
                                                      const v1::ListAgentsRequest* request,
                                                      v1::ListAgentsResponse* response) {
  return Serve(context, "ListAgents", [&](const common::Identity&, const Done& done) {
    done(FillPage(*request, state_->Agents(), response, response->mutable_agents()));
  });
}

grpc::ServerUnaryReactor* AdminStateCalls::ListGateways(Context* context,
                                                        const v1::ListGatewaysRequest* request,
                                                        v1::ListGatewaysResponse* response) {
  return Serve(context, "ListGateways", [&](const common::Identity&, const Done& done) {
    done(FillPage(*request, state_->Gateways(), response, response->mutable_gateways()));
  });
}

grpc::ServerUnaryReactor* AdminStateCalls::ListEvents(Context* context,
                                                      const v1::ListEventsRequest* request,
                                                      v1::ListEventsResponse* response) {
  return Serve(context, "ListEvents", [&](const common::Identity&, const Done& done) {
    const auto size = PageSize(request->page_size());
    const auto before = ParseNumberToken(request->page_token());
    if (!size.ok()) return done(size.status());
    if (!before.ok()) return done(before.status());
    EventQuery query{request->type_prefix(), request->subject_prefix(), *before, *size + 1};
    events_->List(
        query, [response, size = *size, done](absl::StatusOr<std::vector<v1::Event>> found) {
          if (!found.ok()) return done(found.status());
          if (found->size() > size) {
            found->resize(size);
            response->set_next_page_token(PageToken(absl::StrCat(found->back().sequence())));
          }
          for (auto& event : *found) *response->add_events() = std::move(event);
          done(absl::OkStatus());
        });
  });
}

WatchReactor* AdminStateCalls::WatchEndpoints(Context* context,
                                              const v1::WatchEndpointsRequest* request) {
  const auto who = CheckRole(*context, "/pointsman.v1.AdminService/WatchEndpoints");
  if (!who.ok()) return watches_.Refuse(who.status());
  const auto service = ParentService(request->parent());
  if (!service.ok()) return watches_.Refuse(service.status());
  const absl::Duration period =
      request->has_period() ? common::FromProto(request->period()) : kWatchPeriodDefault;
  if (period < kWatchPeriodMin || period > kWatchPeriodMax) {
    return watches_.Refuse(common::WithReason(
        absl::InvalidArgumentError(absl::StrCat("period: ", absl::FormatDuration(period), "; from ",
                                                absl::FormatDuration(kWatchPeriodMin), " to ",
                                                absl::FormatDuration(kWatchPeriodMax))),
        "ARGUMENT_INVALID", {{"field", "period"}}));
  }
  return watches_.Open(*service, period);
}

grpc::ServerUnaryReactor* AdminStateCalls::Explain(Context* context,
                                                   const v1::ExplainRequest* request,
                                                   v1::Explanation* response) {
  return Serve(context, "Explain", [&](const common::Identity&, Done done) {
    const auto ref = ExplainedOf(request->name());
    if (!ref.ok()) return done(ref.status());
    const auto tell = Into(response, std::move(done));
    state_->Explain(ref->service, ref->endpoint, [tell, name = request->name()](auto explanation) {
      if (absl::IsNotFound(explanation.status())) {
        explanation =
            common::WithReason(explanation.status(), "ENDPOINT_NOT_FOUND", {{"resource", name}});
      }
      tell(std::move(explanation));
    });
  });
}

grpc::ServerUnaryReactor* AdminStateCalls::GetStatus(Context* context, const v1::GetStatusRequest*,
                                                     v1::ControllerStatus* response) {
  return Serve(context, "GetStatus", [&](const common::Identity&, const Done& done) {
    state_->Status([this, response, done](absl::StatusOr<v1::ControllerStatus> status) {
      if (!status.ok()) return done(status.status());
      *response = *std::move(status);
      response->set_version(std::string(common::Version()));
      response->set_config_revision(configuration_->Current().revision);
      if (const FreezeState freeze = configuration_->freeze(); freeze.frozen) {
        response->set_frozen(true);
        response->set_freeze_cause(freeze.comment.empty()
                                       ? freeze.actor
                                       : absl::StrCat(freeze.actor, ": ", freeze.comment));
      }
      done(absl::OkStatus());
    });
  });
}

}  // namespace pointsman::controller
