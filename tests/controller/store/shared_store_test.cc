// The rules of SharedStore, on SQLite.
#include "controller/store/shared_store.h"

#include "absl/strings/str_cat.h"
#include "controller/store/await.h"
#include "controller/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controller/store/temp_folder.h"

namespace pointsman::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SharedStoreTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    store_.reset();
    auto store = OpenSqliteStore({folder_.path(), ""});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  SharedStore& shared() { return store_->shared(); }

  absl::StatusOr<TxnResult> Txn(TxnRequest request) {
    return Await<TxnResult>([&](auto done) { shared().Txn(std::move(request), done); });
  }
  uint64_t Put(const std::string& key, const std::string& value) {
    const auto result = Txn({{}, {{key, value}}, {}});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->revision : 0;
  }
  absl::StatusOr<ListResult> List(ListOptions options) {
    return Await<ListResult>([&](auto done) { shared().List(std::move(options), done); });
  }
  std::vector<std::string> Keys(ListOptions options) {
    std::vector<std::string> keys;
    const auto list = List(std::move(options));
    EXPECT_TRUE(list.ok()) << list.status();
    if (list.ok()) {
      for (const StoreItem& item : list->items) keys.push_back(item.key);
    }
    return keys;
  }
  absl::StatusOr<Claim> ClaimAbove(uint64_t above, const std::string& owner = "me") {
    return Await<Claim>([&](auto done) {
      shared().ClaimScope({"controller", owner, above}, done);
    });
  }

  TempFolder folder_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(SharedStoreTest, ListsByPrefixInOrderWithRevisions) {
  const uint64_t first = Put("a/1", "x");
  Put("b/1", "y");
  const uint64_t last = Put("a/2", "z");
  EXPECT_EQ(first, 1u);
  const auto list = List({"a/"});
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->revision, last);
  ASSERT_EQ(list->items.size(), 2u);
  EXPECT_EQ(list->items[0].key, "a/1");
  EXPECT_EQ(list->items[0].value, "x");
  EXPECT_EQ(list->items[0].mod_revision, first);
  EXPECT_EQ(list->items[1].mod_revision, last);
}

TEST_F(SharedStoreTest, PagesInBothDirections) {
  for (const char* key : {"a/1", "a/2", "a/3", "a/4", "b"}) Put(key, "v");
  EXPECT_THAT(Keys({.prefix = "a/", .limit = 2}), ElementsAre("a/1", "a/2"));
  EXPECT_THAT(Keys({.prefix = "a/", .after = "a/2"}), ElementsAre("a/3", "a/4"));
  EXPECT_THAT(Keys({.prefix = "a/", .descending = true, .limit = 2}), ElementsAre("a/4", "a/3"));
  EXPECT_THAT(Keys({.prefix = "a/", .descending = true, .after = "a/3"}),
              ElementsAre("a/2", "a/1"));
  const auto keys_only = List({.prefix = "b", .keys_only = true});
  ASSERT_TRUE(keys_only.ok());
  EXPECT_EQ(keys_only->items.at(0).value, "");
}

TEST_F(SharedStoreTest, TakesPrefixesAndValuesOfAnyBytes) {
  const std::string key("\xff\xff\0x", 4);
  Put(key, std::string("\0\xff", 2));
  Put("other", "");
  EXPECT_THAT(Keys({.prefix = "\xff"}), ElementsAre(key));
  const auto list = List({.prefix = "\xff\xff"});
  ASSERT_EQ(list->items.size(), 1u);
  EXPECT_EQ(list->items[0].value, std::string("\0\xff", 2));
}

TEST_F(SharedStoreTest, ChangesNothingWhenACompareDoesNotHold) {
  const uint64_t revision = Put("a", "1");
  auto result = Txn({{{"a", revision + 1}}, {{"a", "2"}, {"b", "2"}}, {}});
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->succeeded);
  EXPECT_EQ(result->revision, revision);
  result = Txn({{{"a", revision}, {"b", 0}}, {{"b", "2"}}, {"a"}});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->succeeded);
  EXPECT_THAT(Keys({}), ElementsAre("b"));
  result = Txn({{{"b", 0}}, {{"c", "3"}}, {}});
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->succeeded);
}

