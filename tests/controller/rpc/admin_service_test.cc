// The admin API over real gRPC, a real store and a fake state.
#include "controller/rpc/admin_service.h"

#include <grpcpp/grpcpp.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/core/config_load.h"
#include "common/core/error_reason.h"
#include "common/rpc/status.h"
#include "controller/configuration.h"
#include "controller/event_log.h"
#include "controller/rpc/admin_state.h"
#include "controller/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pointsman/v1/admin.grpc.pb.h"
#include "tests/controller/store/temp_folder.h"

namespace pointsman::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

  void Endpoints(std::string service,
                 std::function<void(std::vector<v1::EndpointState>)> done) override {
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
  void Status(std::function<void(v1::ControllerStatus)> done) override {
    v1::ControllerStatus status;
    status.set_services(7);
    done(status);
  }

 private:
  common::Mutex mutex_;
  int ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, uint32_t> weights_ ABSL_GUARDED_BY(mutex_);
};

class AdminServiceTest : public testing::Test {
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
    admin_ =
        MakeAdminService({configuration_.get(), events_.get(), &state_, &common::SystemClock(), 2});
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(admin_->service());
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
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<Configuration> configuration_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Stub> stub_;
};

// The code and the reason of an error, "OK" without one.
template <typename T>
std::string Refusal(const absl::StatusOr<T>& result) {
  if (result.ok()) return "OK";
  return absl::StrCat(absl::StatusCodeToString(result.status().code()), " ",
                      common::ReasonOf(result.status()));
}

TEST_F(AdminServiceTest, CreatesReadsUpdatesAndDeletesAResource) {
  v1::CreateServiceRequest create;
  create.set_service_id("web");
  create.mutable_service()->mutable_retries()->set_max_retries(1);
  create.set_validate_only(true);
  EXPECT_EQ(Call<v1::Service>(&Stub::CreateService, create)->name(), "services/web");
  EXPECT_EQ(Refusal(Get("services/web")), "NOT_FOUND RESOURCE_NOT_FOUND");
  create.set_validate_only(false);
  const auto created = Call<v1::Service>(&Stub::CreateService, create);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->revision(), 1u);
  EXPECT_FALSE(created->etag().empty());
  EXPECT_EQ(Refusal(Call<v1::Service>(&Stub::CreateService, create)),
            "ALREADY_EXISTS RESOURCE_EXISTS");
  EXPECT_EQ(Get("services/web")->retries().max_retries(), 1u);

  v1::UpdateServiceRequest update;
  update.mutable_service()->set_name("services/web");
  update.mutable_service()->mutable_limits()->set_max_in_flight(9);
  const auto updated = Update(update);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->limits().max_in_flight(), 9u);
  EXPECT_EQ(updated->retries().max_retries(), 1u);
  EXPECT_NE(updated->etag(), created->etag());

  v1::DeleteServiceRequest erase;
  erase.set_name("services/web");
  erase.set_etag(created->etag());
  EXPECT_EQ(Refusal(Call<google::protobuf::Empty>(&Stub::DeleteService, erase)),
            "ABORTED ETAG_MISMATCH");
  erase.set_etag(updated->etag());
  EXPECT_TRUE(Call<google::protobuf::Empty>(&Stub::DeleteService, erase).ok());
  EXPECT_EQ(Refusal(Get("services/web")), "NOT_FOUND RESOURCE_NOT_FOUND");
}

TEST_F(AdminServiceTest, UpdatesTheFieldsOfTheMask) {
  ASSERT_TRUE(Apply("services:\n- name: web\n  retries: {max_retries: 1}\n"
                    "  limits: {max_in_flight: 5}\n")
                  .ok());
  v1::UpdateServiceRequest update;
  update.mutable_service()->set_name("services/web");
  update.mutable_service()->mutable_limits()->set_max_in_flight(6);
  update.mutable_update_mask()->add_paths("retries");
  const auto cleared = Update(update);
  ASSERT_TRUE(cleared.ok()) << cleared.status();
  EXPECT_FALSE(cleared->has_retries());
  EXPECT_EQ(cleared->limits().max_in_flight(), 5u);
  update.mutable_update_mask()->set_paths(0, "*");
  EXPECT_EQ(Update(update)->limits().max_in_flight(), 6u);
  update.mutable_update_mask()->set_paths(0, "limts");
  const auto unknown = Update(update);
  EXPECT_EQ(Refusal(unknown), "INVALID_ARGUMENT MASK_INVALID");
  EXPECT_THAT(std::string(unknown.status().message()), HasSubstr("did you mean limits"));
}

