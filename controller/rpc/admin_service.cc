#include "controller/rpc/admin_service.h"

#include <grpcpp/server_builder.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"
#include "controller/rpc/admin_drain.h"
#include "controller/rpc/admin_state_calls.h"
#include "controller/rpc/malformed_calls.h"

namespace pointsman::controller {
namespace {

// The service: what shows and what configures lies in its bases; here are an operator's hands.
class AdminServiceCalls final : public AdminStateCalls, public AdminService {
 public:
  explicit AdminServiceCalls(const AdminServiceOptions& options) : AdminStateCalls(options) {}

  void Register(grpc::ServerBuilder& builder) override {
    builder.RegisterService(this);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators;
    creators.push_back(MakeMalformedCalls(errors_));
    builder.experimental().SetInterceptorCreators(std::move(creators));
  }
  void Shutdown() override { watches_.Shutdown(); }

  Reactor* Drain(Context* context, const v1::DrainRequest* request,
                 v1::Override* response) override;
  Reactor* Undrain(Context* context, const v1::UndrainRequest* request, Empty* response) override;
  Reactor* Freeze(Context* context, const v1::FreezeRequest* request,
                  v1::FreezeResponse* response) override;

 private:
  // NotFound "ENDPOINT_NOT_FOUND", with the nearest known one, when it is not among `states`.
  static absl::Status CheckKnown(const common::EndpointRef& endpoint,
                                 const std::vector<v1::EndpointState>& states);
  void StartDrain(const common::EndpointRef& endpoint, const std::string& comment,
                  const std::string& actor, v1::Override* response, const Done& done);
  void RecordDrain(absl::string_view type, const std::string& subject, const std::string& actor,
                   absl::string_view comment);
};

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

grpc::ServerUnaryReactor* AdminServiceCalls::Drain(Context* context,
                                                   const v1::DrainRequest* request,
                                                   v1::Override* response) {
  return Serve(context, "Drain", [&](const common::Identity& who, const Done& done) {
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
                                   const std::string& actor, v1::Override* response,
                                   const Done& done) {
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

grpc::ServerUnaryReactor* AdminServiceCalls::Undrain(Context* context,
                                                     const v1::UndrainRequest* request, Empty*) {
  return Serve(context, "Undrain", [&](const common::Identity& who, const Done& done) {
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

grpc::ServerUnaryReactor* AdminServiceCalls::Freeze(Context* context,
                                                    const v1::FreezeRequest* request,
                                                    v1::FreezeResponse* response) {
  return Serve(context, "Freeze", [&](const common::Identity& who, const Done& done) {
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
