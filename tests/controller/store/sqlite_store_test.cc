// Opening: new, again, older, newer, damaged, foreign, twice; and a disk that fails.
#include "controller/store/sqlite_store.h"

#include <sqlite3.h>

#include <fstream>

#include "controller/store/await.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controller/store/temp_folder.h"

namespace pointsman::controller {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<SqliteStore> OpenOrDie(const std::string& folder, const std::string& fault = "") {
  auto store = OpenSqliteStore({folder, fault});
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

absl::Status Put(SqliteStore& store, const std::string& key, const std::string& value) {
  return Await<TxnResult>([&](auto done) {
           store.shared().Txn({{}, {{key, value}}, {}}, done);
         })
      .status();
}

std::string Read(SqliteStore& store, const std::string& key) {
  const auto result =
      Await<ListResult>([&](auto done) { store.shared().Get({key}, std::move(done)); });
  if (!result.ok()) return result.status().ToString();
  return result->items.empty() ? "absent" : result->items[0].value;
}

void RunSql(const std::string& path, const char* sql) {
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &connection), SQLITE_OK);
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(connection, sql, nullptr, nullptr, &error), SQLITE_OK) << error;
  sqlite3_close(connection);
}

TEST(SqliteStoreTest, KeepsIdentityAndContentAcrossRestarts) {
  TempFolder folder;
  std::string id;
  {
    auto store = OpenOrDie(folder.path());
    EXPECT_TRUE(store->created());
    id = store->shared().store_id();
    EXPECT_EQ(id.size(), 32u);
    EXPECT_TRUE(Put(*store, "a", "1").ok());
  }
  auto store = OpenOrDie(folder.path());
  EXPECT_FALSE(store->created());
  EXPECT_EQ(store->shared().store_id(), id);
  EXPECT_EQ(Read(*store, "a"), "1");
}

TEST(SqliteStoreTest, GivesALostStoreAnotherIdentity) {
  TempFolder folder;
  const std::string first = OpenOrDie(folder.path())->shared().store_id();
  std::filesystem::remove(folder.file("pointsman.db"));
  auto store = OpenOrDie(folder.path());
  EXPECT_TRUE(store->created());
  EXPECT_NE(store->shared().store_id(), first);
}

TEST(SqliteStoreTest, RefusesAFolderThatAnotherControllerUses) {
  TempFolder folder;
  auto store = OpenOrDie(folder.path());
  const auto second = OpenSqliteStore({folder.path(), ""});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("--data-dir"));
}

TEST(SqliteStoreTest, BringsAFileOfVersionOneUpToDate) {
  TempFolder folder;
  // What version 1 wrote, frozen here.
  RunSql(folder.file("pointsman.db"),
         "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
         "CREATE TABLE kv (key BLOB PRIMARY KEY, value BLOB NOT NULL, mod_revision INTEGER NOT"
         " NULL) WITHOUT ROWID;"
         "INSERT INTO meta VALUES ('revision', 41);"
         "INSERT INTO meta VALUES ('store_id', '0123456789abcdef0123456789abcdef');"
         "INSERT INTO kv VALUES (x'61', x'31', 41);"
         "PRAGMA user_version = 1; PRAGMA application_id = 0x504d6462;");
  auto store = OpenOrDie(folder.path());
  EXPECT_FALSE(store->created());
  EXPECT_EQ(store->shared().store_id(), "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(Read(*store, "a"), "1");
  const auto put = Await<TxnResult>([&](auto done) {
    store->shared().Txn({{{"a", 41}}, {{"a", "2"}}, {}}, done);
  });
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_TRUE(put->succeeded);
  EXPECT_EQ(put->revision, 42u);
  v1::Event event;
  event.set_sequence(1);
  EXPECT_TRUE(AwaitDone([&](auto done) { store->local().AppendEvents({event}, done); }).ok());
}

TEST(SqliteStoreTest, RefusesAFileOfANewerVersion) {
  TempFolder folder;
  OpenOrDie(folder.path()).reset();
  RunSql(folder.file("pointsman.db"), "PRAGMA user_version = 99");
  const auto store = OpenSqliteStore({folder.path(), ""});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("newer version"));
}