TEST_F(AdminServiceTest, UpdatesOnlyWhatIsThereUnlessAllowed) {
  v1::UpdateServiceRequest update;
  update.mutable_service()->set_name("services/web");
  EXPECT_EQ(Refusal(Update(update)), "NOT_FOUND RESOURCE_NOT_FOUND");
  update.set_allow_missing(true);
  EXPECT_EQ(Update(update)->name(), "services/web");
  update.mutable_service()->set_etag("0");
  EXPECT_EQ(Refusal(Update(update)), "ABORTED ETAG_MISMATCH");
}

TEST_F(AdminServiceTest, RefusesNamesThatAreNone) {
  EXPECT_EQ(Refusal(Get("routes/web")), "INVALID_ARGUMENT NAME_INVALID");
  EXPECT_EQ(Refusal(Get("")), "INVALID_ARGUMENT NAME_INVALID");
  EXPECT_EQ(Refusal(Drain("web")), "INVALID_ARGUMENT NAME_INVALID");
  EXPECT_EQ(Refusal(Drain("services/web/endpoints/")), "INVALID_ARGUMENT NAME_INVALID");
  ASSERT_TRUE(Apply("services:\n- name: web\n").ok());
  const auto near = Get("services/wbe");
  EXPECT_THAT(std::string(near.status().message()), HasSubstr("did you mean services/web"));
}

TEST_F(AdminServiceTest, TakesRoutesAndOverridesToo) {
  ASSERT_TRUE(Apply("services:\n- name: web\n").ok());
  v1::CreateRouteRequest route;
  route.set_route_id("all");
  route.mutable_route()->set_service("web");
  EXPECT_EQ(Call<v1::Route>(&Stub::CreateRoute, route)->name(), "routes/all");
  route.set_route_id("bad");
  route.mutable_route()->set_service("absent");
  EXPECT_EQ(Refusal(Call<v1::Route>(&Stub::CreateRoute, route)), "INVALID_ARGUMENT CONFIG_INVALID");
  v1::CreateOverrideRequest pin;
  pin.set_override_id("pin.web-1");
  pin.mutable_override()->set_service("web");
  pin.mutable_override()->set_endpoint("web-1");
  pin.mutable_override()->set_weight(0.5);
  const auto pinned = Call<v1::Override>(&Stub::CreateOverride, pin);
  ASSERT_TRUE(pinned.ok()) << pinned.status();
  EXPECT_EQ(pinned->author(), "operator:local");
  EXPECT_GT(pinned->create_time().seconds(), 0);
  v1::UpdateOverrideRequest eject;
  eject.mutable_override()->set_name("overrides/pin.web-1");
  eject.mutable_override()->set_eject(true);
  EXPECT_TRUE(Call<v1::Override>(&Stub::UpdateOverride, eject)->eject());
}

TEST_F(AdminServiceTest, CutsListsIntoPages) {
  ASSERT_TRUE(Apply("services: [{name: a}, {name: b}, {name: c}]\n").ok());
  v1::ListServicesRequest request;
  request.set_page_size(2);
  const auto first = Call<v1::ListServicesResponse>(&Stub::ListServices, request);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->services_size(), 2);
  EXPECT_EQ(first->services(1).name(), "services/b");
  request.set_page_token(first->next_page_token());
  const auto second = Call<v1::ListServicesResponse>(&Stub::ListServices, request);
  ASSERT_EQ(second->services_size(), 1);
  EXPECT_EQ(second->next_page_token(), "");
  request.set_page_token("nonsense");
  EXPECT_EQ(Refusal(Call<v1::ListServicesResponse>(&Stub::ListServices, request)),
            "INVALID_ARGUMENT PAGE_INVALID");
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_EQ(Refusal(Call<v1::ListServicesResponse>(&Stub::ListServices, request)),
            "INVALID_ARGUMENT PAGE_INVALID");
  const auto agents = Call<v1::ListAgentsResponse>(&Stub::ListAgents, v1::ListAgentsRequest());
  ASSERT_EQ(agents->agents_size(), 2);
  EXPECT_EQ(agents->agents(0).name(), "agents/a");
}

