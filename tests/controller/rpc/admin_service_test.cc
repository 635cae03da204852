// The admin API's methods over real gRPC, a real store and a fake state.
#include "controller/rpc/admin_service.h"

#include <fstream>

#include "gmock/gmock.h"
#include "tests/controller/rpc/admin_world.h"

namespace pointsman::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using AdminServiceTest = AdminWorld;

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

// Resources lie in a list; what is found by name must be what is changed.
TEST_F(AdminServiceTest, UpdatesTheSecondOfAKindAndLeavesTheOthers) {
  ASSERT_TRUE(Apply("services: [{name: a}, {name: b}, {name: c}]\n"
                    "routes: [{name: r1, service: a}, {name: r2, service: b}]\n"
                    "overrides:\n"
                    "- {name: o1, service: a, endpoint: a-1, weight: 0.5}\n"
                    "- {name: o2, service: a, endpoint: a-2, weight: 0.5}\n")
                  .ok());
  v1::Config wanted = *configuration_->Current().config;
  v1::UpdateServiceRequest service;
  service.mutable_service()->set_name("b");
  service.mutable_service()->mutable_limits()->set_max_in_flight(9);
  EXPECT_EQ(Update(service)->name(), "services/b");
  v1::UpdateRouteRequest route;
  route.mutable_route()->set_name("routes/r2");
  route.mutable_route()->set_service("c");
  EXPECT_EQ(Call<v1::Route>(&Stub::UpdateRoute, route)->name(), "routes/r2");
  v1::UpdateOverrideRequest pin;
  pin.mutable_override()->set_name("overrides/o2");
  pin.mutable_override()->set_weight(0.25);
  EXPECT_EQ(Call<v1::Override>(&Stub::UpdateOverride, pin)->name(), "overrides/o2");

  v1::Config now = *configuration_->Current().config;
  wanted.mutable_services(1)->mutable_limits()->set_max_in_flight(9);
  wanted.mutable_routes(1)->set_service("c");
  wanted.mutable_overrides(1)->set_weight(0.25);
  for (v1::Config* config : {&wanted, &now}) {
    for (auto* each : {config->mutable_services(1)}) each->clear_etag(), each->clear_revision();
    for (auto* each : {config->mutable_routes(1)}) each->clear_etag(), each->clear_revision();
    for (auto* each : {config->mutable_overrides(1)}) {
      each->clear_etag(), each->clear_revision(), each->clear_create_time();
    }
  }
  EXPECT_EQ(now.DebugString(), wanted.DebugString());
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

TEST_F(AdminServiceTest, SaysThatAShardCannotBeAskedInsteadOfAPart) {
  ASSERT_TRUE(Apply("services: [{name: web}]\n").ok());
  state_.Fill();
  const std::string full = "RESOURCE_EXHAUSTED MAILBOX_FULL";
  EXPECT_EQ(
      Refusal(Call<v1::ListEndpointsResponse>(&Stub::ListEndpoints, v1::ListEndpointsRequest())),
      full);
  EXPECT_EQ(Refusal(Drain("services/web/endpoints/web-1")), full);
  EXPECT_EQ(Refusal(Call<v1::ControllerStatus>(&Stub::GetStatus, v1::GetStatusRequest())), full);
  v1::ExplainRequest explain;
  explain.set_name("services/web/endpoints/web-1");
  EXPECT_EQ(Refusal(Call<v1::Explanation>(&Stub::Explain, explain)), full);
  EXPECT_EQ(errors_.counts().at("MAILBOX_FULL"), 4u);
}

TEST_F(AdminServiceTest, CountsEachErrorUnderItsReasonAndNothingThatWorked) {
  ASSERT_TRUE(Apply("services: [{name: web}]\n").ok());
  EXPECT_TRUE(errors_.counts().empty());
  EXPECT_EQ(Refusal(Get("services/web/x")), "INVALID_ARGUMENT NAME_INVALID");
  EXPECT_EQ(Refusal(Get("services/absent")), "NOT_FOUND RESOURCE_NOT_FOUND");
  EXPECT_EQ(Refusal(Get("services/absent")), "NOT_FOUND RESOURCE_NOT_FOUND");
  v1::ExplainRequest explain;
  explain.set_name("services/web/endpoints/absent");
  EXPECT_EQ(Refusal(Call<v1::Explanation>(&Stub::Explain, explain)),
            "NOT_FOUND ENDPOINT_NOT_FOUND");
  EXPECT_THAT(errors_.counts(),
              ElementsAre(testing::Pair("ENDPOINT_NOT_FOUND", 1), testing::Pair("NAME_INVALID", 1),
                          testing::Pair("RESOURCE_NOT_FOUND", 2)));
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

class WatchTest : public AdminWorld {
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
  EXPECT_EQ(errors_.counts().at("TOO_MANY_WATCHES"), 1u);
  admin_->Shutdown();
  while (first->Read(&response)) {
  }
  EXPECT_EQ(first->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  while (second->Read(&response)) {
  }
  EXPECT_EQ(second->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// Without an answer nothing is known of the endpoints: they are not told to be gone.
TEST_F(WatchTest, EndsWhenAShardCannotBeAsked) {
  grpc::ClientContext context;
  const Reader reader = Watch(&context);
  v1::WatchEndpointsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.endpoints_size(), 3);
  state_.Fill();
  EXPECT_FALSE(reader->Read(&response));
  const absl::Status end = common::FromGrpcStatus(reader->Finish());
  EXPECT_EQ(common::ReasonOf(end), "MAILBOX_FULL");
  EXPECT_EQ(errors_.counts().at("MAILBOX_FULL"), 1u);
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
