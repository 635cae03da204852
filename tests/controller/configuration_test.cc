// Apply, history, rollback and freeze on a real store, also one that fails.
#include "controller/configuration.h"

#include <filesystem>
#include <fstream>

#include "common/core/config_load.h"
#include "common/core/error_reason.h"
#include "controller/store/await.h"
#include "controller/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controller/store/temp_folder.h"

namespace pointsman::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigurationTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  // A controller's start on the same folder.
  void Open() {
    configuration_.reset();
    events_.reset();
    store_.reset();
    auto store = OpenSqliteStore({folder_.path(), fault_});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    EventLog::Options log;
    log.store = &store_->local();
    log.clock = &common::SystemClock();
    log.retry = absl::Milliseconds(1);
    events_ = std::make_unique<EventLog>(log);
    configuration_ = std::make_unique<Configuration>(
        Configuration::Options{&store_->shared(), events_.get(), &common::SystemClock()});
    configuration_->AddListener([this](const ConfigSnapshot& snapshot) {
      common::MutexLock lock(mutex_);
      published_.push_back(snapshot.revision);
    });
    ASSERT_TRUE(configuration_->Start().ok());
  }

  static v1::ApplyRequest Request(const std::string& yaml) {
    v1::ApplyRequest request;
    const auto config = common::ParseConfig(yaml, "test.yaml");
    EXPECT_TRUE(config.ok()) << config.status();
    if (config.ok()) *request.mutable_config() = *config;
    return request;
  }
  absl::StatusOr<v1::ApplyResponse> Apply(const std::string& yaml) {
    return configuration_->ApplyNow(Request(yaml), "operator:alice");
  }
  absl::StatusOr<v1::ApplyResponse> Rollback(uint64_t revision) {
    v1::RollbackRequest request;
    request.set_revision(revision);
    return Await<v1::ApplyResponse>(
        [&](auto done) { configuration_->Rollback(request, "operator:bob", done); });
  }
  absl::StatusOr<std::vector<v1::ConfigRevision>> History(uint64_t before = 0,
                                                          uint32_t limit = 10) {
    return Await<std::vector<v1::ConfigRevision>>(
        [&](auto done) { configuration_->ListRevisions(before, limit, std::move(done)); });
  }
  std::vector<uint64_t> published() {
    common::MutexLock lock(mutex_);
    return published_;
  }

  TempFolder folder_;
  const std::string fault_ = folder_.file("fault");
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<EventLog> events_;
  common::Mutex mutex_;
  std::vector<uint64_t> published_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Configuration> configuration_;
};

TEST_F(ConfigurationTest, AppliesPublishesAndKeepsAcrossRestarts) {
  EXPECT_EQ(configuration_->Current().revision, 0u);
  const auto applied = Apply("services:\n- name: web\n");
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->revision(), 1u);
  EXPECT_EQ(applied->changes_size(), 1);
  EXPECT_THAT(published(), ElementsAre(0, 1));
  Open();
  EXPECT_THAT(published(), ElementsAre(0, 1, 1));
  const ConfigSnapshot current = configuration_->Current();
  EXPECT_EQ(current.revision, 1u);
  EXPECT_EQ(current.actor, "operator:alice");
  ASSERT_EQ(current.config->services_size(), 1);
  EXPECT_EQ(current.config->services(0).name(), "services/web");
  EXPECT_EQ(current.config->services(0).revision(), 1u);
}

TEST_F(ConfigurationTest, MakesNoRevisionOfEqualContent) {
  ASSERT_TRUE(Apply("services:\n- name: web\n").ok());
  const auto again = Apply("services:\n- name: services/web\n");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->revision(), 1u);
  EXPECT_EQ(again->changes_size(), 0);
  EXPECT_THAT(published(), ElementsAre(0, 1));
}

TEST_F(ConfigurationTest, OnlyShowsWhenAskedToValidate) {
  v1::ApplyRequest request = Request("services:\n- name: web\n");
  request.set_validate_only(true);
  const auto shown = configuration_->ApplyNow(request, "operator:alice");
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ(shown->revision(), 0u);
  EXPECT_EQ(shown->changes_size(), 1);
  EXPECT_EQ(configuration_->Current().revision, 0u);
}

TEST_F(ConfigurationTest, RefusesAnotherExpectedRevision) {
  v1::ApplyRequest request = Request("services:\n- name: web\n");
  request.set_expected_revision(3);
  const auto refused = configuration_->ApplyNow(request, "operator:alice");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(common::ReasonOf(refused.status()), "REVISION_MISMATCH");
  request.set_expected_revision(0);
  EXPECT_TRUE(configuration_->ApplyNow(request, "operator:alice").ok());
}

TEST_F(ConfigurationTest, ABadConfigurationChangesNothing) {
  ASSERT_TRUE(Apply("services:\n- name: web\n").ok());
  const auto refused = Apply("services:\n- name: web\n- name: BAD\n");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(configuration_->Current().config->services_size(), 1);
  EXPECT_EQ(History()->size(), 1u);
}

TEST_F(ConfigurationTest, AnAbsentConfigurationIsNotAnEmptyOne) {
  ASSERT_TRUE(Apply("services: [{name: web}]").ok());
  const auto absent = configuration_->ApplyNow(v1::ApplyRequest(), "operator:alice");
  EXPECT_EQ(common::ReasonOf(absent.status()), "CONFIG_ABSENT") << absent.status();
  EXPECT_EQ(configuration_->Current().config->services_size(), 1);
  ASSERT_TRUE(Apply("{}").ok()) << "written out, it is meant";
  EXPECT_EQ(configuration_->Current().config->services_size(), 0);
}