TEST_F(AdminServiceTest, ListsTheHistoryAndEventsInPages) {
  ASSERT_TRUE(Apply("services: [{name: a}]\n").ok());
  ASSERT_TRUE(Apply("services: [{name: b}]\n").ok());
  ASSERT_TRUE(Apply("services: [{name: c}]\n").ok());
  v1::ListRevisionsRequest request;
  request.set_page_size(2);
  const auto first = Call<v1::ListRevisionsResponse>(&Stub::ListRevisions, request);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->revisions_size(), 2);
  EXPECT_EQ(first->revisions(0).revision(), 3u);
  request.set_page_token(first->next_page_token());
  const auto second = Call<v1::ListRevisionsResponse>(&Stub::ListRevisions, request);
  ASSERT_EQ(second->revisions_size(), 1);
  EXPECT_EQ(second->revisions(0).revision(), 1u);
  EXPECT_EQ(second->next_page_token(), "");
  v1::ListEventsRequest events;
  events.set_type_prefix("config.");
  events.set_page_size(2);
  const auto newest = Call<v1::ListEventsResponse>(&Stub::ListEvents, events);
  ASSERT_EQ(newest->events_size(), 2);
  EXPECT_EQ(newest->events(0).subject(), "revisions/3");
  events.set_page_token(newest->next_page_token());
  EXPECT_EQ(Call<v1::ListEventsResponse>(&Stub::ListEvents, events)->events_size(), 1);
  v1::RollbackRequest rollback;
  rollback.set_revision(1);
  EXPECT_EQ(Call<v1::ApplyResponse>(&Stub::Rollback, rollback)->revision(), 4u);
  v1::GetRevisionRequest get;
  EXPECT_EQ(Call<v1::ConfigRevision>(&Stub::GetRevision, get)->config().services(0).name(),
            "services/a");
}

TEST_F(AdminServiceTest, ListsEndpointsOfOneServiceOrOfAll) {
  ASSERT_TRUE(Apply("services: [{name: web}, {name: api}]\n").ok());
  v1::ListEndpointsRequest request;
  const auto all = Call<v1::ListEndpointsResponse>(&Stub::ListEndpoints, request);
  ASSERT_EQ(all->endpoints_size(), 3);
  EXPECT_EQ(all->endpoints(0).name(), "services/api/endpoints/api-1");
  request.set_parent("services/web");
  EXPECT_EQ(Call<v1::ListEndpointsResponse>(&Stub::ListEndpoints, request)->endpoints_size(), 2);
  request.set_parent("services/none");
  EXPECT_EQ(Refusal(Call<v1::ListEndpointsResponse>(&Stub::ListEndpoints, request)),
            "NOT_FOUND RESOURCE_NOT_FOUND");
  v1::ExplainRequest explain;
  explain.set_name("services/web/endpoints/web-1");
  EXPECT_EQ(Call<v1::Explanation>(&Stub::Explain, explain)->name(), explain.name());
}

TEST_F(AdminServiceTest, DrainsAndUndrainsAnEndpoint) {
  ASSERT_TRUE(Apply("services: [{name: web}]\n").ok());
  const auto drained = Drain("services/web/endpoints/web-1");
  ASSERT_TRUE(drained.ok()) << drained.status();
  EXPECT_EQ(drained->name(), "overrides/web.web-1");
  EXPECT_TRUE(drained->drain());
  EXPECT_EQ(drained->comment(), "disk");
  EXPECT_TRUE(Drain("services/web/endpoints/web-1").ok());
  EXPECT_EQ(configuration_->Current().config->overrides_size(), 1);
  const auto unknown = Drain("services/web/endpoints/web-11");
  EXPECT_EQ(Refusal(unknown), "NOT_FOUND ENDPOINT_NOT_FOUND");
  EXPECT_TRUE(Undrain("services/web/endpoints/web-1").ok());
  EXPECT_EQ(Refusal(Undrain("services/web/endpoints/web-1")), "NOT_FOUND NOT_DRAINED");
  v1::ListEventsRequest events;
  events.set_subject_prefix("services/web/endpoints/web-1");
  const auto seen = Call<v1::ListEventsResponse>(&Stub::ListEvents, events);
  ASSERT_EQ(seen->events_size(), 3);
  EXPECT_EQ(seen->events(0).type(), "endpoint.undrained");
  EXPECT_EQ(seen->events(2).type(), "endpoint.drained");
  EXPECT_EQ(seen->events(2).actor(), "operator:local");
}

