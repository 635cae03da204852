// The control side against a controller in this process, over a real stream. Workers are a
// function that adopts each table at once, or when the test says so.

#include "gateway/control/control_loop.h"

#include <memory>
#include <string>

#include "common/files.h"
#include "common/rpc/channel.h"
#include "gtest/gtest.h"
#include "tests/gateway/control/fake_controller.h"
#include "tests/gateway/control/temp_dir.h"
#include "tests/gateway/core/bundle_fixture.h"

namespace pointsman::gateway {
namespace {

class ControlLoopTest : public ::testing::Test {
 protected:
  ControlOptions Options() {
    ControlOptions options;
    options.gateway_id = "gw-1";
    options.place = {"r", "z"};
    options.boot_id = 77;
    options.publish = [this](std::shared_ptr<const RoutingTable> table,
                             std::function<void()> adopted) {
      common::MutexLock lock(mutex_);
      table_ = std::move(table);
      if (hold_) {
        held_.push_back(std::move(adopted));
      } else {
        adopted();
      }
      changed_.NotifyAll();
    };
    options.resolve = [](const auto& names, auto done, auto /*stop*/) {
      for (const std::string& name : names) done(name, ParseOne("127.0.0.1:0"));
    };
    options.observe_interval = absl::Milliseconds(50);
    options.snapshot_interval = absl::Milliseconds(10);
    options.backoff = {.initial = absl::Milliseconds(10),
                       .max = absl::Milliseconds(50),
                       .floor = absl::Milliseconds(1),
                       .factor = 2.0};
    return options;
  }
  static absl::StatusOr<std::vector<common::Address>> ParseOne(const std::string& text) {
    return std::vector<common::Address>{*common::ParseAddress(text)};
  }
  std::shared_ptr<grpc::Channel> Channel(const FakeController& controller) {
    common::ChannelOptions options;
    options.targets = {controller.address()};
    options.own_connection = true;
    options.backoff_min = absl::Milliseconds(20);
    options.backoff_max = absl::Milliseconds(100);
    return *common::MakeChannel(options);
  }
  std::unique_ptr<ControlLoop> Begin(ControlOptions options) {
    auto loop = std::make_unique<ControlLoop>(common::SystemClock(), cells_, std::move(options));
    const absl::Status status = loop->Load();
    EXPECT_TRUE(status.ok()) << status;
    loop->Start();
    return loop;
  }
  // The published table once `wanted` holds of it; the last one when it does not in time.
  std::shared_ptr<const RoutingTable> WaitForTable(
      const std::function<bool(const RoutingTable&)>& wanted) {
    const absl::Time deadline = absl::Now() + FakeController::kDeadline;
    common::MutexLock lock(mutex_);
    while ((table_ == nullptr || !wanted(*table_)) && absl::Now() < deadline) {
      changed_.WaitFor(mutex_, deadline - absl::Now());
    }
    return table_;
  }
  static v1::Bundle First() {
    v1::Bundle bundle;
    bundle.set_store_id("store-1");
    *bundle.mutable_config() = MakeConfig(1, {"web"});
    *bundle.add_frames() = MakeSlice("web", 5, 2);
    return bundle;
  }
  static bool HasWeb(const RoutingTable& table) {
    return table.services.size() == 1 && table.services[0]->endpoints.size() == 2;
  }

