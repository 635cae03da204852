// What agents and gateways are told when a shard takes no more: their doors over real streams, and
// shards that do not run, so that nothing leaves a mailbox.
#include <grpcpp/grpcpp.h>

#include "common/core/error_reason.h"
#include "controller/rpc/agent_service.h"
#include "controller/rpc/gateway_service.h"
#include "controller/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "tests/controller/server_world.h"

namespace pointsman::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class NoEffects final : public EffectSink {
 public:
  void OnEffects(Effects, const ShardCore&, common::MonotonicTime) override {}
};

class MailboxFullTest : public testing::Test {
 protected:
  void TearDown() override {
    if (server_ == nullptr) return;
    agents_.CloseAll();
    gateways_.CloseAll();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  }
  void Start(const MailboxLimits& limits) {
    ASSERT_TRUE(epochs_.ClaimFirst().ok());
    ShardOptions options;
    options.shards = 2;
    shards_ = std::make_unique<ShardSet>(options, clock_, effects_, limits);
    agent_service_ = MakeAgentService({&clock_, shards_.get(), &agents_, &refusals_});
    gateway_service_ = MakeGatewayService(
        {&clock_, shards_.get(), &publisher_, &gateways_, &epochs_, &refusals_, "store"});
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(agent_service_.get());
    builder.RegisterService(gateway_service_.get());
    server_ = builder.BuildAndStart();
    channel_ =
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  }
  uint64_t RefusedByMailboxes() const {
    uint64_t refused = 0;
    for (const ShardLoad& load : shards_->Loads()) refused += load.mailbox.refused;
    return refused;
  }
  static v1::GatewayMessage Observed(uint64_t sequence) {
    v1::GatewayMessage message;
    v1::Observations& seen = *message.mutable_observations();
    seen.set_sequence(sequence);
    seen.mutable_window()->set_seconds(1);
    seen.add_services()->set_service("web");
    return message;
  }

  const common::Clock& clock_ = common::SystemClock();
  TempFolder folder_;
  std::unique_ptr<SqliteStore> store_ = OpenSqliteStore({folder_.path(), ""}).value();
  NoEffects effects_;
  Publisher publisher_{clock_};
  AgentDirectory agents_{clock_, "store"};
  GatewayDirectory gateways_{clock_};
  EpochKeeper epochs_{store_->shared(), "test", [](uint64_t) {}};
  RefusalCounts refusals_;
  std::unique_ptr<ShardSet> shards_;
  std::unique_ptr<grpc::Service> agent_service_;
  std::unique_ptr<grpc::Service> gateway_service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(MailboxFullTest, EndsTheStreamOfAnAgentWhoseHelloNoShardTook) {
  Start({.lane_max = 0});
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Send(TestAgent::Hello("host-1", 7)));
  const absl::Status end = agent.Finish();
  EXPECT_EQ(end.code(), absl::StatusCode::kResourceExhausted) << end;
  EXPECT_EQ(common::ReasonOf(end), "MAILBOX_FULL");
  EXPECT_THAT(refusals_.counts(), ElementsAre(Pair("MAILBOX_FULL", 1)));
  // Each of the two shards, and again when it was told that the agent is gone.
  EXPECT_GE(RefusedByMailboxes(), 2u);
}

TEST_F(MailboxFullTest, EndsTheStreamOfAGatewayWhoseHelloNoShardTook) {
  Start({.lane_max = 0});
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(TestGateway::Hello("edge-1", 3)));
  const absl::Status end = gateway.Finish();
  EXPECT_EQ(end.code(), absl::StatusCode::kResourceExhausted) << end;
  EXPECT_EQ(common::ReasonOf(end), "MAILBOX_FULL");
  EXPECT_THAT(refusals_.counts(), ElementsAre(Pair("MAILBOX_FULL", 1)));
}

TEST_F(MailboxFullTest, DropsAndCountsReportsWithoutASlotAndGoesOn) {
  Start({.slots_max = 0});
  TestAgent agent(channel_);
  ASSERT_TRUE(agent.Connect("host-1", 7));
  for (uint64_t dropped = 1; dropped <= 2; ++dropped) {
    ASSERT_TRUE(agent.Passes());
    EXPECT_EQ(agent.ReadRefusal(), "MAILBOX_FULL");
    EXPECT_THAT(refusals_.counts(), ElementsAre(Pair("MAILBOX_FULL", dropped)));
    EXPECT_EQ(RefusedByMailboxes(), dropped);
  }
  EXPECT_EQ(agents_.connected(), 1u);
}

TEST_F(MailboxFullTest, TakesNewerReportsIntoTheSlotThatIsHeld) {
  Start({.slots_max = 1});
  TestAgent first(channel_);
  ASSERT_TRUE(first.Connect("host-1", 7));
  ASSERT_TRUE(first.Passes());
  ASSERT_TRUE(first.Fails());
  // An answer to what comes later on the stream says that both were taken.
  ASSERT_TRUE(first.Send(TestAgent::Hello("host-1", 7)));
  ASSERT_TRUE(first.ReadUntil([](const auto& c) { return c.has_welcome(); }));
  EXPECT_TRUE(refusals_.counts().empty());
  TestAgent second(channel_);
  ASSERT_TRUE(second.Connect("host-2", 8));
  ASSERT_TRUE(second.Passes());
  EXPECT_EQ(second.ReadRefusal(), "MAILBOX_FULL");
}

TEST_F(MailboxFullTest, DropsAndCountsObservationsWithoutASlotAndGoesOn) {
  Start({.slots_max = 0});
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(TestGateway::Hello("edge-1", 3)));
  ASSERT_TRUE(gateway.Send(Observed(1)));
  ASSERT_TRUE(gateway.Send(Observed(2)));
  // What ends the stream comes after both.
  ASSERT_TRUE(gateway.Send({}));
  EXPECT_EQ(common::ReasonOf(gateway.Finish()), "MESSAGE_EMPTY");
  EXPECT_THAT(refusals_.counts(), ElementsAre(Pair("MAILBOX_FULL", 2), Pair("MESSAGE_EMPTY", 1)));
  EXPECT_EQ(RefusedByMailboxes(), 2u);
}

}  // namespace
}  // namespace pointsman::controller
