#include "controller/store/local_store.h"

#include "absl/strings/str_cat.h"
#include "controller/store/await.h"
#include "controller/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controller/store/temp_folder.h"

namespace pointsman::controller {
namespace {

using ::testing::ElementsAre;

class LocalStoreTest : public testing::Test {
 protected:
  LocalStoreTest() : store_(OpenSqliteStore({folder_.path(), ""}).value()) {}

  LocalStore& local() { return store_->local(); }

  void Append(uint64_t first, uint64_t last, const std::string& type, const std::string& subject) {
    std::vector<v1::Event> events;
    for (uint64_t sequence = first; sequence <= last; ++sequence) {
      v1::Event event;
      event.set_sequence(sequence);
      event.set_type(type);
      event.set_subject(subject);
      events.push_back(event);
    }
    EXPECT_TRUE(AwaitDone([&](auto done) { local().AppendEvents(events, done); }).ok());
  }
  std::vector<uint64_t> Sequences(EventQuery query) {
    const auto events = Await<std::vector<v1::Event>>(
        [&](auto done) { local().ListEvents(std::move(query), done); });
    EXPECT_TRUE(events.ok()) << events.status();
    std::vector<uint64_t> sequences;
    if (events.ok()) {
      for (const v1::Event& event : *events) sequences.push_back(event.sequence());
    }
    return sequences;
  }

  TempFolder folder_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(LocalStoreTest, ListsEventsNewestFirstWithFiltersAndPages) {
  Append(1, 3, "agent.connected", "agents/a");
  Append(4, 5, "config.applied", "config");
  Append(6, 7, "agent.gone", "agents/b%");
  EXPECT_THAT(Sequences({}), ElementsAre(7, 6, 5, 4, 3, 2, 1));
  EXPECT_THAT(Sequences({.type_prefix = "agent."}), ElementsAre(7, 6, 3, 2, 1));
  EXPECT_THAT(Sequences({.type_prefix = "agent.", .subject_prefix = "agents/a"}),
              ElementsAre(3, 2, 1));
  EXPECT_THAT(Sequences({.subject_prefix = "agents/b%"}), ElementsAre(7, 6));
  EXPECT_THAT(Sequences({.limit = 2}), ElementsAre(7, 6));
  EXPECT_THAT(Sequences({.before = 6, .limit = 2}), ElementsAre(5, 4));
}

TEST_F(LocalStoreTest, KeepsTheNewestEventsOnly) {
  Append(1, 10, "t", "s");
  Append(kEventsKept + 5, kEventsKept + 5, "t", "s");
  EXPECT_THAT(Sequences({.limit = 1000}), ElementsAre(kEventsKept + 5, 10, 9, 8, 7, 6));
  const auto last = Await<uint64_t>([&](auto done) { local().LastEventSequence(std::move(done)); });
  EXPECT_EQ(*last, kEventsKept + 5);
}

TEST_F(LocalStoreTest, ListsDecisionsOfOneEndpointNewestFirst) {
  std::vector<DecisionRecord> decisions;
  for (int i = 0; i < 3; ++i) {
    DecisionRecord record{i == 1 ? "services/s/endpoints/other" : "services/s/endpoints/e", i, {}};
    record.explanation.set_name(absl::StrCat(i));
    decisions.push_back(record);
  }
  EXPECT_TRUE(AwaitDone([&](auto done) { local().AppendDecisions(decisions, done); }).ok());
  const auto list = Await<std::vector<DecisionRecord>>(
      [&](auto done) { local().ListDecisions("services/s/endpoints/e", 10, std::move(done)); });
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].explanation.name(), "2");
  EXPECT_EQ((*list)[1].time_unix_micros, 0);
}

TEST_F(LocalStoreTest, ReplacesTheSnapshot) {
  const auto get = [&] {
    return Await<std::string>([&](auto done) { local().GetSnapshot("warm", std::move(done)); });
  };
  const auto put = [&](std::string blob) {
    return AwaitDone([&](auto done) { local().PutSnapshot("warm", blob, std::move(done)); });
  };
  EXPECT_EQ(get().status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(put(std::string("one\0two", 7)).ok());
  EXPECT_EQ(*get(), std::string("one\0two", 7));
  EXPECT_TRUE(put("").ok());
  EXPECT_EQ(*get(), "");
  EXPECT_EQ(put(std::string(kSnapshotBytesMax + 1, 'x')).code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace pointsman::controller