  EndpointCells cells_{1};
  common::Mutex mutex_;
  common::CondVar changed_;
  std::shared_ptr<const RoutingTable> table_;
  bool hold_ = false;
  std::vector<std::function<void()>> held_;
};

TEST_F(ControlLoopTest, SubscribesAppliesAndAcknowledges) {
  FakeController controller;
  ControlOptions options = Options();
  options.channel = Channel(controller);
  auto loop = Begin(std::move(options));
  const auto hello = controller.NextHello();
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->gateway_id(), "gw-1");
  EXPECT_EQ(hello->boot_id(), 77u);
  EXPECT_EQ(hello->locality().zone(), "z");
  EXPECT_FALSE(hello->has_config());
  ASSERT_TRUE(controller.Send(First()));
  const auto ack = controller.NextAck();
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(ack->config().revision(), 1u);
  ASSERT_EQ(ack->slices_size(), 1);
  EXPECT_EQ(ack->slices(0).version().revision(), 5u);
  EXPECT_EQ(ack->nacks_size(), 0);
  EXPECT_TRUE(ack->has_apply_duration());
  EXPECT_TRUE(HasWeb(*loop->CurrentTable()));
  EXPECT_TRUE(loop->status().connected);
}

TEST_F(ControlLoopTest, AcknowledgesOnlyWhenEveryWorkerRunsTheTable) {
  FakeController controller;
  ControlOptions options = Options();
  options.channel = Channel(controller);
  auto loop = Begin(std::move(options));
  ASSERT_TRUE(controller.NextHello().has_value());
  {
    common::MutexLock lock(mutex_);
    hold_ = true;
  }
  ASSERT_TRUE(controller.Send(First()));
  ASSERT_TRUE(HasWeb(*WaitForTable(HasWeb)));
  // Observations go on meanwhile; an Ack among them would be wrong.
  const auto message =
      controller.Next([](const auto& m) { return m.has_ack() || m.has_observations(); });
  ASSERT_TRUE(message.has_value());
  EXPECT_FALSE(message->has_ack());
  {
    common::MutexLock lock(mutex_);
    for (auto& adopted : held_) adopted();
    held_.clear();
  }
  EXPECT_TRUE(controller.NextAck().has_value());
}

TEST_F(ControlLoopTest, ChangesThatComeQuicklyShareATable) {
  FakeController controller;
  ControlOptions options = Options();
  options.channel = Channel(controller);
  options.table_interval = absl::Milliseconds(20);
  auto loop = Begin(std::move(options));
  ASSERT_TRUE(controller.NextHello().has_value());
  const uint64_t before = loop->status().tables;
  const absl::Time begun = absl::Now();
  ASSERT_TRUE(controller.Send(First()));
  ASSERT_TRUE(controller.NextAck().has_value());
  constexpr uint64_t kBundles = 10;
  for (uint64_t i = 1; i < kBundles; ++i) {
    v1::Bundle bundle;
    *bundle.add_frames() = MakeSlice("web", 5 + i, 2);
    ASSERT_TRUE(controller.Send(bundle));
    const auto ack = controller.NextAck();
    ASSERT_TRUE(ack.has_value());
    EXPECT_EQ(ack->slices(0).version().revision(), 5 + i);
    EXPECT_EQ(loop->CurrentTable()->services[0]->version.revision, 5 + i) << "acknowledged";
  }
  EXPECT_EQ(loop->status().tables - before, kBundles);
  EXPECT_GE(absl::Now() - begun, (kBundles - 1) * absl::Milliseconds(20));
}

TEST_F(ControlLoopTest, NamesThatWereLookedUpShareATable) {
  ControlOptions options = Options();
  options.table_interval = absl::Minutes(1);
  v1::Config config = MakeConfig(1, {"web"}).config();
  for (int i = 0; i < 20; ++i) {
    v1::Endpoint* endpoint = config.mutable_services(0)->add_endpoints();
    endpoint->set_id(absl::StrCat("e", i));
    endpoint->set_address(absl::StrCat("name-", i, ":80"));
  }
  options.static_config = config;
  auto loop = Begin(std::move(options));
  loop->AwaitNames(FakeController::kDeadline);
  const auto table = loop->CurrentTable();
  ASSERT_EQ(table->services[0]->endpoints.size(), 20u);
  for (size_t i = 0; i < 20; ++i) EXPECT_TRUE(table->services[0]->endpoints[i].routable) << i;
  EXPECT_EQ(loop->status().tables, 2u) << "one without them, one with all";
}

TEST_F(ControlLoopTest, RefusesWhatDoesNotFitAndKeepsTheLastGood) {
  FakeController controller;
  ControlOptions options = Options();
  options.channel = Channel(controller);
  auto loop = Begin(std::move(options));
  ASSERT_TRUE(controller.Send(First()));
  ASSERT_TRUE(controller.NextAck().has_value());
  v1::Bundle gap;
  *gap.add_frames() = MakeFrame("web", 8, 9);
  ASSERT_TRUE(controller.Send(gap));
  const auto ack = controller.NextAck();
  ASSERT_TRUE(ack.has_value());
  ASSERT_EQ(ack->nacks_size(), 1);
  EXPECT_EQ(ack->nacks(0).code(), kNackGap);
  EXPECT_EQ(ack->nacks(0).version().revision(), 9u);
  EXPECT_EQ(ack->slices(0).version().revision(), 5u) << "what runs";
  EXPECT_TRUE(HasWeb(*loop->CurrentTable()));
}

TEST_F(ControlLoopTest, ServesOnWithoutItsControllerAndReturnsWithWhatItHolds) {
  auto controller = std::make_unique<FakeController>();
  const int port = controller->port();
  ControlOptions options = Options();
  options.channel = Channel(*controller);
  auto loop = Begin(std::move(options));
  ASSERT_TRUE(controller->Send(First()));
  ASSERT_TRUE(controller->NextAck().has_value());
  controller.reset();
  EXPECT_TRUE(HasWeb(*loop->CurrentTable()));
  controller = std::make_unique<FakeController>(port);
  const auto hello = controller->NextHello();
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->store_id(), "store-1");
  EXPECT_EQ(hello->config().revision(), 1u);
  ASSERT_EQ(hello->slices_size(), 1);
  EXPECT_EQ(hello->slices(0).version().revision(), 5u);
  EXPECT_TRUE(HasWeb(*loop->CurrentTable()));
}

