#include "controller/shard/publisher.h"

#include <gtest/gtest.h>

#include "common/mutex.h"
#include "pointsman/v1/config.pb.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

class FixedClock final : public common::Clock {
 public:
  common::MonotonicTime Now() const override { return common::MonotonicTime::FromMicros(1); }
  absl::Time WallNow() const override { return absl::UnixEpoch(); }
};

class NoEffects final : public EffectSink {
 public:
  void OnEffects(Effects, const ShardCore&, common::MonotonicTime) override {}
};

// Keeps what it was sent; lets a test wait for the next bundle.
class FakeSink final : public BundleSink {
 public:
  void Send(std::vector<SharedBytes> parts) override {
    std::string joined;
    for (const SharedBytes& part : parts) joined += *part;
    common::MutexLock lock(mutex_);
    v1::Bundle& bundle = bundles_.emplace_back();
    EXPECT_TRUE(bundle.ParseFromString(joined));
    changed_.NotifyAll();
  }
  size_t count() {
    common::MutexLock lock(mutex_);
    return bundles_.size();
  }
  // The bundle of this index; waits up to 10 s for it.
  v1::Bundle Bundle(size_t index) {
    common::MutexLock lock(mutex_);
    while (bundles_.size() <= index) {
      if (!changed_.WaitFor(mutex_, absl::Seconds(10))) {
        ADD_FAILURE() << "no bundle " << index;
        return {};
      }
    }
    return bundles_[index];
  }

 private:
  common::Mutex mutex_;
  common::CondVar changed_;
  std::vector<v1::Bundle> bundles_;
};

Frame Change(uint64_t base, uint64_t to) {
  Frame frame;
  frame.service = "web";
  frame.epoch = 1;
  frame.base = base;
  frame.to = to;
  return frame;
}

class PublisherTest : public ::testing::Test {
 protected:
  PublisherTest() : publisher_(clock_), shards_({}, clock_, no_effects_) {
    publisher_.SetShards(&shards_);
  }

  std::shared_ptr<FakeSink> Attach(const std::string& gateway, uint64_t session,
                                   std::map<std::string, SliceVersion> held = {}) {
    auto sink = std::make_shared<FakeSink>();
    Publisher::Attachment attachment;
    attachment.gateway = gateway;
    attachment.session = session;
    attachment.sink = sink;
    attachment.held = std::move(held);
    v1::Bundle greeting;
    greeting.set_store_id("store");
    attachment.greeting = std::make_shared<const std::string>(greeting.SerializeAsString());
    publisher_.Attach(std::move(attachment));
    return sink;
  }

  void Ack(const std::string& gateway, uint64_t session, uint64_t revision,
           std::vector<NackIn> nacks = {}) {
    publisher_.OnAck(gateway, session, {{{"web", {1, revision}}}, std::move(nacks)});
  }

  FixedClock clock_;
  NoEffects no_effects_;
  Publisher publisher_;
  ShardSet shards_;
};

TEST_F(PublisherTest, SendsOneBundleAndTheRestJoinedAfterItsAck) {
  publisher_.OnFrames({Change(0, 1)});
  auto sink = Attach("edge", 1);
  EXPECT_EQ(sink->Bundle(0).store_id(), "store");
  EXPECT_EQ(sink->Bundle(0).frames(0).to(), 1u);
  for (uint64_t i = 1; i < 6; ++i) publisher_.OnFrames({Change(i, i + 1)});
  EXPECT_EQ(sink->count(), 1u);
  EXPECT_EQ(publisher_.counters().outstanding, 1u);
  EXPECT_EQ(publisher_.Progress("edge")->slices_behind, 1u);
  Ack("edge", 1, 1);
  const v1::Bundle next = sink->Bundle(1);
  ASSERT_EQ(next.frames_size(), 5);
  EXPECT_EQ(next.frames(4).to(), 6u);
  Ack("edge", 1, 6);
  EXPECT_EQ(sink->count(), 2u);
  EXPECT_EQ(publisher_.Progress("edge")->slices_behind, 0u);
}

TEST_F(PublisherTest, SendsNothingToAGatewayThatHoldsTheHead) {
  publisher_.OnFrames({Change(0, 1)});
  auto sink = Attach("edge", 1, {{"web", {1, 1}}});
  EXPECT_EQ(sink->Bundle(0).frames_size(), 0);
}

