#include "controller/event_log.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "controller/store/await.h"
#include "controller/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controller/store/temp_folder.h"

namespace pointsman::controller {
namespace {

using ::testing::ElementsAre;

class EventLogTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    log_.reset();
    store_.reset();
    store_ = OpenSqliteStore({folder_.path(), fault_}).value();
    options_.store = &store_->local();
    options_.clock = &common::SystemClock();
    options_.retry = absl::Milliseconds(1);
    log_ = std::make_unique<EventLog>(options_);
  }

  std::vector<uint64_t> Sequences(EventQuery query) {
    const auto events =
        Await<std::vector<v1::Event>>([&](auto done) { log_->List(query, std::move(done)); });
    EXPECT_TRUE(events.ok()) << events.status();
    std::vector<uint64_t> sequences;
    for (const v1::Event& event : events.value_or(std::vector<v1::Event>())) {
      sequences.push_back(event.sequence());
    }
    return sequences;
  }
  void Record(int count, const std::string& type = "test.event") {
    for (int i = 0; i < count; ++i) log_->Record({type, "subject", "controller", "happened", {}});
  }
  void WaitForWritten(uint64_t count) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (log_->counters().written < count && absl::Now() < deadline) std::this_thread::yield();
    EXPECT_EQ(log_->counters().written, count);
  }

  TempFolder folder_;
  const std::string fault_ = folder_.file("fault");
  EventLog::Options options_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<EventLog> log_;
};

TEST_F(EventLogTest, ContinuesItsSequenceAfterARestart) {
  Record(3);
  Open();
  Record(2, "test.second");
  EXPECT_THAT(Sequences({}), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_THAT(Sequences({.type_prefix = "test.second"}), ElementsAre(5, 4));
  EXPECT_THAT(Sequences({.limit = 3}), ElementsAre(5, 4, 3));
  EXPECT_THAT(Sequences({.before = 4, .limit = 2}), ElementsAre(3, 2));
}

TEST_F(EventLogTest, ReadsOnFromTheStoreWhatMemoryNoLongerHolds) {
  options_.ring_max = 2;
  Open();
  Record(6);
  WaitForWritten(6);
  EXPECT_THAT(Sequences({}), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(Sequences({.before = 6, .limit = 3}), ElementsAre(5, 4, 3));
}

TEST_F(EventLogTest, DropsTheOldestUnwrittenWhenTheStoreFailsAndCountsThem) {
  options_.waiting_max = 4;
  Open();
  std::ofstream(fault_) << "on";
  Record(10);
  EXPECT_GE(log_->counters().dropped, 6u);
  EXPECT_EQ(Sequences({}).size(), 10u);
  std::filesystem::remove(fault_);
  WaitForWritten(10 - log_->counters().dropped);
  EXPECT_EQ(log_->counters().waiting, 0u);
}

TEST_F(EventLogTest, KeepsAtMostThirtyTwoDetails) {
  EventDraft draft;
  draft.type = "test.event";
  for (int i = 0; i < 50; ++i) draft.details.emplace_back(absl::StrCat(i), "x");
  log_->Record(draft);
  const auto events =
      Await<std::vector<v1::Event>>([&](auto done) { log_->List({}, std::move(done)); });
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ(events->at(0).details_size(), 32);
  EXPECT_GT(events->at(0).time().seconds(), 0);
}

}  // namespace
}  // namespace pointsman::controller
