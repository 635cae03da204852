#include "cli/admin_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/connect_error.h"
#include "cli/next_step.h"
#include "common/core/error_reason.h"
#include "common/core/status_macros.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "pointsman/v1/admin.grpc.pb.h"

namespace pointsman::cli {
namespace {

using Stub = v1::AdminService::Stub;

template <typename Request, typename Response>
using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

constexpr int kPageSize = 1000;

// For what MakeChannel refuses.
absl::string_view NextOfOptions(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
      return "correct the path, or let this user read the file";
    case absl::StatusCode::kFailedPrecondition:
      return "give --tls-cert, --tls-key and --tls-ca; --insecure only on a network you trust";
    default:
      return "see --controller and the --tls- options in \"pointsman help\"";
  }
}

}  // namespace

class AdminClient::Connection {
 public:
  Connection(const ConnectOptions& options, const std::shared_ptr<grpc::Channel>& channel)
      : options_(options), stub_(v1::AdminService::NewStub(channel)) {}

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + options_.timeout));
    Response response;
    PM_RETURN_IF_ERROR(ToStatus((stub_.get()->*method)(&context, request, &response)));
    return response;
  }

  // `entries` gives the list of an answer; pages are joined in it.
  template <typename Request, typename Response, typename Entries>
  absl::StatusOr<Response> List(Method<Request, Response> method, Request request, Entries entries,
                                int limit = 0) {
    const int most = limit > 0 ? std::min(limit, kEntriesMax) : kEntriesMax;
    Response all;
    while (true) {
      const int left = most - entries(all)->size();
      request.set_page_size(std::min(left, kPageSize));
      PM_ASSIGN_OR_RETURN(Response page, Call(method, request));
      request.set_page_token(page.next_page_token());
      entries(all)->MergeFrom(*entries(page));
      if (page.next_page_token().empty() || entries(all)->size() >= most) return all;
    }
  }

  // An unreachable controller is told by its address and with what to change.
  absl::Status ToStatus(const grpc::Status& status) const {
    absl::Status converted = common::FromGrpcStatus(status);
    const bool server_said_so = !common::ReasonOf(converted).empty();
    const bool unreachable = absl::IsUnavailable(converted) || absl::IsDeadlineExceeded(converted);
    if (unreachable && !server_said_so) return ExplainConnectFailure(converted, options_);
    return converted;
  }

  Stub& stub() { return *stub_; }

 private:
  const ConnectOptions options_;
  const std::unique_ptr<Stub> stub_;
};

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Make(const ConnectOptions& options) {
  common::ChannelOptions channel_options;
  channel_options.targets = absl::StrSplit(options.controller, ',', absl::SkipEmpty());
  channel_options.tls = {options.tls_cert, options.tls_key, options.tls_ca, absl::ZeroDuration()};
  channel_options.insecure = options.insecure;
  channel_options.connect_timeout = options.timeout;
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = MakeChannel(channel_options);
  if (!channel.ok()) return WithNext(channel.status(), NextOfOptions(channel.status()));
  return std::unique_ptr<AdminClient>(
      new AdminClient(std::make_unique<Connection>(options, *channel)));
}

AdminClient::AdminClient(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
AdminClient::~AdminClient() = default;

absl::StatusOr<v1::ApplyResponse> AdminClient::Apply(const v1::ApplyRequest& request) {
  return connection_->Call(&Stub::Apply, request);
}
absl::StatusOr<v1::ApplyResponse> AdminClient::Rollback(const v1::RollbackRequest& request) {
  return connection_->Call(&Stub::Rollback, request);
}
absl::StatusOr<v1::ConfigRevision> AdminClient::GetRevision(const v1::GetRevisionRequest& request) {
  return connection_->Call(&Stub::GetRevision, request);
}
absl::StatusOr<v1::Explanation> AdminClient::Explain(const v1::ExplainRequest& request) {
  return connection_->Call(&Stub::Explain, request);
}
absl::StatusOr<v1::ControllerStatus> AdminClient::GetStatus() {
  return connection_->Call(&Stub::GetStatus, v1::GetStatusRequest());
}
absl::StatusOr<v1::Override> AdminClient::Drain(const v1::DrainRequest& request) {
  return connection_->Call(&Stub::Drain, request);
}
absl::Status AdminClient::Undrain(const v1::UndrainRequest& request) {
  return connection_->Call(&Stub::Undrain, request).status();
}
absl::StatusOr<v1::FreezeResponse> AdminClient::Freeze(const v1::FreezeRequest& request) {
  return connection_->Call(&Stub::Freeze, request);
}

absl::StatusOr<v1::ListServicesResponse> AdminClient::ListServices() {
  return connection_->List(&Stub::ListServices, v1::ListServicesRequest(),
                           [](auto& answer) { return answer.mutable_services(); });
}
absl::StatusOr<v1::ListRoutesResponse> AdminClient::ListRoutes() {
  return connection_->List(&Stub::ListRoutes, v1::ListRoutesRequest(),
                           [](auto& answer) { return answer.mutable_routes(); });
}
absl::StatusOr<v1::ListOverridesResponse> AdminClient::ListOverrides() {
  return connection_->List(&Stub::ListOverrides, v1::ListOverridesRequest(),
                           [](auto& answer) { return answer.mutable_overrides(); });
}
absl::StatusOr<v1::ListEndpointsResponse> AdminClient::ListEndpoints(const std::string& parent) {
  v1::ListEndpointsRequest request;
  request.set_parent(parent);
  return connection_->List(&Stub::ListEndpoints, request,
                           [](auto& answer) { return answer.mutable_endpoints(); });
}
absl::StatusOr<v1::ListAgentsResponse> AdminClient::ListAgents() {
  return connection_->List(&Stub::ListAgents, v1::ListAgentsRequest(),
                           [](auto& answer) { return answer.mutable_agents(); });
}
absl::StatusOr<v1::ListGatewaysResponse> AdminClient::ListGateways() {
  return connection_->List(&Stub::ListGateways, v1::ListGatewaysRequest(),
                           [](auto& answer) { return answer.mutable_gateways(); });
}
absl::StatusOr<v1::ListEventsResponse> AdminClient::ListEvents(v1::ListEventsRequest request,
                                                               int limit) {
  return connection_->List(
      &Stub::ListEvents, std::move(request), [](auto& answer) { return answer.mutable_events(); },
      limit);
}
absl::StatusOr<v1::ListRevisionsResponse> AdminClient::ListRevisions(int limit) {
  return connection_->List(
      &Stub::ListRevisions, v1::ListRevisionsRequest(),
      [](auto& answer) { return answer.mutable_revisions(); }, limit);
}

absl::Status AdminClient::WatchEndpoints(
    const v1::WatchEndpointsRequest& request,
    const std::function<bool(const v1::WatchEndpointsResponse&)>& take) {
  grpc::ClientContext context;
  const auto reader = connection_->stub().WatchEndpoints(&context, request);
  v1::WatchEndpointsResponse message;
  while (reader->Read(&message)) {
    if (take(message)) continue;
    context.TryCancel();
    while (reader->Read(&message)) {
    }
    static_cast<void>(reader->Finish());  // Cancelled by ourselves.
    return absl::OkStatus();
  }
  return connection_->ToStatus(reader->Finish());
}

}  // namespace pointsman::cli
