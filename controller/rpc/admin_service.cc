#include "controller/rpc/admin_service.h"

#include <grpcpp/server_builder.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"
#include "common/core/status_macros.h"
#include "common/rpc/identity.h"
#include "common/rpc/status.h"
#include "common/version.h"
#include "controller/configuration.h"
#include "controller/event_log.h"
#include "controller/rpc/admin_drain.h"
#include "controller/rpc/admin_lists.h"
#include "controller/rpc/admin_resources.h"
#include "controller/rpc/admin_state.h"
#include "controller/rpc/admin_watch.h"
#include "controller/rpc/malformed_calls.h"
#include "controller/rpc/role.h"
#include "controller/rpc/stream_end.h"
#include "pointsman/v1/admin.grpc.pb.h"

namespace pointsman::controller {
namespace {

using common::Role;
using google::protobuf::Empty;
using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
// Ends the call; once.
using Done = std::function<void(absl::Status)>;

constexpr absl::Duration kWatchPeriodDefault = absl::Seconds(1);
constexpr absl::Duration kWatchPeriodMin = absl::Milliseconds(50);
constexpr absl::Duration kWatchPeriodMax = absl::Minutes(1);

absl::StatusOr<common::EndpointRef> EndpointOf(absl::string_view name) {
  absl::StatusOr<common::EndpointRef> ref = common::ParseEndpointName(name);
  if (ref.ok()) return ref;
  return common::WithReason(ref.status(), "NAME_INVALID", {{"field", "name"}});
}

// Which identity acts: only operators change things.
std::string Actor(const common::Identity& who) { return who.As(Role::kOperator); }

class AdminServiceCalls final : public v1::AdminService::CallbackService, public AdminService {
 public:
  explicit AdminServiceCalls(const AdminServiceOptions& options)
      : configuration_(options.configuration),
        events_(options.events),
        state_(options.state),
        errors_(options.errors),
        watches_({options.state, options.clock, options.errors, options.watches_max}) {}

  void Register(grpc::ServerBuilder& builder) override {
    builder.RegisterService(this);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators;
    creators.push_back(MakeMalformedCalls(errors_));
    builder.experimental().SetInterceptorCreators(std::move(creators));
  }
  void Shutdown() override { watches_.Shutdown(); }

  // Services, routes, overrides.
  Reactor* GetService(Context* c, const v1::GetServiceRequest* q, v1::Service* r) override {
    return Get<ServiceKind>(c, "GetService", q, r);
  }
  Reactor* GetRoute(Context* c, const v1::GetRouteRequest* q, v1::Route* r) override {
    return Get<RouteKind>(c, "GetRoute", q, r);
  }
  Reactor* GetOverride(Context* c, const v1::GetOverrideRequest* q, v1::Override* r) override {
    return Get<OverrideKind>(c, "GetOverride", q, r);
  }
  Reactor* ListServices(Context* c, const v1::ListServicesRequest* q,
                        v1::ListServicesResponse* r) override {
    return List<ServiceKind>(c, "ListServices", q, r, r->mutable_services());
  }
  Reactor* ListRoutes(Context* c, const v1::ListRoutesRequest* q,
                      v1::ListRoutesResponse* r) override {
    return List<RouteKind>(c, "ListRoutes", q, r, r->mutable_routes());
  }
  Reactor* ListOverrides(Context* c, const v1::ListOverridesRequest* q,
                         v1::ListOverridesResponse* r) override {
    return List<OverrideKind>(c, "ListOverrides", q, r, r->mutable_overrides());
  }
  Reactor* CreateService(Context* c, const v1::CreateServiceRequest* q, v1::Service* r) override {
    return Create<ServiceKind>(c, "CreateService",
                               {q->service_id(), q->service(), q->validate_only()}, r);
  }
  Reactor* CreateRoute(Context* c, const v1::CreateRouteRequest* q, v1::Route* r) override {
    return Create<RouteKind>(c, "CreateRoute", {q->route_id(), q->route(), q->validate_only()}, r);
  }
  Reactor* CreateOverride(Context* c, const v1::CreateOverrideRequest* q,
                          v1::Override* r) override {
    return Create<OverrideKind>(c, "CreateOverride",
                                {q->override_id(), q->override(), q->validate_only()}, r);
  }
  Reactor* UpdateService(Context* c, const v1::UpdateServiceRequest* q, v1::Service* r) override {
    return Update<ServiceKind>(c, "UpdateService", q->service(), q, r);
  }
  Reactor* UpdateRoute(Context* c, const v1::UpdateRouteRequest* q, v1::Route* r) override {
    return Update<RouteKind>(c, "UpdateRoute", q->route(), q, r);
  }
  Reactor* UpdateOverride(Context* c, const v1::UpdateOverrideRequest* q,
                          v1::Override* r) override {
    return Update<OverrideKind>(c, "UpdateOverride", q->override(), q, r);
  }
  Reactor* DeleteService(Context* c, const v1::DeleteServiceRequest* q, Empty*) override {
    return Delete<ServiceKind>(c, "DeleteService", q);
  }
  Reactor* DeleteRoute(Context* c, const v1::DeleteRouteRequest* q, Empty*) override {
    return Delete<RouteKind>(c, "DeleteRoute", q);
  }
  Reactor* DeleteOverride(Context* c, const v1::DeleteOverrideRequest* q, Empty*) override {
    return Delete<OverrideKind>(c, "DeleteOverride", q);
  }

