#include "controller/rpc/agent_service.h"

#include <grpcpp/grpcpp.h>

#include <map>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "common/log.h"
#include "common/rpc/identity.h"
#include "common/rpc/status.h"
#include "controller/core/codes.h"
#include "controller/core/report_input.h"
#include "controller/core/validate.h"
#include "controller/rpc/role.h"
#include "controller/rpc/stream_end.h"
#include "pointsman/v1/agent.grpc.pb.h"

namespace pointsman::controller {
namespace {

constexpr char kMethod[] = "/pointsman.v1.AgentService/Connect";

// Largest message of an agent: above a Hello of 256 instances with every label at its longest.
constexpr size_t kMessageBytesMax = 4 << 20;

using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// The stream is raw so that bytes which are no message are told from a stream's end.
absl::Status Parse(grpc::ByteBuffer& buffer, v1::AgentMessage& message) {
  if (buffer.Length() > kMessageBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("MESSAGE_TOO_LARGE: ", buffer.Length(), " bytes, at most ", kMessageBytesMax));
  }
  if (!grpc::SerializationTraits<v1::AgentMessage>::Deserialize(&buffer, &message).ok()) {
    return absl::InvalidArgumentError("MESSAGE_MALFORMED: not an AgentMessage");
  }
  return absl::OkStatus();
}

// Instances of one service: their places in the Hello, and the assignment they were told.
struct ServicePart {
  std::vector<uint32_t> indices;
  uint64_t assigned = 0;
  uint64_t state = 0;  // StateOf() the newest report's samples.
};

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
    StartRead(&buffer_);
  }

  // CommandWriter: under the session's lock.
  void StartCommand(v1::AgentCommand command) override {
    common::MutexLock lock(mutex_);
    if (finished_) return;
    written_.Clear();  // A buffer is filled only while it is empty.
    bool own = false;
    if (!grpc::SerializationTraits<v1::AgentCommand>::Serialize(command, &written_, &own).ok()) {
      return;
    }
    StartWrite(&written_);
  }
  void Close(const absl::Status& status) override { FinishOnce(status, session_->agent); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      FinishOnce(absl::OkStatus());
      return;
    }
    // Read anew each time and done with at the end of this call: a stream need not keep one.
    thread_local v1::AgentMessage message;
    if (absl::Status status = Parse(buffer_, message); !status.ok()) {
      FinishOnce(status, added_ ? absl::string_view(session_->agent) : "");
      return;
    }
    if (absl::Status status = Handle(message); !status.ok()) {
      // A refused Hello is told by the name it claims.
      FinishOnce(status, added_ ? session_->agent : message.hello().agent_id());
      return;
    }
    StartRead(&buffer_);
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
  absl::Status Handle(const v1::AgentMessage& message) {
    switch (message.message_case()) {
      case v1::AgentMessage::kHello:
        return OnHello(message.hello());
      case v1::AgentMessage::kReport:
        return added_ ? OnReport(message.report()) : NotGreeted();
      case v1::AgentMessage::kRestartRequest:
        return added_ ? OnRestartRequest(message.restart_request()) : NotGreeted();
      case v1::AgentMessage::kRestartResult:
        return added_ ? OnRestartResult(message.restart_result()) : NotGreeted();
      case v1::AgentMessage::MESSAGE_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError("MESSAGE_EMPTY: a message must hold one of its kinds");
  }

  static absl::Status NotGreeted() {
    return absl::FailedPreconditionError("HELLO_FIRST: the first message must be Hello");
  }

  absl::Status OnHello(const v1::AgentHello& hello) {
    PM_RETURN_IF_ERROR(ValidateHello(hello));
    if (!identity_.MaySpeakFor(common::Role::kAgent, hello.agent_id())) {
      return absl::PermissionDeniedError(absl::StrCat("IDENTITY_MISMATCH: ", identity_.ToString(),
                                                      " may not speak for agent ",
                                                      hello.agent_id()));
    }
    if (added_ && (hello.agent_id() != session_->agent || hello.boot_id() != session_->boot)) {
      return absl::InvalidArgumentError("HELLO_INVALID: agent or boot id changed on a stream");
    }
    // Others read who the session is once it is added, so that is written before and never again.
    if (!added_) {
      session_->agent = hello.agent_id();
      session_->version = hello.version();
      session_->boot = hello.boot_id();
      session_->actor = absl::StrCat("agent:", hello.agent_id());
    }
    TakeInstances(hello);
    if (!added_) {
      PM_RETURN_IF_ERROR(options_.directory->Add(session_));
      added_ = true;
      common::LogInfo("agent.connected", {{"agent", session_->agent}, {"peer", session_->peer}});
    }
    PM_RETURN_IF_ERROR(
        options_.shards->PostToAll(Input(HelloInput(hello, session_->session(), session_->actor))));
    options_.directory->Greet(*session_);
    return absl::OkStatus();
  }

  void TakeInstances(const v1::AgentHello& hello) {
    std::vector<SessionInstance> instances;
    parts_.clear();
    assigned_seen_ = 0;
    for (int i = 0; i < hello.instances_size(); ++i) {
      const v1::Instance& instance = hello.instances(i);
      instances.push_back({instance.service(), instance.endpoint().id()});
      parts_[instance.service()].indices.push_back(static_cast<uint32_t>(i));
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
    ReadAssigned();
    const Sender sender{session_->agent, session_->boot, session_->session()};
    const AgentReportInput header = ReportHeader(report, sender, session_->interval());
    for (auto& [service, part] : parts_) {
      AgentReportInput input = header;
      input.service = service;
      for (const uint32_t i : part.indices) {
        const v1::InstanceReport& instance = report.instances(static_cast<int>(i));
        const bool current = part.assigned != 0 && instance.assignment_version() == part.assigned;
        input.instances.push_back(SampleOf(instance, i, current));
      }
      const uint64_t state = StateOf(input.instances);
      const bool news = state != std::exchange(part.state, state);
      const absl::Status posted = options_.shards->Post(service, Input(std::move(input)),
                                                        news ? Urgency::kNow : Urgency::kPatient);
      if (posted.ok()) continue;
      part.state = 0;  // No slot: the next report comes by itself, and is still news.
      status.Update(posted);
    }
    return status.ok() ? status : Refuse(status);
  }

  // One atomic read a report while no assignment changes.
  void ReadAssigned() {
    const uint64_t newest = session_->newest_assignment();
    if (newest == assigned_seen_) return;
    assigned_seen_ = newest;
    for (auto& [service, part] : parts_) part.assigned = session_->AssignmentVersion(service);
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
    for (const auto& [service, part] : parts_) {
      if (absl::c_linear_search(part.indices, instance)) return service;
    }
    return "";
  }

  // `name`: of the agent, as far as it is known.
  void FinishOnce(const absl::Status& status, absl::string_view name = "") {
    {
      common::MutexLock lock(mutex_);
      if (finished_) return;
      finished_ = true;
    }
    const StreamPeer who{"agent.stream_ended", "agent", name, session_->peer};
    Finish(common::ToGrpcStatus(TellStreamEnd(who, status, *options_.refusals)));
  }

  const AgentServiceOptions& options_;
  const std::shared_ptr<AgentSession> session_;
  common::Identity identity_;
  grpc::ByteBuffer buffer_;
  grpc::ByteBuffer written_;
  bool added_ = false;
  uint32_t instance_count_ = 0;
  uint64_t last_sequence_ = 0;
  std::map<std::string, ServicePart> parts_;  // By service.
  uint64_t assigned_seen_ = 0;
  common::Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

class Service final
    : public v1::AgentService::WithRawCallbackMethod_Connect<v1::AgentService::Service> {
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