TEST_F(SharedStoreTest, RefusesTransactionsOverItsLimits) {
  TxnRequest many;
  for (size_t i = 0; i <= kTxnOperationsMax; ++i) many.deletes.push_back(absl::StrCat(i));
  EXPECT_EQ(Txn(many).status().code(), absl::StatusCode::kInvalidArgument);
  many.deletes.pop_back();
  EXPECT_TRUE(Txn(many).ok());
  EXPECT_EQ(Txn({{}, {{"a", std::string(kTxnBytesMax, 'x')}}, {}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Txn({{}, {{"a", std::string(kTxnBytesMax - 1, 'x')}}, {}}).ok());
}

TEST_F(SharedStoreTest, RaisesTheEpochAtEachClaimAndAboveAGivenOne) {
  EXPECT_EQ(ClaimAbove(0)->epoch, 1u);
  EXPECT_EQ(ClaimAbove(0)->epoch, 2u);
  EXPECT_EQ(ClaimAbove(70)->epoch, 71u);
  EXPECT_EQ(ClaimAbove(5)->epoch, 72u);
  Open();
  EXPECT_EQ(ClaimAbove(0)->epoch, 73u);
  EXPECT_EQ(ClaimAbove(UINT64_MAX).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SharedStoreTest, RenewsOnlyTheNewestClaim) {
  const Claim old_claim = *ClaimAbove(0, "one");
  const auto renew = [&](Claim claim) {
    return Await<Claim>([&](auto done) { shared().Renew(claim, done); });
  };
  EXPECT_TRUE(renew(old_claim).ok());
  const Claim new_claim = *ClaimAbove(0, "two");
  EXPECT_EQ(renew(old_claim).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(renew(new_claim).ok());
}

// Collects what a watch says.
class Watched {
 public:
  void Take(const WatchBatch& batch) {
    common::MutexLock lock(mutex_);
    if (batch.compacted) compacted_ = true;
    for (const StoreEvent& event : batch.events) {
      seen_.push_back((event.kind == StoreEvent::Kind::kPut ? "+" : "-") + event.item.key);
    }
    changed_.NotifyAll();
  }
  std::vector<std::string> WaitFor(size_t count) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    common::MutexLock lock(mutex_);
    while (seen_.size() < count && !compacted_ && absl::Now() < deadline) {
      changed_.WaitFor(mutex_, absl::Seconds(1));
    }
    return seen_;
  }
  bool compacted() {
    common::MutexLock lock(mutex_);
    return compacted_;
  }

 private:
  common::Mutex mutex_;
  common::CondVar changed_;
  bool compacted_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> seen_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(SharedStoreTest, WatchesGetEventsAfterTheirRevisionInOrder) {
  Put("a/1", "x");
  const uint64_t from = Put("a/2", "x");
  Put("a/3", "x");
  Watched watched;
  auto handle = shared().Watch("a/", from, [&](const WatchBatch& b) { watched.Take(b); });
  EXPECT_THAT(watched.WaitFor(1), ElementsAre("+a/3"));
  Put("b/1", "x");
  ASSERT_TRUE(Txn({{}, {{"a/4", "x"}}, {"a/1"}}).ok());
  EXPECT_THAT(watched.WaitFor(3), ElementsAre("+a/3", "+a/4", "-a/1"));
  handle.reset();
  Put("a/5", "x");
  EXPECT_EQ(watched.WaitFor(3).size(), 3u);
}

TEST_F(SharedStoreTest, SaysCompactedWhenEventsAreLost) {
  Put("a", "1");
  Put("a", "2");
  Open();
  Watched watched;
  auto handle = shared().Watch("", 1, [&](const WatchBatch& b) { watched.Take(b); });
  EXPECT_THAT(watched.WaitFor(1), IsEmpty());
  EXPECT_TRUE(watched.compacted());
}

TEST_F(SharedStoreTest, AnswersEveryCallWhenItCloses) {
  std::atomic<int> answers{0};
  for (int i = 0; i < 200; ++i) {
    shared().Txn({{}, {{absl::StrCat(i), "v"}}, {}}, [&](absl::StatusOr<TxnResult>) { ++answers; });
    shared().List({}, [&](absl::StatusOr<ListResult>) { ++answers; });
  }
  store_.reset();
  EXPECT_EQ(answers, 400);
}

}  // namespace
}  // namespace pointsman::controller