  // The configuration as a whole.
  Reactor* Apply(Context* context, const v1::ApplyRequest* request,
                 v1::ApplyResponse* response) override {
    return Serve(context, "Apply", [&](const common::Identity& who, Done done) {
      configuration_->Apply(*request, Actor(who), Into(response, std::move(done)));
    });
  }
  Reactor* Rollback(Context* context, const v1::RollbackRequest* request,
                    v1::ApplyResponse* response) override {
    return Serve(context, "Rollback", [&](const common::Identity& who, Done done) {
      configuration_->Rollback(*request, Actor(who), Into(response, std::move(done)));
    });
  }
  Reactor* GetRevision(Context* context, const v1::GetRevisionRequest* request,
                       v1::ConfigRevision* response) override {
    return Serve(context, "GetRevision", [&](const common::Identity&, Done done) {
      configuration_->GetRevision(request->revision(), Into(response, std::move(done)));
    });
  }
  Reactor* ListRevisions(Context* context, const v1::ListRevisionsRequest* request,
                         v1::ListRevisionsResponse* response) override;

  // State.
  Reactor* ListEndpoints(Context* context, const v1::ListEndpointsRequest* request,
                         v1::ListEndpointsResponse* response) override;
  Reactor* ListAgents(Context* context, const v1::ListAgentsRequest* request,
                      v1::ListAgentsResponse* response) override {
    return Serve(context, "ListAgents", [&](const common::Identity&, Done done) {
      done(FillPage(*request, state_->Agents(), response, response->mutable_agents()));
    });
  }
  Reactor* ListGateways(Context* context, const v1::ListGatewaysRequest* request,
                        v1::ListGatewaysResponse* response) override {
    return Serve(context, "ListGateways", [&](const common::Identity&, Done done) {
      done(FillPage(*request, state_->Gateways(), response, response->mutable_gateways()));
    });
  }
  Reactor* ListEvents(Context* context, const v1::ListEventsRequest* request,
                      v1::ListEventsResponse* response) override;
  WatchReactor* WatchEndpoints(Context* context, const v1::WatchEndpointsRequest* request) override;
  Reactor* Explain(Context* context, const v1::ExplainRequest* request,
                   v1::Explanation* response) override;
  Reactor* GetStatus(Context* context, const v1::GetStatusRequest* request,
                     v1::ControllerStatus* response) override;

  // An operator's hands.
  Reactor* Drain(Context* context, const v1::DrainRequest* request,
                 v1::Override* response) override;
  Reactor* Undrain(Context* context, const v1::UndrainRequest* request, Empty* response) override;
  Reactor* Freeze(Context* context, const v1::FreezeRequest* request,
                  v1::FreezeResponse* response) override;

 private:
  // The way into every unary method: asks for the role, then runs `work`, which ends the call by
  // its Done, now or later. An error leaves with a reason, and is counted under it.
  template <typename Work>
  Reactor* Serve(Context* context, absl::string_view method, Work work) {
    Reactor* reactor = context->DefaultReactor();
    const auto who = CheckRole(*context, absl::StrCat("/pointsman.v1.AdminService/", method));
    const Done done = [reactor, errors = errors_](const absl::Status& status) {
      const absl::Status told = WithStreamReason(status);
      if (!told.ok()) errors->Count(common::ReasonOf(told));
      reactor->Finish(common::ToGrpcStatus(told));
    };
    if (who.ok()) {
      work(*who, done);
    } else {
      done(who.status());
    }
    return reactor;
  }