TEST_F(AdminServiceTest, FreezesAndShowsIt) {
  v1::FreezeRequest freeze;
  freeze.set_frozen(true);
  freeze.set_comment("maintenance");
  const auto frozen = Call<v1::FreezeResponse>(&Stub::Freeze, freeze);
  ASSERT_TRUE(frozen.ok()) << frozen.status();
  EXPECT_TRUE(frozen->frozen());
  const auto status = Call<v1::ControllerStatus>(&Stub::GetStatus, v1::GetStatusRequest());
  EXPECT_TRUE(status->frozen());
  EXPECT_EQ(status->freeze_cause(), "operator:local: maintenance");
  EXPECT_EQ(status->services(), 7u);
  EXPECT_FALSE(status->version().empty());
  freeze.set_comment(std::string(256, 'x'));
  EXPECT_EQ(Refusal(Call<v1::FreezeResponse>(&Stub::Freeze, freeze)),
            "INVALID_ARGUMENT ARGUMENT_INVALID");
}

TEST_F(AdminServiceTest, ReadsOnWhileTheStoreTakesNoWrites) {
  ASSERT_TRUE(Apply("services: [{name: web}]\n").ok());
  std::ofstream(fault_) << "on";
  EXPECT_EQ(Refusal(Apply("services: [{name: web}, {name: api}]\n")),
            "UNAVAILABLE STORE_UNAVAILABLE");
  EXPECT_EQ(Refusal(Drain("services/web/endpoints/web-1")), "UNAVAILABLE STORE_UNAVAILABLE");
  EXPECT_TRUE(Get("services/web").ok());
  v1::GetRevisionRequest get;
  get.set_revision(1);
  EXPECT_TRUE(Call<v1::ConfigRevision>(&Stub::GetRevision, get).ok());
  EXPECT_TRUE(Call<v1::ListEventsResponse>(&Stub::ListEvents, v1::ListEventsRequest()).ok());
}

class WatchTest : public AdminServiceTest {
 protected:
  using Reader = std::unique_ptr<grpc::ClientReader<v1::WatchEndpointsResponse>>;

  Reader Watch(grpc::ClientContext* context, const std::string& parent = "") {
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::WatchEndpointsRequest request;
    request.set_parent(parent);
    request.mutable_period()->set_nanos(50'000'000);
    return stub_->WatchEndpoints(context, request);
  }
  static std::vector<std::string> Names(const v1::WatchEndpointsResponse& response) {
    std::vector<std::string> names;
    for (const auto& state : response.endpoints()) {
      names.push_back(absl::StrCat(state.name(), "=", state.weight()));
    }
    return names;
  }
};

TEST_F(WatchTest, SendsEverythingOnceThenOnlyChanges) {
  ASSERT_TRUE(Apply("services: [{name: web}]\n").ok());
  grpc::ClientContext context;
  const Reader reader = Watch(&context, "services/web");
  v1::WatchEndpointsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_THAT(Names(response),
              ElementsAre("services/web/endpoints/web-1=1", "services/web/endpoints/web-2=2"));
  state_.Set("services/web/endpoints/web-2", 5);
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_THAT(Names(response), ElementsAre("services/web/endpoints/web-2=5"));
  state_.Remove("services/web/endpoints/web-1");
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_THAT(Names(response), IsEmpty());
  EXPECT_THAT(response.removed(), ElementsAre("services/web/endpoints/web-1"));
  context.TryCancel();
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(WatchTest, BoundsTheStreamsAndEndsThemAtShutdown) {
  grpc::ClientContext contexts[3];
  v1::WatchEndpointsResponse response;
  const Reader first = Watch(&contexts[0]);
  const Reader second = Watch(&contexts[1]);
  ASSERT_TRUE(first->Read(&response));
  ASSERT_TRUE(second->Read(&response));
  const Reader third = Watch(&contexts[2]);
  EXPECT_FALSE(third->Read(&response));
  const absl::Status refused = common::FromGrpcStatus(third->Finish());
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(common::ReasonOf(refused), "TOO_MANY_WATCHES");
  admin_->Shutdown();
  while (first->Read(&response)) {
  }
  EXPECT_EQ(first->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  while (second->Read(&response)) {
  }
  EXPECT_EQ(second->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(WatchTest, RefusesAPeriodOutOfRange) {
  grpc::ClientContext context;
  v1::WatchEndpointsRequest request;
  request.mutable_period()->set_nanos(1'000);
  const auto reader = stub_->WatchEndpoints(&context, request);
  v1::WatchEndpointsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace pointsman::controller
