#include "gateway/core/table_state.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/gateway/core/bundle_fixture.h"

namespace pointsman::gateway {
namespace {

class TableStateTest : public ::testing::Test {
 protected:
  BundleResult ApplyConfig(uint64_t revision, const std::vector<std::string>& services) {
    v1::Bundle bundle;
    *bundle.mutable_config() = MakeConfig(revision, services);
    return state_.Apply(bundle, now_);
  }
  BundleResult ApplyFrame(const v1::SliceFrame& frame) {
    v1::Bundle bundle;
    *bundle.add_frames() = frame;
    return state_.Apply(bundle, now_);
  }
  std::vector<std::string> Running() {
    std::vector<std::string> names;
    const BuiltTable built = state_.Build();
    for (const auto& service : built.table->services) {
      names.push_back(service->name +
                      (service->unavailable.empty() ? "" : ":" + service->unavailable));
    }
    return names;
  }
  static std::vector<std::string> Names(std::initializer_list<std::string> names) { return names; }

  EndpointCells cells_{1};
  TableState state_{cells_, {}};
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
};

TEST_F(TableStateTest, StartsWithATableThatKnowsNothing) {
  const BuiltTable built = state_.Build();
  EXPECT_TRUE(built.table->services.empty());
  EXPECT_EQ(built.table->router, nullptr);
  EXPECT_FALSE(state_.has_config());
}

TEST_F(TableStateTest, StagesUntilTheFirstSliceIsThere) {
  EXPECT_TRUE(ApplyConfig(1, {"a", "b"}).changed);
  EXPECT_FALSE(state_.has_config());
  EXPECT_EQ(state_.config_version(), (VersionPair{1, 1})) << "staged counts as held";
  ApplyFrame(MakeSlice("a", 1, 2));
  EXPECT_FALSE(state_.has_config());
  ApplyFrame(MakeSlice("b", 1, 1));
  EXPECT_TRUE(state_.has_config());
  EXPECT_TRUE(state_.complete());
  EXPECT_EQ(Running(), Names({"a", "b"}));
}

TEST_F(TableStateTest, ServiceWithoutASliceIsUnavailableAloneAfterFiveSeconds) {
  ApplyConfig(1, {"a", "b"});
  ApplyFrame(MakeSlice("a", 1, 2));
  EXPECT_EQ(state_.wake_at(), now_ + absl::Seconds(5));
  EXPECT_FALSE(state_.Advance(now_ + absl::Seconds(5) - absl::Microseconds(1)));
  EXPECT_TRUE(state_.Advance(now_ + absl::Seconds(5)));
  EXPECT_EQ(state_.wake_at(), common::MonotonicTime::Infinite());
  EXPECT_EQ(Running(), Names({"a", "b:no-slice"}));
  EXPECT_FALSE(state_.complete());
  ApplyFrame(MakeSlice("b", 1, 1));
  EXPECT_EQ(Running(), Names({"a", "b"}));
}

TEST_F(TableStateTest, OldConfigurationRunsWhileTheNextIsStaged) {
  ApplyConfig(1, {"a"});
  ApplyFrame(MakeSlice("a", 1, 1));
  ApplyConfig(2, {"a", "new"});
  EXPECT_EQ(Running(), Names({"a"}));
  ApplyFrame(MakeSlice("a", 2, 2));
  const auto table = state_.Build().table;
  EXPECT_EQ(table->services[0]->endpoints.size(), 2u) << "slices go on meanwhile";
  ApplyFrame(MakeSlice("new", 1, 1));
  EXPECT_EQ(Running(), Names({"a", "new"}));
}

TEST_F(TableStateTest, ARouteWhoseLimitStaysKeepsItsFilters) {
  const auto apply = [this](uint64_t revision, double limit, const std::string& service) {
    v1::Bundle bundle;
    *bundle.mutable_config() = MakeConfig(revision, {service});
    v1::Route* route = bundle.mutable_config()->mutable_config()->add_routes();
    route->set_name("routes/limited");
    route->mutable_direct_response()->set_status(200);
    route->mutable_rate_limit()->set_requests_per_second(limit);
    ASSERT_TRUE(state_.Apply(bundle, now_).changed);
  };
  const auto filters = [this] { return state_.Build().table->router->Find("limited")->filters; };
  apply(1, 10, "a");
  ApplyFrame(MakeSlice("a", 1, 1));
  const auto first = filters();
  ASSERT_NE(first, nullptr);
  // The second waits for its slice; the third follows on it.
  apply(2, 10, "b");
  apply(3, 10, "c");
  ApplyFrame(MakeSlice("c", 1, 1));
  EXPECT_EQ(filters(), first);
  apply(4, 20, "c");
  EXPECT_NE(filters(), first);
}

TEST_F(TableStateTest, FurtherConfigurationsDoNotProlongTheWait) {
  ApplyConfig(1, {"a"});
  now_ = now_ + absl::Seconds(4);
  ApplyConfig(2, {"a", "b"});
  EXPECT_EQ(state_.wake_at(), now_ + absl::Seconds(5)) << "b was named just now";
  ApplyFrame(MakeSlice("b", 1, 1));
  EXPECT_EQ(state_.wake_at(), now_ + absl::Seconds(1));
}

TEST_F(TableStateTest, SlicesLeaveWithTheConfigurationThatDropsThem) {
  ApplyConfig(1, {"a", "b"});
  ApplyFrame(MakeSlice("a", 5, 2));
  ApplyFrame(MakeSlice("b", 5, 2));
  state_.Build();
  ApplyConfig(2, {"a"});
  const BuiltTable built = state_.Build();
  EXPECT_EQ(built.retired.size(), 3u) << "two endpoints and the service itself";
  EXPECT_FALSE(state_.slices().contains("b"));
  ApplyConfig(3, {"a", "b"});
  ApplyFrame(MakeSlice("b", 1, 1));
  EXPECT_EQ(Running(), Names({"a", "b"})) << "a service that returns begins anew";
}

TEST_F(TableStateTest, ASliceMayComeBeforeItsConfigurationButNotStayForEverWithoutOne) {
  ApplyFrame(MakeSlice("b", 1, 1));
  ApplyConfig(1, {"a"});
  ApplyFrame(MakeSlice("a", 1, 1));
  EXPECT_TRUE(state_.slices().contains("b")) << "its configuration may be on its way";
  ApplyConfig(2, {"a"});
  EXPECT_FALSE(state_.slices().contains("b"));
  EXPECT_EQ(Running(), Names({"a"}));
  ApplyFrame(MakeSlice("b", 1, 1));
  ApplyConfig(3, {"a", "b"});
  EXPECT_EQ(Running(), Names({"a", "b"}));
}

TEST_F(TableStateTest, LowerOrBrokenConfigurationIsRefusedAndTheLastGoodStays) {
  ApplyConfig(7, {"a"});
  ApplyFrame(MakeSlice("a", 1, 1));
  EXPECT_EQ(ApplyConfig(6, {"b"}).refused.at(0).refusal.code, kNackStale);
  EXPECT_TRUE(ApplyConfig(7, {"a"}).refused.empty()) << "the same again is no harm";
  v1::Bundle bundle;
  *bundle.mutable_config() = MakeConfig(8, {"a"});
  bundle.mutable_config()->mutable_config()->mutable_routes(0)->set_service("other");
  const BundleResult result = state_.Apply(bundle, now_);
  ASSERT_EQ(result.refused.size(), 1u);
  EXPECT_EQ(result.refused[0].service, "");
  EXPECT_EQ(result.refused[0].refusal.code, kNackInvalid);
  EXPECT_EQ(Running(), Names({"a"}));
  EXPECT_EQ(state_.config_version(), (VersionPair{1, 7}));
}

TEST_F(TableStateTest, OneRefusedFrameDoesNotStopTheOthers) {
  ApplyConfig(1, {"a", "b"});
  v1::Bundle bundle;
  *bundle.add_frames() = MakeFrame("a", 3, 4);
  *bundle.add_frames() = MakeSlice("b", 1, 1);
  const BundleResult result = state_.Apply(bundle, now_);
  ASSERT_EQ(result.refused.size(), 1u);
  EXPECT_EQ(result.refused[0].service, "a");
  EXPECT_EQ(result.refused[0].refusal.code, kNackGap);
  EXPECT_EQ(result.services, Names({"a", "b"}));
  EXPECT_TRUE(state_.slices().contains("b"));
}

TEST_F(TableStateTest, UnchangedServicesAndRouterAreShared) {
  ApplyConfig(1, {"a", "b"});
  ApplyFrame(MakeSlice("a", 1, 2));
  ApplyFrame(MakeSlice("b", 1, 2));
  const auto before = state_.Build().table;
  v1::SliceFrame delta = MakeFrame("b", 1, 2);
  AddEndpoint(&delta, 1, 7);
  ApplyFrame(delta);
  const auto after = state_.Build().table;
  EXPECT_GT(after->serial, before->serial);
  EXPECT_EQ(after->services[0], before->services[0]);
  EXPECT_EQ(after->router, before->router);
  EXPECT_NE(after->services[1], before->services[1]);
  EXPECT_EQ(after->services[1]->endpoints[0].weight, 7u);
  EXPECT_EQ(before->services[1]->endpoints[0].weight, 65'536u);
}

TEST_F(TableStateTest, TheLineupChangesOnlyWhenConnectionsMayBeHeldForNothing) {
  ApplyConfig(1, {"a"});
  ApplyFrame(MakeSlice("a", 1, 2));
  const uint64_t begun = state_.Build().table->lineup;
  v1::SliceFrame weight = MakeFrame("a", 1, 2);
  AddEndpoint(&weight, 1, 7);
  ApplyFrame(weight);
  EXPECT_EQ(state_.Build().table->lineup, begun) << "a weight";
  v1::SliceFrame gone = MakeFrame("a", 2, 3);
  gone.add_removed()->set_handle(2);
  gone.mutable_removed(0)->set_revision(3);
  ApplyFrame(gone);
  const uint64_t left = state_.Build().table->lineup;
  EXPECT_NE(left, begun) << "an endpoint left";
  ApplyConfig(2, {"a"});
  EXPECT_NE(state_.Build().table->lineup, left) << "a configuration";
}

TEST_F(TableStateTest, NamesFollowWhatFramesSay) {
  ApplyConfig(1, {"a"});
  v1::SliceFrame frame = MakeFrame("a", 0, 1);
  AddEndpoint(&frame, 1, 65'536, "one.test:80");
  ApplyFrame(frame);
  EXPECT_EQ(state_.Names(), Names({"one.test"}));
  v1::SliceFrame more = MakeFrame("a", 1, 2);
  AddEndpoint(&more, 2, 65'536, "two.test:80");
  ApplyFrame(more);
  EXPECT_EQ(state_.Names(), Names({"one.test", "two.test"}));
  v1::SliceFrame less = MakeFrame("a", 2, 3);
  less.add_removed()->set_handle(1);
  less.mutable_removed(0)->set_revision(3);
  ApplyFrame(less);
  EXPECT_EQ(state_.Names(), Names({"two.test"}));
  ApplyConfig(2, {});
  EXPECT_TRUE(state_.Names().empty()) << "its service left";
}

TEST_F(TableStateTest, PolicyAloneRebuildsItsService) {
  ApplyConfig(1, {"a"});
  ApplyFrame(MakeSlice("a", 1, 2));
  state_.Build();
  v1::Bundle bundle;
  *bundle.mutable_config() = MakeConfig(2, {"a"});
  v1::Service* service = bundle.mutable_config()->mutable_config()->mutable_services(0);
  service->mutable_retries()->set_max_retries(0);
  state_.Apply(bundle, now_);
  const auto table = state_.Build().table;
  EXPECT_EQ(table->services[0]->policy.max_retries, 0u);
  EXPECT_EQ(table->services[0]->endpoints.size(), 2u);
}

TEST_F(TableStateTest, NamesAreUsedOnceResolvedAndFollowTheirAddress) {
  ApplyConfig(1, {"a"});
  v1::SliceFrame frame = MakeFrame("a", 0, 1);
  AddEndpoint(&frame, 1, 65'536, "backend.test:80");
  ApplyFrame(frame);
  EXPECT_EQ(state_.Names(), Names({"backend.test"}));
  EXPECT_EQ(Running(), Names({"a:none-routable"}));
  const auto ip = [](const std::string& text) { return *common::ParseAddress(text + ":0"); };
  EXPECT_TRUE(state_.SetResolved("backend.test", {ip("10.0.0.9"), ip("10.0.0.8")}));
  BuiltTable built = state_.Build();
  const CellRef cell = built.table->services[0]->endpoints[0].cell;
  EXPECT_EQ(common::ToString(built.table->services[0]->endpoints[0].address()), "10.0.0.8:80");
  EXPECT_FALSE(state_.SetResolved("backend.test", {ip("10.0.0.8"), ip("10.0.0.9")}));
  EXPECT_FALSE(state_.SetResolved("backend.test", {})) << "a failure keeps what was known";
  EXPECT_TRUE(state_.SetResolved("backend.test", {ip("10.0.0.7"), ip("10.0.0.8")}));
  built = state_.Build();
  EXPECT_EQ(built.table->services[0]->endpoints[0].cell, cell) << "its address is still listed";
  EXPECT_TRUE(state_.SetResolved("backend.test", {ip("10.0.0.7")}));
  built = state_.Build();
  EXPECT_EQ(common::ToString(built.table->services[0]->endpoints[0].address()), "10.0.0.7:80");
  EXPECT_NE(built.table->services[0]->endpoints[0].cell, cell);
  EXPECT_EQ(built.retired, (std::vector<CellRef>{cell}));
}

// A service of one endpoint that is a name.
class DualStackNameTest : public TableStateTest {
 protected:
  void SetUp() override {
    ApplyConfig(1, {"a"});
    v1::SliceFrame frame = MakeFrame("a", 0, 1);
    AddEndpoint(&frame, 1, 65'536, "backend.test:80");
    ApplyFrame(frame);
  }
  bool Resolve(const std::vector<std::string>& hosts) {
    std::vector<common::Address> addresses;
    addresses.reserve(hosts.size());
    for (const std::string& host : hosts) addresses.push_back(*common::ParseAddress(host + ":0"));
    return state_.SetResolved("backend.test", std::move(addresses));
  }
  // "first|other" of the endpoint in the next table.
  std::string Addresses() {
    endpoint_ = state_.Build().table->services[0]->endpoints[0];
    std::string text = common::ToString(endpoint_.address());
    if (!endpoint_.other().has_value()) return text;
    common::Address other;
    other.kind =
        endpoint_.other()->v6 ? common::Address::Kind::kIpv6 : common::Address::Kind::kIpv4;
    other.bytes = endpoint_.other()->bytes;
    return text + "|" + common::HostOf(other);
  }
  // The same, and whether the cell is another one than that of the table before.
  std::string Next() {
    const CellRef before = endpoint_.cell;
    const std::string text = Addresses();
    return text + (endpoint_.cell == before ? "" : " anew");
  }

  Endpoint endpoint_;
};

TEST_F(DualStackNameTest, Ipv6IsFirstAndIpv4TheOther) {
  EXPECT_TRUE(Resolve({"10.0.0.9", "10.0.0.8", "[2001:db8::9]", "[2001:db8::8]"}));
  EXPECT_EQ(Addresses(), "[2001:db8::8]:80|10.0.0.8");
}

TEST_F(DualStackNameTest, OneFamilyHasNoOther) {
  EXPECT_TRUE(Resolve({"[2001:db8::9]", "[2001:db8::8]"}));
  EXPECT_EQ(Addresses(), "[2001:db8::8]:80");
  EXPECT_TRUE(Resolve({"10.0.0.9", "10.0.0.8"}));
  EXPECT_EQ(Next(), "10.0.0.8:80 anew");
}

TEST_F(DualStackNameTest, AChangeOfEitherAddressIsAnotherCell) {
  EXPECT_TRUE(Resolve({"10.0.0.8", "[2001:db8::8]"}));
  EXPECT_EQ(Addresses(), "[2001:db8::8]:80|10.0.0.8");
  EXPECT_TRUE(Resolve({"10.0.0.7", "10.0.0.8", "[2001:db8::7]", "[2001:db8::8]"}));
  EXPECT_EQ(Next(), "[2001:db8::8]:80|10.0.0.8") << "those in use are still listed";
  EXPECT_TRUE(Resolve({"10.0.0.7", "[2001:db8::8]"}));
  EXPECT_EQ(Next(), "[2001:db8::8]:80|10.0.0.7 anew");
  EXPECT_TRUE(Resolve({"10.0.0.7", "[2001:db8::7]"}));
  EXPECT_EQ(Next(), "[2001:db8::7]:80|10.0.0.7 anew");
}

TEST_F(DualStackNameTest, AFamilyThatIsNewIsUsed) {
  EXPECT_TRUE(Resolve({"10.0.0.8"}));
  EXPECT_EQ(Addresses(), "10.0.0.8:80");
  EXPECT_TRUE(Resolve({"10.0.0.8", "[2001:db8::8]"}));
  EXPECT_EQ(Next(), "[2001:db8::8]:80|10.0.0.8 anew");
}

TEST_F(DualStackNameTest, AFamilyIsOnlyBelievedGoneAfterSomeAnswers) {
  EXPECT_TRUE(Resolve({"10.0.0.8", "[2001:db8::8]"}));
  EXPECT_EQ(Addresses(), "[2001:db8::8]:80|10.0.0.8");
  for (int round = 0; round < 2; ++round) {
    for (int i = 1; i < TableState::kAnswersWithoutFamily; ++i) {
      EXPECT_FALSE(Resolve({"10.0.0.8"}));
    }
    EXPECT_FALSE(Resolve({"10.0.0.8", "[2001:db8::8]"})) << "it counts those in a row";
  }
  EXPECT_TRUE(Resolve({"10.0.0.7"})) << "what the family that came says counts at once";
  EXPECT_EQ(Next(), "[2001:db8::8]:80|10.0.0.7 anew");
  EXPECT_FALSE(Resolve({"10.0.0.7"}));
  EXPECT_TRUE(Resolve({"10.0.0.7"}));
  EXPECT_EQ(Next(), "10.0.0.7:80 anew");
}

TEST_F(TableStateTest, SnapshotRestoresTheSameTable) {
  v1::Bundle bundle;
  bundle.set_store_id("store-1");
  *bundle.mutable_config() = MakeConfig(3, {"a", "b"});
  *bundle.add_frames() = MakeSlice("a", 4, 3);
  *bundle.add_frames() = MakeSlice("b", 9, 2);
  state_.Apply(bundle, now_);
  TableState other(cells_, {});
  ASSERT_TRUE(other.Restore(state_.Snapshot(), now_).ok());
  EXPECT_EQ(other.slices(), state_.slices());
  EXPECT_EQ(other.config_version(), state_.config_version());
  EXPECT_EQ(other.store_id(), "store-1");
  EXPECT_EQ(other.Build().table->services.size(), 2u);
}

TEST_F(TableStateTest, SnapshotWithAMissingSliceServesTheRestAtOnce) {
  v1::Bundle snapshot;
  *snapshot.mutable_config() = MakeConfig(3, {"a", "b"});
  *snapshot.add_frames() = MakeSlice("a", 4, 3);
  ASSERT_TRUE(state_.Restore(snapshot, now_).ok());
  EXPECT_EQ(Running(), Names({"a", "b:no-slice"}));
}

TEST_F(TableStateTest, BrokenSnapshotIsRefused) {
  EXPECT_FALSE(state_.Restore(v1::Bundle(), now_).ok());
  v1::Bundle snapshot;
  *snapshot.mutable_config() = MakeConfig(3, {"a"});
  *snapshot.add_frames() = MakeFrame("a", 3, 4);
  EXPECT_EQ(TableState(cells_, {}).Restore(snapshot, now_).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(TableStateTest, StaticConfigurationMayEmptyAService) {
  v1::Config config = MakeConfig(1, {"a"}).config();
  v1::Endpoint* endpoint = config.mutable_services(0)->add_endpoints();
  endpoint->set_id("one");
  endpoint->set_address("127.0.0.1:80");
  endpoint->set_capacity(2);
  ASSERT_TRUE(state_.ApplyStatic(config, 1, now_).ok());
  const auto table = state_.Build().table;
  EXPECT_EQ(table->services[0]->endpoints[0].weight, 131'072u);
  config.mutable_services(0)->clear_endpoints();
  ASSERT_TRUE(state_.ApplyStatic(config, 2, now_).ok());
  EXPECT_EQ(Running(), Names({"a:no-endpoints"}));
}

TEST_F(TableStateTest, RefusesMoreEndpointsThanCells) {
  ApplyConfig(1, {"a", "b", "c"});
  EXPECT_TRUE(ApplyFrame(MakeSlice("a", 1, 60'000)).refused.empty());
  state_.Advance(now_ + absl::Seconds(5));
  state_.Build();
  EXPECT_TRUE(ApplyFrame(MakeSlice("b", 1, 60'000)).refused.empty());
  state_.Build();
  const BundleResult result = ApplyFrame(MakeSlice("c", 1, 60'000));
  ASSERT_EQ(result.refused.size(), 1u);
  EXPECT_EQ(result.refused[0].refusal.code, kNackNoCells);
}

}  // namespace
}  // namespace pointsman::gateway
