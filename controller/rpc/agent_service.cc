#include "controller/rpc/agent_service.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "common/log.h"
#include "common/rpc/identity.h"
#include "common/rpc/status.h"
#include "controller/core/codes.h"
#include "controller/core/validate.h"
#include "controller/rpc/report_input.h"
#include "controller/rpc/role.h"
#include "pointsman/v1/agent.grpc.pb.h"

namespace pointsman::controller {
namespace {

constexpr char kMethod[] = "/pointsman.v1.AgentService/Connect";

using Reactor = grpc::ServerBidiReactor<v1::AgentMessage, v1::AgentCommand>;

// One agent's stream. Reads one message at a time; writes what the session hands out. Deletes
// itself when gRPC is done with it.
class AgentStream final : public Reactor, public CommandWriter {
 public:
  AgentStream(const AgentServiceOptions& options, grpc::CallbackServerContext& context,
              absl::StatusOr<common::Identity> identity)
      : options_(options), session_(std::make_shared<AgentSession>(this)) {
    session_->peer = context.peer();
    if (!identity.ok()) {
      FinishOnce(identity.status());
      return;
    }
    identity_ = *std::move(identity);
    StartRead(&message_);
  }

  // CommandWriter: under the session's lock.
  void StartCommand(v1::AgentCommand command) override {
    common::MutexLock lock(mutex_);
    if (finished_) return;
    command_ = std::move(command);
    StartWrite(&command_);
  }
  void Close(const absl::Status& status) override { FinishOnce(status); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      FinishOnce(absl::OkStatus());
      return;
    }
    const absl::Status status = Handle();
    if (!status.ok()) {
      FinishOnce(status);
      return;
    }
    StartRead(&message_);
  }

  void OnWriteDone(bool ok) override {
    if (ok) session_->OnWritten();
  }

  void OnDone() override {
    session_->Detach();
    if (added_) {
      options_.directory->Remove(session_);
      AgentGoneInput gone{session_->agent, session_->session()};
      (void)options_.shards->PostToAll(Input(std::move(gone)));
      common::LogInfo("agent.gone", {{"agent", session_->agent}, {"peer", session_->peer}});
    }
    delete this;
  }

