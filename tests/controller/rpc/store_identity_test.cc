// Pairs of another store mean nothing here, however much they look like ours.
#include "tests/controller/server_world.h"

namespace pointsman::controller {
namespace {

class StoreIdentityTest : public ServerWorld {
 protected:
  void SetUp() override {
    ServerWorld::SetUp();
    agent_ = std::make_unique<TestAgent>(channel_);
    ASSERT_TRUE(agent_->Connect("host-1", 7));
    ASSERT_TRUE(agent_->Passes());
    TestGateway gateway(channel_);
    ASSERT_TRUE(gateway.Send(TestGateway::Hello("edge-1", 3)));
    const auto first = gateway.Read();
    ASSERT_TRUE(first);
    store_id_ = first->store_id();
    config_ = first->config().version();
    ASSERT_TRUE(Eventually([this] {
      const auto endpoints = Endpoints();
      return endpoints.size() == 1 && endpoints[0].verdict() == v1::VERDICT_HEALTHY;
    }));
    ASSERT_TRUE(gateway.Ack(*first));
    // A gateway that has nothing is led to the newest pair by what it is sent at once.
    TestGateway late(channel_);
    ASSERT_TRUE(late.Send(TestGateway::Hello("edge-0", 3)));
    const auto healthy = late.ReadVerdict(v1::VERDICT_HEALTHY);
    ASSERT_TRUE(healthy);
    newest_ = healthy->frames(healthy->frames_size() - 1);
  }
  void TearDown() override {
    agent_.reset();
    ServerWorld::TearDown();
  }
  // Says it holds this controller's configuration and a pair of its epoch, but from `store_id`.
  v1::GatewayMessage HelloOf(const std::string& store_id, uint64_t revision) const {
    v1::GatewayMessage hello = TestGateway::Hello("edge-2", 4);
    hello.mutable_hello()->set_store_id(store_id);
    *hello.mutable_hello()->mutable_config() = config_;
    TestGateway::Hold(hello, newest_.epoch(), revision);
    return hello;
  }

  std::unique_ptr<TestAgent> agent_;
  std::string store_id_;
  v1::Version config_;
  v1::SliceFrame newest_;
};

TEST_F(StoreIdentityTest, SendsNothingAgainToAGatewayOfThisStore) {
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(HelloOf(store_id_, newest_.to())));
  const auto first = gateway.Read();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->frames_size(), 0);
  EXPECT_FALSE(first->has_config());
}

TEST_F(StoreIdentityTest, SendsEverythingUnderAHigherEpochToAGatewayOfAnotherStore) {
  ASSERT_GT(newest_.to(), 1u);
  for (const uint64_t revision : {newest_.to(), newest_.to() - 1}) {
    TestGateway gateway(channel_);
    ASSERT_TRUE(gateway.Send(HelloOf("of-another-store", revision)));
    const auto bundle = gateway.ReadVerdict(v1::VERDICT_HEALTHY);
    ASSERT_TRUE(bundle) << revision;
    EXPECT_EQ(bundle->frames(0).base(), 0u) << revision;
    EXPECT_GT(bundle->frames(0).epoch(), newest_.epoch()) << revision;
  }
}

TEST_F(StoreIdentityTest, SendsTheConfigurationToAGatewayOfAnotherStoreWithTheSamePair) {
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(HelloOf("of-another-store", newest_.to())));
  const auto first = gateway.Read();
  ASSERT_TRUE(first);
  ASSERT_TRUE(first->has_config());
  EXPECT_GT(first->config().version().epoch(), config_.epoch());
}

// Its first bundle gave it this store's name, the slices had not come yet.
TEST_F(StoreIdentityTest, LeadsNobodyOnByFramesOfAnEpochThatTwoStoresGave) {
  {
    TestGateway gateway(channel_);
    ASSERT_TRUE(gateway.Send(HelloOf("of-another-store", newest_.to() - 1)));
    ASSERT_TRUE(gateway.Read());
  }
  TestGateway gateway(channel_);
  ASSERT_TRUE(gateway.Send(HelloOf(store_id_, newest_.to() - 1)));
  const auto bundle = gateway.ReadVerdict(v1::VERDICT_HEALTHY);
  ASSERT_TRUE(bundle);
  EXPECT_EQ(bundle->frames(0).base(), 0u);
  EXPECT_GT(bundle->frames(0).epoch(), newest_.epoch());
}

}  // namespace
}  // namespace pointsman::controller
