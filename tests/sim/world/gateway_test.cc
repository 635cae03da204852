#include "sim/world/gateway.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sim/world/host.h"
#include "tests/sim/world/fake_wires.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest() { queue.RunUntil(MonotonicTime::FromMicros(1'000'000'000)); }

  void Run(absl::Duration time) { queue.RunUntil(queue.now() + time); }
  static v1::Bundle Configured() {
    v1::Bundle bundle;
    bundle.mutable_config()->mutable_version()->set_epoch(1);
    bundle.mutable_config()->mutable_version()->set_revision(1);
    bundle.mutable_config()->mutable_config()->add_services()->set_name("services/web");
    return bundle;
  }
  // A whole slice of two endpoints.
  static void AddSlice(uint64_t revision, uint32_t weight, bool routable, v1::Bundle& bundle) {
    v1::SliceFrame& frame = *bundle.add_frames();
    frame.set_service(kService);
    frame.set_epoch(1);
    frame.set_to(revision);
    frame.mutable_head()->set_revision(revision);
    for (uint32_t i = 0; i < 2; ++i) {
      v1::EndpointEntry& entry = *frame.add_entries();
      entry.set_handle(i + 1);
      entry.set_revision(revision);
      entry.set_info_revision(1);
      entry.mutable_info()->set_id(EndpointId(i));
      entry.mutable_info()->set_address(EndpointAddress(i));
      entry.set_verdict(routable ? v1::VERDICT_HEALTHY : v1::VERDICT_UNHEALTHY);
      entry.set_weight(weight);
      entry.set_routable(routable);
    }
  }
  v1::GatewayMessage TakeLast() {
    v1::GatewayMessage last = wires.from_gateway.back();
    wires.from_gateway.clear();
    return last;
  }
  void Join() {
    gateway.OnStreamUp();
    v1::Bundle bundle = Configured();
    AddSlice(5, 65'536, true, bundle);
    gateway.OnBundle(bundle);
  }

  EventQueue queue;
  FakeWires wires;
  FakePath path{queue, 2};
  FakeOnlooker onlooker;
  Gateway gateway{{queue, wires, path, onlooker, 3, 2, 1}};
};

TEST_F(GatewayTest, SaysWhatItHoldsAndAcknowledgesWhatItRuns) {
  gateway.OnStreamUp();
  v1::GatewayMessage hello = TakeLast();
  EXPECT_EQ(hello.hello().gateway_id(), "gateway-3");
  EXPECT_TRUE(hello.hello().slices().empty());
  v1::Bundle bundle = Configured();
  AddSlice(5, 65'536, true, bundle);
  gateway.OnBundle(bundle);
  const v1::Ack ack = TakeLast().ack();
  ASSERT_EQ(ack.slices_size(), 1);
  EXPECT_EQ(ack.slices(0).version().revision(), 5u);
  EXPECT_EQ(ack.config().revision(), 1u);
  EXPECT_EQ(gateway.version(), (gateway::VersionPair{1, 5}));
  ASSERT_EQ(onlooker.tables.size(), 1u);
  gateway.OnStreamDown();
  gateway.OnStreamUp();
  EXPECT_EQ(TakeLast().hello().slices(0).version().revision(), 5u);
}

TEST_F(GatewayTest, RefusesAnOlderSliceAndKeepsItsOwn) {
  Join();
  v1::Bundle bundle;
  AddSlice(4, 65'536, true, bundle);
  gateway.OnBundle(bundle);
  const v1::Ack ack = TakeLast().ack();
  ASSERT_EQ(ack.nacks_size(), 1);
  EXPECT_EQ(ack.nacks(0).code(), "STALE");
  EXPECT_EQ(gateway.version(), (gateway::VersionPair{1, 5}));
  EXPECT_TRUE(onlooker.violations.empty());
}

TEST_F(GatewayTest, UploadsItsSliceWhenAsked) {
  Join();
  wires.from_gateway.clear();
  v1::Bundle bundle;
  bundle.add_upload(kService);
  gateway.OnBundle(bundle);
  ASSERT_EQ(wires.from_gateway.size(), 2u);
  EXPECT_EQ(wires.from_gateway[0].uploaded_slice().slice().entries_size(), 2);
  EXPECT_TRUE(wires.from_gateway[1].has_ack());
}

TEST_F(GatewayTest, ObservesEachSecondAndSoonAfterARefusal) {
  Join();
  gateway.exchanges().Begin(1000);
  Run(absl::Seconds(1) + Gateway::kSumInterval);
  ASSERT_TRUE(wires.from_gateway.back().has_observations());
  EXPECT_EQ(TakeLast().observations().services(0).endpoints(0).requests(), 1u);
  for (auto& server : path.servers) server->SetFaults({.crashed = true});
  gateway.exchanges().CloseIdle(0);
  gateway.exchanges().CloseIdle(1);
  gateway.exchanges().Begin(1000);
  Run(absl::Milliseconds(100));
  ASSERT_FALSE(wires.from_gateway.empty());
  EXPECT_EQ(TakeLast().observations().services(0).endpoints(0).connect_failures(), 1u);
}

TEST_F(GatewayTest, SaysNothingWithoutAStream) {
  Join();
  gateway.OnStreamDown();
  wires.from_gateway.clear();
  gateway.exchanges().Begin(1000);
  Run(absl::Seconds(5));
  EXPECT_TRUE(wires.from_gateway.empty());
}

TEST_F(GatewayTest, TellsOfAnEmptySetAndOfAWeightOutOfBounds) {
  Join();
  v1::Bundle bundle;
  AddSlice(6, 1, true, bundle);
  gateway.OnBundle(bundle);
  ASSERT_EQ(onlooker.violations.size(), 2u);
  EXPECT_EQ(onlooker.violations[0], "gateway-3: weight 1 of e0");
  bundle.Clear();
  AddSlice(7, 65'536, false, bundle);
  gateway.OnBundle(bundle);
  ASSERT_EQ(onlooker.violations.size(), 3u);
  EXPECT_EQ(onlooker.violations[2], "gateway-3 has an empty set by health alone");
}

}  // namespace
}  // namespace pointsman::sim
