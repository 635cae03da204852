#include "bench/fleet/echo_controller.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "pointsman/v1/admin.grpc.pb.h"
#include "pointsman/v1/agent.grpc.pb.h"
#include "pointsman/v1/gateway.grpc.pb.h"

namespace pointsman::bench {
namespace {

// Reads until the client ends; answers Hello with Welcome, a report with nothing.
class EchoStream final : public grpc::ServerBidiReactor<v1::AgentMessage, v1::AgentCommand> {
 public:
  explicit EchoStream(std::atomic<uint64_t>& reports) : reports_(reports) { StartRead(&message_); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    if (message_.has_hello()) {
      command_.mutable_welcome()->mutable_report_interval()->set_seconds(1);
      StartWrite(&command_);
    } else {
      reports_.fetch_add(1, std::memory_order_relaxed);
    }
    StartRead(&message_);
  }
  void OnWriteDone(bool) override {}
  void OnDone() override { delete this; }

 private:
  std::atomic<uint64_t>& reports_;
  v1::AgentMessage message_;
  v1::AgentCommand command_;
};

}  // namespace

class EchoAgentService final : public v1::AgentService::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::AgentMessage, v1::AgentCommand>* Connect(
      grpc::CallbackServerContext*) override {
    return new EchoStream(reports);
  }
  std::atomic<uint64_t> reports{0};
};

// Registered and never called: gRPC keeps a row for each method with each connection, and the
// controller's other services are on the agents' port, too.
struct OtherServices {
  v1::AdminService::CallbackService admin;
  v1::GatewayService::CallbackService gateway;
};

EchoController::EchoController()
    : service_(std::make_unique<EchoAgentService>()), others_(std::make_unique<OtherServices>()) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service_.get());
  builder.RegisterService(&others_->admin);
  builder.RegisterService(&others_->gateway);
  server_ = builder.BuildAndStart();
  PM_CHECK(server_ != nullptr);
  address_ = absl::StrCat("127.0.0.1:", port);
}

EchoController::~EchoController() { server_->Shutdown(std::chrono::system_clock::now()); }

uint64_t EchoController::reports() const { return service_->reports.load(); }

}  // namespace pointsman::bench
