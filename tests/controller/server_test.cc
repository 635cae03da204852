// A whole controller: restarts, a lost or failing store, a bad file, its end.
#include "controller/server.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "tests/controller/server_world.h"

namespace pointsman::controller {
namespace {

using ::testing::HasSubstr;

class ServerTest : public ServerWorld {
 protected:
  // A gateway that acknowledged the slice in which host-1-0 is healthy: its last frame.
  std::optional<v1::SliceFrame> Serve(TestAgent& agent, TestGateway& gateway) {
    if (!agent.Connect("host-1", 7) || !agent.Passes()) return std::nullopt;
    if (!gateway.Send(TestGateway::Hello("edge-1", 3))) return std::nullopt;
    const auto bundle = gateway.ReadVerdict(v1::VERDICT_HEALTHY);
    if (!bundle) return std::nullopt;
    gateway.Ack(*bundle);
    return *FrameWith(*bundle, [](const auto& e) { return e.verdict() == v1::VERDICT_HEALTHY; });
  }
};

TEST_F(ServerTest, LeadsAGatewayOnAfterARestartWithoutSendingEndpointsAgain) {
  v1::SliceFrame held;
  {
    TestAgent agent(channel_);
    TestGateway gateway(channel_);
    const auto last = Serve(agent, gateway);
    ASSERT_TRUE(last);
    held = *last;
  }
  Restart();
  TestGateway gateway(channel_);
  v1::GatewayMessage hello = TestGateway::Hello("edge-1", 3);
  TestGateway::Hold(hello, held.epoch(), held.to());
  ASSERT_TRUE(gateway.Send(hello));
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Connect("host-1", 7));
  ASSERT_TRUE(agent.Fails());
  // Everything until the change is a continuation: no full slice, no address, the same handle.
  bool changed = false;
  while (!changed) {
    const auto bundle = gateway.Read();
    ASSERT_TRUE(bundle);
    for (const v1::SliceFrame& frame : bundle->frames()) {
      EXPECT_GT(frame.epoch(), held.epoch());
      EXPECT_NE(frame.base(), 0u);
      EXPECT_EQ(frame.removed_size(), 0);
      for (const v1::EndpointEntry& entry : frame.entries()) {
        EXPECT_FALSE(entry.has_info());
        EXPECT_EQ(entry.handle(), held.entries(0).handle());
        if (entry.verdict() == v1::VERDICT_UNHEALTHY) {
          changed = true;
        } else {
          EXPECT_EQ(entry.weight(), held.entries(0).weight());
        }
      }
    }
    ASSERT_TRUE(gateway.Ack(*bundle));
  }
}

TEST_F(ServerTest, ContinuesAGatewaysSliceWhenTheStoreIsLost) {
  v1::SliceFrame held;
  {
    TestAgent agent(channel_);
    TestGateway gateway(channel_);
    const auto last = Serve(agent, gateway);
    ASSERT_TRUE(last);
    held = *last;
  }
  server_.reset();
  for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
    if (absl::StrContains(file.path().filename().string(), "pointsman.db")) {
      std::filesystem::remove(file.path());
    }
  }
  Start();
  const uint64_t epoch = held.epoch() + 40;
  TestGateway gateway(channel_);
  v1::GatewayMessage hello = TestGateway::Hello("edge-1", 3);
  TestGateway::Hold(hello, epoch, 500);
  ASSERT_TRUE(gateway.Send(hello));
  bool uploaded = false;
  std::optional<v1::SliceFrame> frame;
  while (!frame) {
    const auto bundle = gateway.Read();
    ASSERT_TRUE(bundle);
    if (bundle->frames_size() > 0) frame = bundle->frames(0);
    if (bundle->upload_size() > 0) {
      v1::GatewayMessage message;
      v1::SliceFrame& slice = *message.mutable_uploaded_slice()->mutable_slice();
      slice.set_service("web");
      slice.set_epoch(epoch);
      slice.set_to(500);
      slice.mutable_head()->set_revision(1);
      v1::EndpointEntry& entry = *slice.add_entries();
      entry.set_handle(9);
      entry.set_revision(500);
      entry.set_info_revision(1);
      entry.mutable_info()->set_id("host-1-0");
      entry.mutable_info()->set_address("127.0.0.1:9000");
      entry.set_verdict(v1::VERDICT_HEALTHY);
      entry.set_weight(12'345);
      entry.set_routable(true);
      ASSERT_TRUE(gateway.Send(message));
      uploaded = true;
    }
    ASSERT_TRUE(gateway.Ack(*bundle));
    if (!uploaded || frame) continue;
    // Nothing need be sent while nothing has changed, so something changes.
    TestAgent agent(channel_);
    ASSERT_TRUE(agent.Connect("host-1", 7));
    ASSERT_TRUE(Eventually([this] {
      const auto endpoints = Endpoints();
      return endpoints.size() == 1 && endpoints[0].handle() == 9;
    }));
    ASSERT_TRUE(agent.Fails());
    const auto next = gateway.ReadEntry([](const auto&) { return true; });
    ASSERT_TRUE(next);
    frame = next->frames(0);
  }
  EXPECT_TRUE(uploaded);
  EXPECT_GT(frame->epoch(), epoch);
  EXPECT_GE(frame->base(), 500u);
  EXPECT_EQ(frame->entries(0).handle(), 9u);
}

TEST_F(ServerTest, PublishesWhileEveryWriteOfTheStoreFails) {
  std::ofstream(folder_.file("fault")) << "1";
  TestAgent agent(channel_);
  TestGateway gateway(channel_);
  ASSERT_TRUE(Serve(agent, gateway));
  ASSERT_TRUE(agent.Fails());
  EXPECT_TRUE(gateway.ReadVerdict(v1::VERDICT_UNHEALTHY));
  v1::ApplyRequest request;
  request.mutable_config()->add_services()->set_name("other");
  v1::ApplyResponse response;
  EXPECT_EQ(admin_->Apply(Context().get(), request, &response).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  std::filesystem::remove(folder_.file("fault"));
  EXPECT_TRUE(admin_->Apply(Context().get(), request, &response).ok());
}

TEST_F(ServerTest, DoesNotStartWithABadFileAndNothingBefore) {
  server_.reset();
  std::filesystem::remove_all(folder_.path());
  std::filesystem::create_directory(folder_.path());
  WriteConfig("services:\n- nme: web\n");
  const auto server = Server::Start(Options());
  ASSERT_FALSE(server.ok());
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("config.yaml:2"));
}

TEST_F(ServerTest, ServesTheEarlierRevisionWithABadFile) {
  WriteConfig("services:\n- nme: web\n");
  Restart();
  TestAgent agent(channel_);
  EXPECT_TRUE(agent.Connect("host-1", 7));
  EXPECT_TRUE(Eventually([this] { return Events("config.refused").size() == 1; }));
  v1::ListServicesResponse services;
  ASSERT_TRUE(admin_->ListServices(Context().get(), {}, &services).ok());
  EXPECT_EQ(services.services_size(), 1);
}

TEST_F(ServerTest, AppliesItsFileAgainOnlyWhenItHasChanged) {
  const auto names = [this] {
    v1::ListServicesResponse services;
    EXPECT_TRUE(admin_->ListServices(Context().get(), {}, &services).ok());
    std::vector<std::string> found;
    for (const v1::Service& service : services.services()) found.push_back(service.name());
    return found;
  };
  const std::vector<std::string> of_file = names();
  v1::ApplyRequest request;
  request.mutable_config()->add_services()->set_name("applied");
  v1::ApplyResponse response;
  ASSERT_TRUE(admin_->Apply(Context().get(), request, &response).ok());
  Restart();
  EXPECT_EQ(names(), std::vector<std::string>{"services/applied"}) << "the file is as it was";
  WriteConfig("services:\n- name: web\n- name: more\n");
  Restart();
  EXPECT_EQ(names().size(), of_file.size() + 1);
  // A file of another text that changes nothing is the last one, too.
  WriteConfig("# The same.\nservices:\n- name: web\n- name: more\n");
  Restart();
  ASSERT_TRUE(admin_->Apply(Context().get(), request, &response).ok());
  Restart();
  EXPECT_EQ(names(), std::vector<std::string>{"services/applied"});
}

TEST_F(ServerTest, TellsOfAFreezeOnce) {
  v1::FreezeRequest request;
  request.set_frozen(true);
  v1::FreezeResponse response;
  ASSERT_TRUE(admin_->Freeze(Context().get(), request, &response).ok());
  request.set_frozen(false);
  ASSERT_TRUE(admin_->Freeze(Context().get(), request, &response).ok());
  EXPECT_TRUE(Eventually([this] { return !Events("freeze.ended").empty(); }));
  ASSERT_TRUE(server_->Alive());  // Every shard has told its part by now.
  EXPECT_EQ(Events("freeze.began").size(), 1u);
  EXPECT_EQ(Events("freeze.ended").size(), 1u);
}

TEST_F(ServerTest, EndsLiveStreamsAndWatchesInTime) {
  TestAgent agent(channel_);
  TestGateway gateway(channel_);
  ASSERT_TRUE(Serve(agent, gateway));
  TestAgent silent(channel_);  // Has not said who it is: ended when the time is over.
  auto context = Context();
  auto watch = admin_->WatchEndpoints(context.get(), {});
  v1::WatchEndpointsResponse seen;
  ASSERT_TRUE(watch->Read(&seen));
  const absl::Time begin = absl::Now();
  server_->Stop(absl::Seconds(2));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(8));
  EXPECT_EQ(agent.Finish().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(gateway.Finish().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(silent.Finish().ok());
  while (watch->Read(&seen)) {
  }
  EXPECT_FALSE(watch->Finish().ok());
  server_->Stop(absl::Seconds(2));  // Again: nothing.
}

}  // namespace
}  // namespace pointsman::controller