  // A callback that moves its value into the response, which lives until `done`.
  template <typename Response>
  static std::function<void(absl::StatusOr<Response>)> Into(Response* response, Done done) {
    return [response, done = std::move(done)](absl::StatusOr<Response> result) {
      if (result.ok()) *response = *std::move(result);
      done(result.status());
    };
  }

  template <typename Kind, typename Request>
  Reactor* Get(Context* context, absl::string_view method, const Request* request,
               typename Kind::Resource* response) {
    return Serve(context, method, [&](const common::Identity&, Done done) {
      done([&]() -> absl::Status {
        PM_ASSIGN_OR_RETURN(const std::string name, ResourceName<Kind>(request->name()));
        const ConfigSnapshot current = configuration_->Current();
        PM_ASSIGN_OR_RETURN(const auto* resource, GetResource<Kind>(*current.config, name));
        *response = *resource;
        return absl::OkStatus();
      }());
    });
  }

  template <typename Kind, typename Request, typename Response, typename Out>
  Reactor* List(Context* context, absl::string_view method, const Request* request,
                Response* response, Out* out) {
    return Serve(context, method, [&](const common::Identity&, Done done) {
      done([&]() -> absl::Status {
        const ConfigSnapshot current = configuration_->Current();
        const auto& all = Kind::In(*current.config);
        PM_ASSIGN_OR_RETURN(PageRange range,
                            CutPage(all, request->page_size(), request->page_token()));
        for (size_t i = range.begin; i < range.end; ++i) *out->Add() = all[static_cast<int>(i)];
        response->set_next_page_token(std::move(range.next_page_token));
        return absl::OkStatus();
      }());
    });
  }

  // Changes the configuration and answers with one resource of it; null: only whether it worked.
  template <typename Kind>
  void Edit(Configuration::EditRequest edit, std::string name, typename Kind::Resource* response,
            Done done) {
    configuration_->Edit(std::move(edit),
                         [name = std::move(name), response,
                          done = std::move(done)](absl::StatusOr<ConfigSnapshot> after) {
                           if (!after.ok()) return done(after.status());
                           if (response != nullptr) {
                             const auto* resource = FindResource<Kind>(*after->config, name);
                             if (resource == nullptr)
                               return done(absl::InternalError(absl::StrCat(name, " is gone")));
                             *response = *resource;
                           }
                           done(absl::OkStatus());
                         });
  }

  template <typename Kind>
  struct Creation {
    std::string id;
    typename Kind::Resource resource;
    bool validate_only = false;
  };
  template <typename Kind>
  Reactor* Create(Context* context, absl::string_view method, Creation<Kind> creation,
                  typename Kind::Resource* response) {
    return Serve(context, method, [&](const common::Identity& who, Done done) {
      const auto name = ResourceName<Kind>(creation.id);
      if (!name.ok()) return done(name.status());
      Configuration::EditRequest edit;
      edit.actor = Actor(who);
      edit.comment = absl::StrCat("create ", *name);
      edit.validate_only = creation.validate_only;
      edit.change = [creation](v1::Config* config) {
        return CreateResource<Kind>(creation.id, creation.resource, config);
      };
      Edit<Kind>(std::move(edit), *name, response, std::move(done));
    });
  }

  template <typename Kind, typename Request>
  Reactor* Update(Context* context, absl::string_view method, typename Kind::Resource resource,
                  const Request* request, typename Kind::Resource* response) {
    return Serve(context, method, [&](const common::Identity& who, Done done) {
      const auto name = ResourceName<Kind>(resource.name());
      if (!name.ok()) return done(name.status());
      resource.set_name(*name);
      Configuration::EditRequest edit;
      edit.actor = Actor(who);
      edit.comment = absl::StrCat("update ", *name);
      edit.validate_only = request->validate_only();
      edit.change = [resource, mask = request->update_mask(),
                     allow_missing = request->allow_missing()](v1::Config* config) {
        return UpdateResource<Kind>(resource, mask, allow_missing, config);
      };
      Edit<Kind>(std::move(edit), *name, response, std::move(done));
    });
  }

