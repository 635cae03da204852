// The gateways' door of a whole controller, over real streams.
#include "controller/rpc/gateway_service.h"

#include <cmath>
#include <limits>

#include "common/core/error_reason.h"
#include "gmock/gmock.h"
#include "tests/controller/server_world.h"

namespace pointsman::controller {
namespace {

using ::testing::HasSubstr;

bool Healthy(const v1::EndpointEntry& entry) { return entry.verdict() == v1::VERDICT_HEALTHY; }

class GatewayServiceTest : public ServerWorld {
 protected:
  void SetUp() override {
    ServerWorld::SetUp();
    agent_ = std::make_unique<TestAgent>(channel_);
    ASSERT_TRUE(agent_->Connect("host-1", 7));
    ASSERT_TRUE(agent_->Passes());
  }
  void TearDown() override {
    agent_.reset();
    ServerWorld::TearDown();
  }
  absl::Status EndOf(const v1::GatewayMessage& message) {
    TestGateway gateway(channel_);
    gateway.Send(message);
    absl::Status end = gateway.Finish();
    EXPECT_EQ(std::string(end.message()).find(common::ReasonOf(end) + ": "), 0u) << end;
    return end;
  }
  bool Sees(v1::Verdict verdict) {
    return Eventually([this, verdict] { return Endpoints().at(0).verdict() == verdict; });
  }

  std::unique_ptr<TestAgent> agent_;
};

TEST_F(GatewayServiceTest, SendsConfigurationAndSlicesAndEachChangeAtOnce) {
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(TestGateway::Hello("edge-1", 3)));
  const auto first = gateway.Read();
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->store_id().empty());
  ASSERT_TRUE(first->has_config());
  EXPECT_EQ(first->config().config().services(0).checks_size(), 0);  // Not for gateways.
  EXPECT_EQ(first->config().config().routes_size(), 1);
  ASSERT_TRUE(gateway.Ack(*first));
  if (FrameWith(*first, Healthy) == nullptr) {
    const auto up = gateway.ReadEntry(Healthy);
    ASSERT_TRUE(up);
    ASSERT_TRUE(gateway.Ack(*up));
  }
  ASSERT_TRUE(agent_->Fails());
  const auto down = gateway.ReadVerdict(v1::VERDICT_UNHEALTHY);
  ASSERT_TRUE(down);
  const v1::SliceFrame& last = down->frames(down->frames_size() - 1);
  EXPECT_EQ(last.entries(0).reason(), v1::REASON_CHECKS_FAILED);
  EXPECT_TRUE(last.entries(0).routable());  // The only one: a set is never empty by health.
}

TEST_F(GatewayServiceTest, SendsOneBundleUntilItIsAcknowledgedThenTheNewest) {
  ASSERT_TRUE(Sees(v1::VERDICT_HEALTHY));
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(TestGateway::Hello("edge-1", 3)));
  const auto held = gateway.ReadVerdict(v1::VERDICT_HEALTHY);
  ASSERT_TRUE(held);
  const double bundles = Metric("pointsman_controller_bundles_total");
  const double frames = Metric("pointsman_controller_frames_total");
  ASSERT_TRUE(agent_->Fails());
  ASSERT_TRUE(Sees(v1::VERDICT_UNHEALTHY));
  for (const size_t instances : {2, 3}) {
    ASSERT_TRUE(agent_->Send(TestAgent::Hello("host-1", 7, static_cast<int>(instances))));
    ASSERT_TRUE(Eventually([&] { return Endpoints().size() == instances; }));
  }
  EXPECT_TRUE(
      Eventually([&] { return Metric("pointsman_controller_frames_total") >= frames + 3; }));
  EXPECT_EQ(Metric("pointsman_controller_bundles_total"), bundles);
  EXPECT_EQ(Metric("pointsman_controller_bundles_unacknowledged"), 1);
  ASSERT_TRUE(gateway.Ack(*held));
  const auto newest = gateway.Read();  // The very next bundle leads to the newest state.
  ASSERT_TRUE(newest);
  const auto down = [](const auto& e) { return e.verdict() == v1::VERDICT_UNHEALTHY; };
  EXPECT_TRUE(FrameWith(*newest, down));
  for (const char* id : {"host-1-1", "host-1-2"}) {
    EXPECT_TRUE(FrameWith(*newest, [id](const auto& e) { return e.info().id() == id; })) << id;
  }
  EXPECT_EQ(Metric("pointsman_controller_bundles_total"), bundles + 1);
}

TEST_F(GatewayServiceTest, SendsTheWholeSliceAfterAGap) {
  ASSERT_TRUE(Sees(v1::VERDICT_HEALTHY));
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(TestGateway::Hello("edge-1", 3)));
  const auto held = gateway.ReadVerdict(v1::VERDICT_HEALTHY);
  ASSERT_TRUE(held);
  v1::GatewayMessage refusal;
  v1::Nack& nack = *refusal.mutable_ack()->add_nacks();
  nack.set_service("web");
  nack.set_code("GAP");
  nack.set_detail(std::string(1000, 'x'));
  ASSERT_TRUE(gateway.Send(refusal));
  const auto whole = gateway.ReadVerdict(v1::VERDICT_HEALTHY);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->frames(0).base(), 0u);
  EXPECT_TRUE(FrameWith(*whole, [](const auto& e) { return e.info().id() == "host-1-0"; }));
  EXPECT_EQ(Metric("pointsman_controller_nacks_total"), 1);
}