TEST_F(PublisherTest, SendsTheConfigurationOnceAndBeforeFrames) {
  v1::Bundle config;
  config.mutable_config()->mutable_version()->set_revision(4);
  publisher_.SetConfig({1, 4}, std::make_shared<const std::string>(config.SerializeAsString()));
  publisher_.OnFrames({Change(0, 1)});
  auto sink = Attach("edge", 1);
  EXPECT_EQ(sink->Bundle(0).config().version().revision(), 4u);
  EXPECT_EQ(sink->Bundle(0).frames_size(), 1);
  Ack("edge", 1, 1);
  publisher_.OnFrames({Change(1, 2)});
  EXPECT_FALSE(sink->Bundle(1).has_config());
}

TEST_F(PublisherTest, SharesTheBytesOfAFrame) {
  class Keeping final : public BundleSink {
   public:
    void Send(std::vector<SharedBytes> parts) override { last = parts.back().get(); }
    const std::string* last = nullptr;
  };
  auto one = std::make_shared<Keeping>(), two = std::make_shared<Keeping>();
  publisher_.Attach({"edge-1", 1, one, {}, {}, nullptr});
  publisher_.Attach({"edge-2", 1, two, {}, {}, nullptr});
  publisher_.OnFrames({Change(0, 1)});
  ASSERT_NE(one->last, nullptr);
  EXPECT_EQ(one->last, two->last);
}

TEST_F(PublisherTest, AGapIsAnsweredByTheWholeSliceOncePerHead) {
  publisher_.OnFrames({Change(0, 1)});
  auto sink = Attach("edge", 1);
  publisher_.OnFrames({Change(1, 2)});
  sink->Bundle(0);
  Ack("edge", 1, 0, {{"web", kNackGap}});
  EXPECT_EQ(sink->Bundle(1).frames(0).base(), 0u);
  Ack("edge", 1, 0, {{"web", kNackGap}});
  EXPECT_EQ(sink->count(), 2u);
  publisher_.OnFrames({Change(2, 3)});
  EXPECT_EQ(sink->Bundle(2).frames_size(), 1);
}

TEST_F(PublisherTest, AsksAnAbsentGatewayForItsSliceWhenItComes) {
  publisher_.OnUploadWanted("edge", "web");
  auto sink = Attach("edge", 1);
  ASSERT_EQ(sink->Bundle(0).upload_size(), 1);
  EXPECT_EQ(sink->Bundle(0).upload(0), "web");
}

TEST_F(PublisherTest, AnOldSessionNeitherSendsNorAcknowledges) {
  auto old_sink = Attach("edge", 1);
  auto sink = Attach("edge", 2);
  Attach("edge", 1);
  publisher_.Detach("edge", 1);
  EXPECT_EQ(publisher_.counters().gateways, 1u);
  publisher_.OnFrames({Change(0, 1)});
  Ack("edge", 1, 1);
  EXPECT_EQ(sink->count(), 1u);
  Ack("edge", 2, 0);
  EXPECT_EQ(sink->Bundle(1).frames(0).to(), 1u);
  EXPECT_EQ(old_sink->count(), 1u);
}

// A laggard's frame is computed on the shard's own thread, from the core.
TEST_F(PublisherTest, ComputesWhatTheRingForgot) {
  shards_.Start();
  auto config = std::make_shared<v1::Config>();
  v1::Service& service = *config->add_services();
  service.set_name("services/web");
  v1::Endpoint& endpoint = *service.add_endpoints();
  endpoint.set_id("web-1");
  endpoint.set_address("127.0.0.1:80");
  ASSERT_TRUE(shards_.PostToAll(Input(ConfigInput{config, 1, "controller"})).ok());
  for (uint64_t i = 0; i < 300; ++i) publisher_.OnFrames({Change(i, i + 1)});
  auto sink = Attach("edge", 1);
  EXPECT_EQ(sink->Bundle(0).frames_size(), 0);
  Ack("edge", 1, 0);
  const v1::Bundle computed = sink->Bundle(1);
  ASSERT_EQ(computed.frames_size(), 1);
  EXPECT_EQ(computed.frames(0).base(), 0u);
  EXPECT_EQ(computed.frames(0).entries(0).info().id(), "web-1");
  EXPECT_EQ(publisher_.counters().computed, 1u);
  shards_.Stop();
}

}  // namespace
}  // namespace pointsman::controller