TEST(SqliteStoreTest, SaysWhatToDoWithAFileThatIsNoDatabase) {
  TempFolder folder;
  std::ofstream(folder.file("pointsman.db")) << std::string(10'000, 'x');
  const auto store = OpenSqliteStore({folder.path(), ""});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("move it away"));
}

TEST(SqliteStoreTest, RefusesTheDatabaseOfAnotherProgram) {
  TempFolder folder;
  RunSql(folder.file("pointsman.db"), "CREATE TABLE theirs (x)");
  const auto store = OpenSqliteStore({folder.path(), ""});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss);
}

TEST(SqliteStoreTest, NoticesATornFile) {
  TempFolder folder;
  {
    auto store = OpenOrDie(folder.path());
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(Put(*store, absl::StrCat("key", i), std::string(5'000, 'v')).ok());
    }
  }
  const std::string path = folder.file("pointsman.db");
  const auto size = std::filesystem::file_size(path);
  ASSERT_GT(size, 100'000u);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 3));
    file << std::string(20'000, '\x5a');
  }
  const auto store = OpenSqliteStore({folder.path(), ""});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
}

TEST(SqliteStoreTest, SurvivesATornWriteAheadLog) {
  TempFolder folder;
  TempFolder copy;
  {
    auto store = OpenOrDie(folder.path());
    ASSERT_TRUE(Put(*store, "a", "1").ok());
    ASSERT_TRUE(Put(*store, "b", "2").ok());
    // A crash: the log is there, and its last frame is only half written.
    for (const char* name : {"pointsman.db", "pointsman.db-wal"}) {
      std::filesystem::copy_file(folder.file(name), copy.file(name));
    }
  }
  const std::string wal = copy.file("pointsman.db-wal");
  std::filesystem::resize_file(wal, std::filesystem::file_size(wal) - 2'000);
  auto store = OpenOrDie(copy.path());
  EXPECT_EQ(Read(*store, "a"), "1");
  EXPECT_EQ(Read(*store, "b"), "absent");
  EXPECT_TRUE(Put(*store, "b", "3").ok());
}

TEST(SqliteStoreTest, ReadsGoOnAndWritesComeBackWhenTheDiskFails) {
  TempFolder folder;
  const std::string fault = folder.file("fault");
  auto store = OpenOrDie(folder.path(), fault);
  ASSERT_TRUE(Put(*store, "a", "1").ok());
  std::ofstream(fault) << "on";
  const absl::Status failed = Put(*store, "a", "2");
  EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable) << failed;
  EXPECT_FALSE(store->Health().writable);
  EXPECT_THAT(store->Health().error, HasSubstr("I/O error"));
  EXPECT_EQ(Read(*store, "a"), "1");
  v1::Event event;
  event.set_sequence(1);
  EXPECT_FALSE(AwaitDone([&](auto done) { store->local().AppendEvents({event}, done); }).ok());
  std::filesystem::remove(fault);
  EXPECT_TRUE(Put(*store, "a", "3").ok());
  EXPECT_EQ(Read(*store, "a"), "3");
  EXPECT_TRUE(store->Health().writable);
  EXPECT_EQ(store->Health().error, "");
  EXPECT_EQ(store->Health().write_failures, 2u);
}

TEST(SqliteStoreTest, NoticesByItselfThatTheDiskWorksAgain) {
  TempFolder folder;
  const std::string fault = folder.file("fault");
  auto store = OpenOrDie(folder.path(), fault);
  std::ofstream(fault) << "on";
  EXPECT_FALSE(Put(*store, "a", "1").ok());
  std::filesystem::remove(fault);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!store->Health().writable && absl::Now() < deadline) Read(*store, "a");
  EXPECT_TRUE(store->Health().writable);
}

TEST(SqliteStoreTest, CannotBeMadeOnADiskThatFails) {
  TempFolder folder;
  const std::string fault = folder.file("fault");
  std::ofstream(fault) << "on";
  const auto store = OpenSqliteStore({folder.path(), fault});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable) << store.status();
}

}  // namespace
}  // namespace pointsman::controller