  template <typename Kind, typename Request>
  Reactor* Delete(Context* context, absl::string_view method, const Request* request) {
    return Serve(context, method, [&](const common::Identity& who, Done done) {
      const auto name = ResourceName<Kind>(request->name());
      if (!name.ok()) return done(name.status());
      Configuration::EditRequest edit;
      edit.actor = Actor(who);
      edit.comment = absl::StrCat("delete ", *name);
      edit.change = [name = *name, etag = request->etag()](v1::Config* config) {
        return DeleteResource<Kind>(name, etag, config);
      };
      Edit<Kind>(std::move(edit), *name, nullptr, std::move(done));
    });
  }

  // "services/ID" to the bare ID of a configured service; "" and "services/-" to "", all.
  absl::StatusOr<std::string> ParentService(absl::string_view parent) const {
    if (parent.empty() || parent == "services/-" || parent == "-") return std::string();
    PM_ASSIGN_OR_RETURN(const std::string name, ResourceName<ServiceKind>(parent));
    const ConfigSnapshot current = configuration_->Current();
    PM_RETURN_IF_ERROR(GetResource<ServiceKind>(*current.config, name).status());
    return std::string(common::BareId(name, ServiceKind::kCollection));
  }

  // NotFound "ENDPOINT_NOT_FOUND", with the nearest known one, when it is not among `states`.
  static absl::Status CheckKnown(const common::EndpointRef& endpoint,
                                 const std::vector<v1::EndpointState>& states);
  void StartDrain(const common::EndpointRef& endpoint, const std::string& comment,
                  const std::string& actor, v1::Override* response, Done done);
  void RecordDrain(absl::string_view type, const std::string& subject, const std::string& actor,
                   absl::string_view comment);