TEST_F(GatewayServiceTest, EndsStreamsThatBreakARule) {
  v1::GatewayMessage ack;
  ack.mutable_ack();
  EXPECT_THAT(std::string(EndOf(ack).message()), HasSubstr("HELLO_FIRST"));
  EXPECT_THAT(std::string(EndOf({}).message()), HasSubstr("HELLO_FIRST"));
  EXPECT_THAT(std::string(EndOf(TestGateway::Hello("a b", 3)).message()),
              HasSubstr("HELLO_INVALID"));
  v1::GatewayMessage absurd = TestGateway::Hello("edge-1", 3);
  TestGateway::Hold(absurd, std::numeric_limits<uint64_t>::max(), 1);
  EXPECT_THAT(std::string(EndOf(absurd).message()), HasSubstr("HELLO_INVALID"));
  absurd = TestGateway::Hello("edge-1", 3);
  for (int i = 0; i < 10'001; ++i) TestGateway::Hold(absurd, 1, 1);
  EXPECT_THAT(std::string(EndOf(absurd).message()), HasSubstr("HELLO_INVALID"));
  EXPECT_EQ(Refused("HELLO_FIRST"), 2);
  EXPECT_EQ(Refused("HELLO_INVALID"), 3);
}

TEST_F(GatewayServiceTest, EndsAStreamOfBytesThatAreNoMessage) {
  for (const std::string& bytes : {std::string("\x0a\x7f"), std::string(10 << 20, '\xff'),
                                   std::string("\x0a\x04\x0a\x02\xff\xfe")}) {
    TestGateway gateway(channel_);
    gateway.SendBytes(bytes);
    const absl::Status end = gateway.Finish();
    EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument) << end;
    EXPECT_THAT(std::string(end.message()), HasSubstr("MESSAGE_MALFORMED"));
  }
  EXPECT_EQ(Refused("MESSAGE_MALFORMED"), 3);
  EXPECT_TRUE(Sees(v1::VERDICT_HEALTHY));
}

TEST_F(GatewayServiceTest, EndsAStreamOfAnInvalidAck) {
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(TestGateway::Hello("edge-1", 3)));
  v1::GatewayMessage message;
  message.mutable_ack()->mutable_apply_duration()->set_seconds(-1);
  ASSERT_TRUE(gateway.Send(message));
  const absl::Status end = gateway.Finish();
  EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refused("ACK_INVALID"), 1);
}

TEST_F(GatewayServiceTest, DropsBadObservationsAndUploadsAndGoesOn) {
  ASSERT_TRUE(Sees(v1::VERDICT_HEALTHY));
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(TestGateway::Hello("edge-1", 3)));
  v1::GatewayMessage message;
  v1::Observations& seen = *message.mutable_observations();
  seen.set_sequence(1);
  seen.mutable_window()->set_seconds(1);
  v1::ServiceObservations& web = *seen.add_services();
  web.set_service("web");
  web.add_endpoints()->set_handle(1);
  web.mutable_endpoints(0)->set_in_flight(std::nanf(""));
  ASSERT_TRUE(gateway.Send(message));
  web.mutable_endpoints(0)->set_in_flight(-1);
  ASSERT_TRUE(gateway.Send(message));
  v1::GatewayMessage upload;
  v1::SliceFrame& slice = *upload.mutable_uploaded_slice()->mutable_slice();
  slice.set_service("web");
  ASSERT_TRUE(gateway.Send(upload));  // It holds none: no mistake.
  slice.set_to(7);
  slice.set_epoch(1);
  slice.add_entries();
  ASSERT_TRUE(gateway.Send(upload));
  EXPECT_TRUE(Eventually([this] { return Refused("FRAME_INVALID") == 1; }));
  EXPECT_EQ(Refused("OBSERVATIONS_NOT_FINITE"), 1);
  EXPECT_EQ(Refused("OBSERVATIONS_OUT_OF_RANGE"), 1);
  EXPECT_TRUE(gateway.ReadVerdict(v1::VERDICT_HEALTHY));
}

TEST_F(GatewayServiceTest, KeepsOneStreamOfEachGateway) {
  TestGateway old(channel_);
  ASSERT_TRUE(old.Send(TestGateway::Hello("edge-1", 3)));
  ASSERT_TRUE(old.Read());
  EXPECT_EQ(EndOf(TestGateway::Hello("edge-1", 4)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Refused("GATEWAY_CONNECTED"), 1);
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(TestGateway::Hello("edge-1", 3)));
  ASSERT_TRUE(gateway.Read());
  EXPECT_EQ(old.Finish().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Metric("pointsman_controller_gateways_connected"), 1);
}

TEST_F(GatewayServiceTest, RaisesItsEpochAboveAGateways) {
  ASSERT_TRUE(Sees(v1::VERDICT_HEALTHY));
  TestGateway gateway(channel_);
  v1::GatewayMessage hello = TestGateway::Hello("edge-1", 3);
  hello.mutable_hello()->mutable_config()->set_epoch(1000);
  hello.mutable_hello()->mutable_config()->set_revision(1);
  ASSERT_TRUE(gateway.Send(hello));
  const auto bundle = gateway.ReadUntil([](const auto& b) { return b.has_config(); });
  ASSERT_TRUE(bundle);
  EXPECT_GT(bundle->config().version().epoch(), 1000u);
  EXPECT_TRUE(Eventually([this] { return Events("epoch.raised").size() == 1; }));
}

}  // namespace
}  // namespace pointsman::controller