 private:
  // An error ends the stream; what is only dropped is refused and counted.
  absl::Status Handle() {
    switch (message_.message_case()) {
      case v1::AgentMessage::kHello:
        return OnHello(message_.hello());
      case v1::AgentMessage::kReport:
        return added_ ? OnReport(message_.report()) : NotGreeted();
      case v1::AgentMessage::kRestartRequest:
        return added_ ? OnRestartRequest(message_.restart_request()) : NotGreeted();
      case v1::AgentMessage::kRestartResult:
        return added_ ? OnRestartResult(message_.restart_result()) : NotGreeted();
      case v1::AgentMessage::MESSAGE_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError("MESSAGE_EMPTY: a message must hold one of its kinds");
  }

  static absl::Status NotGreeted() {
    return absl::FailedPreconditionError("HELLO_FIRST: the first message must be Hello");
  }

  absl::Status OnHello(const v1::AgentHello& hello) {
    if (absl::Status status = ValidateHello(hello); !status.ok()) {
      options_.refusals->Count(CodeOf(status));
      return status;
    }
    if (!identity_.MaySpeakFor(common::Role::kAgent, hello.agent_id())) {
      return absl::PermissionDeniedError(absl::StrCat("IDENTITY_MISMATCH: ", identity_.ToString(),
                                                      " may not speak for agent ",
                                                      hello.agent_id()));
    }
    if (added_ && (hello.agent_id() != session_->agent || hello.boot_id() != session_->boot)) {
      return absl::InvalidArgumentError("HELLO_INVALID: agent or boot id changed on a stream");
    }
    session_->agent = hello.agent_id();
    session_->version = hello.version();
    session_->boot = hello.boot_id();
    session_->actor = absl::StrCat("agent:", hello.agent_id());
    TakeInstances(hello);
    PM_RETURN_IF_ERROR(options_.directory->Add(session_));
    if (!added_) {
      common::LogInfo("agent.connected", {{"agent", session_->agent}, {"peer", session_->peer}});
    }
    added_ = true;
    PM_RETURN_IF_ERROR(
        options_.shards->PostToAll(Input(HelloInput(hello, session_->session(), session_->actor))));
    options_.directory->Greet(*session_);
    return absl::OkStatus();
  }

  void TakeInstances(const v1::AgentHello& hello) {
    std::vector<SessionInstance> instances;
    instances_of_.clear();
    for (int i = 0; i < hello.instances_size(); ++i) {
      const v1::Instance& instance = hello.instances(i);
      instances.push_back({instance.service(), instance.endpoint().id()});
      instances_of_[instance.service()].push_back(static_cast<uint32_t>(i));
    }
    instance_count_ = static_cast<uint32_t>(instances.size());
    session_->SetInstances(std::move(instances), options_.directory->NewSession());
  }

  absl::Status OnReport(const v1::AgentReport& report) {
    absl::Status status = ValidateReport(report, instance_count_);
    if (status.ok() && report.sequence() <= last_sequence_) {
      status = absl::InvalidArgumentError(absl::StrCat(
          kReportStale, ": sequence ", report.sequence(), ", newest is ", last_sequence_));
    }
    if (!status.ok()) return Refuse(status);
    last_sequence_ = report.sequence();
    session_->CountReport(options_.clock->Now());
    options_.directory->CountReport();
    const Sender sender{session_->agent, session_->boot, session_->session()};
    const AgentReportInput header = ReportHeader(report, sender, session_->interval());
    for (const auto& [service, indices] : instances_of_) {
      AgentReportInput input = header;
      input.service = service;
      const uint64_t assigned = session_->AssignmentVersion(service);
      for (const uint32_t i : indices) {
        const v1::InstanceReport& instance = report.instances(static_cast<int>(i));
        const bool current = assigned != 0 && instance.assignment_version() == assigned;
        input.instances.push_back(SampleOf(instance, i, current));
      }
      PM_RETURN_IF_ERROR(options_.shards->Post(service, Input(std::move(input))));
    }
    return absl::OkStatus();
  }

  absl::Status OnRestartRequest(const v1::RestartRequest& request) {
    if (absl::Status status = ValidateRestartRequest(request, instance_count_); !status.ok()) {
      return Refuse(status);
    }
    const std::string service = ServiceOf(request.instance());
    RestartRequestInput input{session_->agent, session_->session(), request.request_id(),
                              request.instance(), request.cause()};
    return options_.shards->Post(service, Input(std::move(input)));
  }

  // The result names no service: every shard looks for the lease.
  absl::Status OnRestartResult(const v1::RestartResult& result) {
    if (absl::Status status = ValidateRestartResult(result); !status.ok()) return Refuse(status);
    RestartResultInput input{session_->agent, session_->session(), result.request_id(),
                             result.succeeded(), result.detail()};
    return options_.shards->PostToAll(Input(std::move(input)));
  }

  absl::Status Refuse(const absl::Status& status) {
    options_.refusals->Count(CodeOf(status));
    session_->SendRefusal(status);
    return absl::OkStatus();
  }

  std::string ServiceOf(uint32_t instance) const {
    for (const auto& [service, indices] : instances_of_) {
      if (std::find(indices.begin(), indices.end(), instance) != indices.end()) return service;
    }
    return "";
  }

  void FinishOnce(const absl::Status& status) {
    {
      common::MutexLock lock(mutex_);
      if (finished_) return;
      finished_ = true;
    }
    if (!status.ok()) {
      common::LogWarning("agent.stream_ended",
                         {{"agent", session_->agent}, {"cause", status.ToString()}});
    }
    Finish(common::ToGrpcStatus(status));
  }

  const AgentServiceOptions& options_;
  const std::shared_ptr<AgentSession> session_;
  common::Identity identity_;
  v1::AgentMessage message_;
  v1::AgentCommand command_;
  bool added_ = false;
  uint32_t instance_count_ = 0;
  uint64_t last_sequence_ = 0;
  std::map<std::string, std::vector<uint32_t>> instances_of_;  // By service.
  common::Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

class Service final : public v1::AgentService::CallbackService {
 public:
  explicit Service(const AgentServiceOptions& options) : options_(options) {}

  Reactor* Connect(grpc::CallbackServerContext* context) override {
    return new AgentStream(options_, *context, CheckRole(*context, kMethod));
  }

 private:
  const AgentServiceOptions options_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAgentService(const AgentServiceOptions& options) {
  return std::make_unique<Service>(options);
}

}  // namespace pointsman::controller
