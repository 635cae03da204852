#pragma once

// The admin API over real gRPC, with a real store and a fake state, and what tests ask of it.
// Thread-compatible.

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/config_load.h"
#include "common/core/error_reason.h"
#include "common/rpc/status.h"
#include "controller/configuration.h"
#include "controller/event_log.h"
#include "controller/rpc/admin_service.h"
#include "controller/rpc/admin_state.h"
#include "controller/store/sqlite_store.h"
#include "gtest/gtest.h"
#include "pointsman/v1/admin.grpc.pb.h"
#include "tests/controller/store/temp_folder.h"

namespace pointsman::controller {

class FakeState final : public AdminState {
 public:
  void Set(const std::string& name, uint32_t weight) {
    common::MutexLock lock(mutex_);
    weights_[name] = weight;
  }
  void Remove(const std::string& name) {
    common::MutexLock lock(mutex_);
    weights_.erase(name);
  }

  // From now on no shard can be asked.
  void Fill() {
    common::MutexLock lock(mutex_);
    full_ = true;
  }

  void Endpoints(
      std::string service,
      std::function<void(absl::StatusOr<std::vector<v1::EndpointState>>)> done) override {
    if (full()) return done(Full());
    std::vector<v1::EndpointState> states;
    {
      common::MutexLock lock(mutex_);
      for (const auto& [name, weight] : weights_) {
        const std::string prefix = absl::StrCat("services/", service, "/");
        if (!service.empty() && name.rfind(prefix, 0) != 0) continue;
        v1::EndpointState state;
        state.set_name(name);
        state.set_weight(weight);
        // Changes all the time and must not count as a change.
        state.mutable_since()->set_seconds(++ticks_);
        states.push_back(state);
      }
    }
    done(std::move(states));
  }
  void Explain(std::string service, std::string endpoint,
               std::function<void(absl::StatusOr<v1::Explanation>)> done) override {
    if (full()) return done(Full());
    // As the core says it: without a reason of its own.
    if (endpoint == "absent") return done(absl::NotFoundError("no endpoint \"absent\""));
    v1::Explanation explanation;
    explanation.set_name(absl::StrCat("services/", service, "/endpoints/", endpoint));
    done(explanation);
  }
  std::vector<v1::AgentState> Agents() const override {
    std::vector<v1::AgentState> agents(2);
    agents[0].set_name("agents/b");
    agents[1].set_name("agents/a");
    return agents;
  }
  std::vector<v1::GatewayState> Gateways() const override { return {}; }
  void Status(std::function<void(absl::StatusOr<v1::ControllerStatus>)> done) override {
    if (full()) return done(Full());
    v1::ControllerStatus status;
    status.set_services(7);
    done(status);
  }

 private:
  bool full() {
    common::MutexLock lock(mutex_);
    return full_;
  }
  // As the mailbox says it.
  static absl::Status Full() {
    return common::WithReason(absl::ResourceExhaustedError("MAILBOX_FULL: at most 1"),
                              "MAILBOX_FULL");
  }

  common::Mutex mutex_;
  bool full_ ABSL_GUARDED_BY(mutex_) = false;
  int ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, uint32_t> weights_ ABSL_GUARDED_BY(mutex_);
};

class AdminWorld : public testing::Test {
 protected:
  void SetUp() override {
    store_ = OpenSqliteStore({folder_.path(), fault_}).value();
    EventLog::Options log;
    log.store = &store_->local();
    log.clock = &common::SystemClock();
    events_ = std::make_unique<EventLog>(log);
    configuration_ = std::make_unique<Configuration>(
        Configuration::Options{&store_->shared(), events_.get(), &common::SystemClock()});
    ASSERT_TRUE(configuration_->Start().ok());
    admin_ = MakeAdminService(
        {configuration_.get(), events_.get(), &state_, &common::SystemClock(), &errors_, 2});
    grpc::ServerBuilder builder;
    int port = 0;
    builder.SetMaxReceiveMessageSize(32 << 20);  // As the controller.
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    admin_->Register(builder);
    server_ = builder.BuildAndStart();
    stub_ = v1::AdminService::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
    state_.Set("services/web/endpoints/web-1", 1);
    state_.Set("services/web/endpoints/web-2", 2);
    state_.Set("services/api/endpoints/api-1", 3);
  }
  void TearDown() override {
    admin_->Shutdown();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  }

  template <typename Response, typename Method, typename Request>
  absl::StatusOr<Response> Call(Method method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    Response response;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    if (!status.ok()) return common::FromGrpcStatus(status);
    return response;
  }
  using Stub = v1::AdminService::Stub;

  absl::StatusOr<v1::ApplyResponse> Apply(const std::string& yaml) {
    v1::ApplyRequest request;
    *request.mutable_config() = common::ParseConfig(yaml, "test.yaml").value();
    return Call<v1::ApplyResponse>(&Stub::Apply, request);
  }
  absl::StatusOr<v1::Service> Update(v1::UpdateServiceRequest request) {
    return Call<v1::Service>(&Stub::UpdateService, request);
  }
  absl::StatusOr<v1::Service> Get(const std::string& name) {
    v1::GetServiceRequest request;
    request.set_name(name);
    return Call<v1::Service>(&Stub::GetService, request);
  }
  absl::StatusOr<v1::Override> Drain(const std::string& name) {
    v1::DrainRequest request;
    request.set_name(name);
    request.set_comment("disk");
    return Call<v1::Override>(&Stub::Drain, request);
  }
  absl::StatusOr<google::protobuf::Empty> Undrain(const std::string& name) {
    v1::UndrainRequest request;
    request.set_name(name);
    return Call<google::protobuf::Empty>(&Stub::Undrain, request);
  }

  TempFolder folder_;
  const std::string fault_ = folder_.file("fault");
  FakeState state_;
  RefusalCounts errors_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<Configuration> configuration_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Stub> stub_;
};

// The code and the reason of an error, "OK" without one.
template <typename T>
inline std::string Refusal(const absl::StatusOr<T>& result) {
  if (result.ok()) return "OK";
  return absl::StrCat(absl::StatusCodeToString(result.status().code()), " ",
                      common::ReasonOf(result.status()));
}

}  // namespace pointsman::controller