TEST_F(ControlLoopTest, UploadsTheSliceItIsAskedFor) {
  FakeController controller;
  ControlOptions options = Options();
  options.channel = Channel(controller);
  auto loop = Begin(std::move(options));
  v1::Bundle bundle = First();
  bundle.add_upload("web");
  bundle.add_upload("unknown");
  ASSERT_TRUE(controller.Send(bundle));
  const auto uploaded = [](const auto& m) { return m.has_uploaded_slice(); };
  const auto web = controller.Next(uploaded);
  ASSERT_TRUE(web.has_value());
  EXPECT_EQ(web->uploaded_slice().slice().entries_size(), 2);
  EXPECT_EQ(web->uploaded_slice().slice().to(), 5u);
  EXPECT_EQ(web->uploaded_slice().slice().base(), 0u);
  const auto unknown = controller.Next(uploaded);
  ASSERT_TRUE(unknown.has_value());
  EXPECT_EQ(unknown->uploaded_slice().slice().service(), "unknown");
  EXPECT_EQ(unknown->uploaded_slice().slice().entries_size(), 0);
}

TEST_F(ControlLoopTest, HardFailureIsSentWithoutWaitingForTheInterval) {
  FakeController controller;
  ControlOptions options = Options();
  options.channel = Channel(controller);
  options.observe_interval = absl::Hours(1);
  auto loop = Begin(std::move(options));
  ASSERT_TRUE(controller.Send(First()));
  ASSERT_TRUE(controller.NextAck().has_value());
  const CellRef cell = loop->CurrentTable()->services[0]->endpoints[1].cell;
  cells_.worker(0).CountOutcome(cell, TryOutcome::kConnectFailure, absl::Microseconds(-1));
  const auto message = controller.Next(
      [](const auto& m) { return m.has_observations() && m.observations().services_size() > 0; });
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->observations().services(0).endpoints(0).handle(), 2u);
  EXPECT_EQ(message->observations().services(0).endpoints(0).connect_failures(), 1u);
}

TEST_F(ControlLoopTest, RestartsIntoTheLastGoodTableWithoutAController) {
  TempDir dir;
  {
    FakeController controller;
    ControlOptions options = Options();
    options.channel = Channel(controller);
    options.state_dir = dir.path();
    auto loop = Begin(std::move(options));
    ASSERT_TRUE(controller.Send(First()));
    ASSERT_TRUE(controller.NextAck().has_value());
  }
  ControlOptions options = Options();
  options.state_dir = dir.path();
  auto loop = Begin(std::move(options));
  EXPECT_TRUE(HasWeb(*loop->CurrentTable())) << "before the first turn of the thread";
  EXPECT_TRUE(loop->status().has_config);
}

TEST_F(ControlLoopTest, BrokenSnapshotIsNotFatal) {
  TempDir dir;
  ASSERT_TRUE(common::WriteFileAtomically(SnapshotFile(dir.path()).path(), "garbage").ok());
  ControlOptions options = Options();
  options.state_dir = dir.path();
  auto loop = Begin(std::move(options));
  EXPECT_TRUE(loop->CurrentTable()->services.empty());
  loop.reset();
  EXPECT_EQ(*common::ReadFile(SnapshotFile(dir.path()).path(), 100), "garbage")
      << "nothing is not saved over it";
}

TEST_F(ControlLoopTest, SnapshotThatIsRefusedByItsContentIsSetAside) {
  TempDir dir;
  SnapshotFile file(dir.path());
  v1::Bundle bundle;
  *bundle.mutable_config() = MakeConfig(1, {"web"});
  *bundle.add_frames() = MakeFrame("web", 3, 4);
  ASSERT_TRUE(file.Save(bundle).ok());
  ControlOptions options = Options();
  options.state_dir = dir.path();
  auto loop = Begin(std::move(options));
  EXPECT_TRUE(loop->CurrentTable()->services.empty());
  EXPECT_TRUE(common::ReadFile(file.set_aside_path(), 1 << 20).ok());
}

TEST_F(ControlLoopTest, StaticConfigurationIsReplacedWholeOrNotAtAll) {
  ControlOptions options = Options();
  v1::Config config = MakeConfig(1, {"web"}).config();
  for (const char* id : {"one", "two"}) {
    v1::Endpoint* endpoint = config.mutable_services(0)->add_endpoints();
    endpoint->set_id(id);
    endpoint->set_address("backend.test:81");
  }
  options.static_config = config;
  auto loop = Begin(std::move(options));
  const auto resolved = [](const RoutingTable& table) {
    return HasWeb(table) && table.services[0]->endpoints[1].routable;
  };
  const auto table = WaitForTable(resolved);
  ASSERT_TRUE(resolved(*table)) << "names are resolved";
  EXPECT_EQ(common::ToString(table->services[0]->endpoints[0].address()), "127.0.0.1:81");
  v1::Config bad = config;
  bad.mutable_services(0)->mutable_endpoints(0)->set_address("nonsense");
  EXPECT_EQ(loop->ReplaceStatic(bad).code(), absl::StatusCode::kInvalidArgument);
  config.mutable_services(0)->mutable_endpoints(0)->set_capacity(3);
  ASSERT_TRUE(loop->ReplaceStatic(config).ok());
  const auto replaced = [](const RoutingTable& t) {
    return t.services[0]->endpoints[0].weight == 3 * 65'536;
  };
  EXPECT_TRUE(replaced(*WaitForTable(replaced)));
}

}  // namespace
}  // namespace pointsman::gateway