  Configuration* const configuration_;
  EventLog* const events_;
  AdminState* const state_;
  RefusalCounts* const errors_;
  EndpointWatches watches_;
};

Reactor* AdminServiceCalls::ListRevisions(Context* context, const v1::ListRevisionsRequest* request,
                                          v1::ListRevisionsResponse* response) {
  return Serve(context, "ListRevisions", [&](const common::Identity&, Done done) {
    const auto size = PageSize(request->page_size());
    const auto before = ParseNumberToken(request->page_token());
    if (!size.ok()) return done(size.status());
    if (!before.ok()) return done(before.status());
    // One more than asked, to know whether there is a next page.
    configuration_->ListRevisions(
        *before, *size + 1,
        [response, size = *size, done](absl::StatusOr<std::vector<v1::ConfigRevision>> found) {
          if (!found.ok()) return done(found.status());
          if (found->size() > size) {
            found->resize(size);
            response->set_next_page_token(PageToken(absl::StrCat(found->back().revision())));
          }
          for (auto& revision : *found) *response->add_revisions() = std::move(revision);
          done(absl::OkStatus());
        });
  });
}

Reactor* AdminServiceCalls::ListEvents(Context* context, const v1::ListEventsRequest* request,
                                       v1::ListEventsResponse* response) {
  return Serve(context, "ListEvents", [&](const common::Identity&, Done done) {
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

Reactor* AdminServiceCalls::ListEndpoints(Context* context, const v1::ListEndpointsRequest* request,
                                          v1::ListEndpointsResponse* response) {
  return Serve(context, "ListEndpoints", [&](const common::Identity&, Done done) {
    const auto service = ParentService(request->parent());
    if (!service.ok()) return done(service.status());
    // The request, like the response, lives until `done`.
    state_->Endpoints(*service, [request, response, done](auto states) {
      if (!states.ok()) return done(states.status());
      done(FillPage(*request, *std::move(states), response, response->mutable_endpoints()));
    });
  });
}

WatchReactor* AdminServiceCalls::WatchEndpoints(Context* context,
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

Reactor* AdminServiceCalls::Explain(Context* context, const v1::ExplainRequest* request,
                                    v1::Explanation* response) {
  return Serve(context, "Explain", [&](const common::Identity&, Done done) {
    const auto ref = EndpointOf(request->name());
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

Reactor* AdminServiceCalls::GetStatus(Context* context, const v1::GetStatusRequest*,
                                      v1::ControllerStatus* response) {
  return Serve(context, "GetStatus", [&](const common::Identity&, Done done) {
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

absl::Status AdminServiceCalls::CheckKnown(const common::EndpointRef& endpoint,
                                           const std::vector<v1::EndpointState>& states) {
  const std::string name = common::EndpointName(endpoint.service, endpoint.endpoint);
  std::vector<std::string> known;
  for (const v1::EndpointState& state : states) {
    if (state.name() == name) return absl::OkStatus();
    known.push_back(state.name());
  }
  const std::optional<std::string> nearest = common::NearestName(name, known);
  return common::WithReason(
      absl::NotFoundError(absl::StrCat(
          "no endpoint ", name, nearest ? absl::StrCat("; did you mean ", *nearest, "?") : "",
          " (to drain one before it registers, create an override)")),
      "ENDPOINT_NOT_FOUND", {{"resource", name}});
}

Reactor* AdminServiceCalls::Drain(Context* context, const v1::DrainRequest* request,
                                  v1::Override* response) {
  return Serve(context, "Drain", [&](const common::Identity& who, Done done) {
    const auto ref = EndpointOf(request->name());
    if (!ref.ok()) return done(ref.status());
    state_->Endpoints(
        ref->service, [this, ref = *ref, comment = request->comment(), actor = Actor(who), response,
                       done](const absl::StatusOr<std::vector<v1::EndpointState>>& states) {
          const absl::Status known = states.ok() ? CheckKnown(ref, *states) : states.status();
          if (!known.ok()) return done(known);
          StartDrain(ref, comment, actor, response, done);
        });
  });
}

void AdminServiceCalls::StartDrain(const common::EndpointRef& endpoint, const std::string& comment,
                                   const std::string& actor, v1::Override* response, Done done) {
  const std::string subject = common::EndpointName(endpoint.service, endpoint.endpoint);
  Configuration::EditRequest edit;
  edit.actor = actor;
  edit.comment = absl::StrCat("drain ", subject);
  edit.change = [endpoint, comment](v1::Config* config) {
    return AddDrain(endpoint, comment, config);
  };
  Edit<OverrideKind>(std::move(edit), DrainOverrideName(endpoint), response,
                     [this, subject, actor, comment, done](const absl::Status& status) {
                       if (status.ok()) RecordDrain("endpoint.drained", subject, actor, comment);
                       done(status);
                     });
}

Reactor* AdminServiceCalls::Undrain(Context* context, const v1::UndrainRequest* request, Empty*) {
  return Serve(context, "Undrain", [&](const common::Identity& who, Done done) {
    const auto ref = EndpointOf(request->name());
    if (!ref.ok()) return done(ref.status());
    const std::string subject = common::EndpointName(ref->service, ref->endpoint);
    Configuration::EditRequest edit;
    edit.actor = Actor(who);
    edit.comment = absl::StrCat("undrain ", subject);
    edit.change = [ref = *ref](v1::Config* config) { return RemoveDrain(ref, config); };
    Edit<OverrideKind>(std::move(edit), "", nullptr,
                       [this, subject, actor = Actor(who), done](const absl::Status& status) {
                         if (status.ok()) RecordDrain("endpoint.undrained", subject, actor, "");
                         done(status);
                       });
  });
}

void AdminServiceCalls::RecordDrain(absl::string_view type, const std::string& subject,
                                    const std::string& actor, absl::string_view comment) {
  EventDraft event;
  event.type = std::string(type);
  event.subject = subject;
  event.actor = actor;
  event.summary = absl::StrCat(type == "endpoint.drained" ? "drained" : "no longer drained",
                               comment.empty() ? "" : ": ", comment);
  events_->Record(std::move(event));
}

Reactor* AdminServiceCalls::Freeze(Context* context, const v1::FreezeRequest* request,
                                   v1::FreezeResponse* response) {
  return Serve(context, "Freeze", [&](const common::Identity& who, Done done) {
    configuration_->SetFreeze(request->frozen(), request->comment(), Actor(who),
                              [response, done](absl::StatusOr<FreezeState> state) {
                                if (!state.ok()) return done(state.status());
                                response->set_frozen(state->frozen);
                                common::ToProto(state->time, response->mutable_time());
                                done(absl::OkStatus());
                              });
  });
}

}  // namespace

std::unique_ptr<AdminService> MakeAdminService(const AdminServiceOptions& options) {
  return std::make_unique<AdminServiceCalls>(options);
}

}  // namespace pointsman::controller