TEST_F(ConfigurationTest, KeepsAHistoryThatCanBeGoneBackIn) {
  ASSERT_TRUE(Apply("services:\n- name: web\n").ok());
  ASSERT_TRUE(Apply("services:\n- name: web\n  retries: {max_retries: 0}\n").ok());
  ASSERT_TRUE(Apply("services:\n- name: api\n").ok());
  const auto history = History();
  ASSERT_TRUE(history.ok()) << history.status();
  ASSERT_EQ(history->size(), 3u);
  EXPECT_EQ((*history)[0].revision(), 3u);
  EXPECT_EQ((*history)[0].actor(), "operator:alice");
  EXPECT_THAT((*history)[0].changed(), ElementsAre("services/api", "services/web"));
  EXPECT_EQ(History(3, 1)->at(0).revision(), 2u);
  const auto back = Rollback(2);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->revision(), 4u);
  EXPECT_EQ(configuration_->Current().config->services(0).retries().max_retries(), 0u);
  EXPECT_TRUE(configuration_->Current().config->services(0).retries().has_max_retries());
  EXPECT_EQ(History()->at(0).comment(), "rollback to revision 2");
  const auto missing = Rollback(77);
  EXPECT_EQ(common::ReasonOf(missing.status()), "REVISION_NOT_FOUND");
  const auto old_one = Await<v1::ConfigRevision>(
      [&](auto done) { configuration_->GetRevision(3, std::move(done)); });
  ASSERT_TRUE(old_one.ok());
  EXPECT_EQ(old_one->config().services(0).name(), "services/api");
}

TEST_F(ConfigurationTest, ChangesNothingWhileTheStoreFailsAndGoesOnAfter) {
  ASSERT_TRUE(Apply("services:\n- name: web\n").ok());
  std::ofstream(fault_) << "on";
  const auto refused = Apply("services:\n- name: web\n- name: api\n");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable) << refused.status();
  EXPECT_EQ(common::ReasonOf(refused.status()), "STORE_UNAVAILABLE");
  EXPECT_EQ(configuration_->Current().revision, 1u);
  EXPECT_THAT(published(), ElementsAre(0, 1));
  EXPECT_EQ(History()->size(), 1u);
  const auto frozen = Await<FreezeState>(
      [&](auto done) { configuration_->SetFreeze(true, "", "operator:alice", std::move(done)); });
  EXPECT_EQ(frozen.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(configuration_->freeze().frozen);
  std::filesystem::remove(fault_);
  const auto applied = Apply("services:\n- name: web\n- name: api\n");
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->revision(), 2u);
}

TEST_F(ConfigurationTest, StoresTheLargestConfigurations) {
  v1::ApplyRequest request;
  for (int i = 0; i < 3'000; ++i) {
    v1::Service* service = request.mutable_config()->add_services();
    service->set_name("s" + std::to_string(i));
    v1::Endpoint* endpoint = service->add_endpoints();
    endpoint->set_id("e");
    endpoint->set_address("10.0.0.1:80");
    (*endpoint->mutable_labels())["x"] = std::string(255, 'y');
  }
  ASSERT_TRUE(configuration_->ApplyNow(request, "operator:alice").ok());
  Open();
  EXPECT_EQ(configuration_->Current().config->services_size(), 3'000);
}

TEST_F(ConfigurationTest, EditsOneResourceAndDropsObjectsNobodyNamesAtTheNextStart) {
  ASSERT_TRUE(Apply("services:\n- name: web\n").ok());
  const auto edited = Await<ConfigSnapshot>([&](auto done) {
    Configuration::EditRequest edit;
    edit.actor = "operator:alice";
    edit.change = [](v1::Config* config) {
      config->mutable_services(0)->mutable_retries()->set_max_retries(1);
      return absl::OkStatus();
    };
    configuration_->Edit(edit, std::move(done));
  });
  ASSERT_TRUE(edited.ok()) << edited.status();
  EXPECT_EQ(edited->revision, 2u);
  const auto objects = [&] {
    return Await<ListResult>([&](auto done) {
             store_->shared().List({.prefix = "config/object/", .keys_only = true},
                                   std::move(done));
           })
        ->items.size();
  };
  const size_t before = objects();
  ASSERT_TRUE(Await<TxnResult>([&](auto done) {
                store_->shared().Txn({{}, {{"config/object/orphan", "x"}}, {}}, std::move(done));
              }).ok());
  EXPECT_EQ(objects(), before + 1);
  Open();
  EXPECT_EQ(objects(), before);
  EXPECT_TRUE(Rollback(1).ok());
}

TEST_F(ConfigurationTest, RemembersTheFreeze) {
  std::vector<bool> told;
  const auto frozen = Await<FreezeState>([&](auto done) {
    configuration_->SetFreeze(true, "maintenance", "operator:alice", std::move(done));
  });
  ASSERT_TRUE(frozen.ok());
  Open();
  EXPECT_TRUE(configuration_->freeze().frozen);
  EXPECT_EQ(configuration_->freeze().actor, "operator:alice");
  EXPECT_EQ(configuration_->freeze().comment, "maintenance");
  EXPECT_GT(configuration_->freeze().time, absl::UnixEpoch());
}

TEST_F(ConfigurationTest, SaysWhoAppliedInAnEvent) {
  ASSERT_TRUE(Apply("services:\n- name: web\n").ok());
  std::vector<v1::Event> events;
  events_->List({.type_prefix = "config."}, [&](auto found) { events = found.value(); });
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].actor(), "operator:alice");
  EXPECT_THAT(events[0].summary(), HasSubstr("1 created"));
}

}  // namespace
}  // namespace pointsman::controller
