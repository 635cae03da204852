#include "controller/epoch_keeper.h"

#include <deque>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A store whose claims are answered when the test says so. Calls nothing else.
class FakeStore final : public SharedStore {
 public:
  std::string store_id() const override { return "fake"; }
  void List(ListOptions, Callback<ListResult>) override { FAIL(); }
  void Get(std::vector<std::string>, Callback<ListResult>) override { FAIL(); }
  void Txn(TxnRequest, Callback<TxnResult>) override { FAIL(); }
  std::unique_ptr<WatchHandle> Watch(std::string, uint64_t,
                                     std::function<void(const WatchBatch&)>) override {
    return nullptr;
  }
  void ClaimScope(ClaimRequest request, Callback<Claim> done) override {
    if (!error_at_once.ok()) return done(error_at_once);
    if (answers_at_once) return done(Granted(request));
    waiting.push_back({std::move(request), std::move(done)});
  }
  void Renew(Claim, Callback<Claim>) override { FAIL(); }

  // Answers the oldest claim as a store does: above all it gave and what is asked.
  void Grant() {
    auto [request, done] = Next();
    done(Granted(request));
  }
  void Fail(const absl::Status& status) { Next().second(status); }

  bool answers_at_once = false;
  absl::Status error_at_once;
  uint64_t epoch = 0;
  std::deque<std::pair<ClaimRequest, Callback<Claim>>> waiting;

 private:
  std::pair<ClaimRequest, Callback<Claim>> Next() {
    auto next = std::move(waiting.front());
    waiting.pop_front();
    return next;
  }
  Claim Granted(const ClaimRequest& request) {
    epoch = std::max(epoch, request.above) + 1;
    return {request.scope, request.owner, epoch};
  }
};

class EpochKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    store_.answers_at_once = true;
    ASSERT_TRUE(keeper_.ClaimFirst().ok());
    ASSERT_EQ(keeper_.epoch(), 1u);
    store_.answers_at_once = false;
  }
  // Asks, and keeps the answer's code.
  void Raise(uint64_t presented) {
    keeper_.RaiseAbove(presented, [this](const absl::Status& s) { answers_.push_back(s.code()); });
  }

  FakeStore store_;
  std::vector<uint64_t> raised_;
  std::vector<absl::StatusCode> answers_;
  EpochKeeper keeper_{store_, "here:7400", [this](uint64_t epoch) { raised_.push_back(epoch); }};
};

TEST(EpochKeeperStartTest, SaysWhyTheFirstClaimFailed) {
  FakeStore store;
  EpochKeeper keeper(store, "here:7400", [](uint64_t) { ADD_FAILURE(); });
  store.error_at_once = absl::UnavailableError("no disk");
  EXPECT_EQ(keeper.ClaimFirst(), absl::UnavailableError("no disk"));
  EXPECT_EQ(keeper.epoch(), 0u);
}

TEST(EpochKeeperStartTest, AnEpochOfNothingIsAboveNothing) {
  FakeStore store;
  EpochKeeper keeper(store, "here:7400", [](uint64_t) {});
  int answers = 0;
  keeper.RaiseAbove(0, [&](const absl::Status& status) {
    EXPECT_EQ(status, absl::OkStatus());
    ++answers;
  });
  EXPECT_EQ(answers, 0);
  store.Grant();
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(keeper.epoch(), 1u);
}

TEST_F(EpochKeeperTest, AnswersAtOnceWhenItsEpochIsAbove) {
  Raise(0);
  EXPECT_THAT(answers_, ElementsAre(absl::StatusCode::kOk));
  EXPECT_THAT(store_.waiting, IsEmpty());
  EXPECT_THAT(raised_, IsEmpty());
}

TEST_F(EpochKeeperTest, ClaimsAboveWhatIsPresentedBeforeItAnswers) {
  Raise(1);  // The same is not above.
  EXPECT_THAT(answers_, IsEmpty());
  ASSERT_EQ(store_.waiting.size(), 1u);
  EXPECT_EQ(store_.waiting[0].first.above, 1u);
  EXPECT_EQ(store_.waiting[0].first.owner, "here:7400");
  store_.Grant();
  EXPECT_EQ(keeper_.epoch(), 2u);
  EXPECT_THAT(raised_, ElementsAre(2u));
  EXPECT_THAT(answers_, ElementsAre(absl::StatusCode::kOk));
}

TEST_F(EpochKeeperTest, ClaimsOnceForAllWhoWait) {
  Raise(5);
  Raise(3);
  ASSERT_EQ(store_.waiting.size(), 1u);
  store_.Grant();
  EXPECT_EQ(keeper_.epoch(), 6u);
  EXPECT_THAT(raised_, ElementsAre(6u));
  EXPECT_THAT(answers_, ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kOk));
}

TEST_F(EpochKeeperTest, ClaimsAgainForAHigherOneThatCameMeanwhile) {
  Raise(5);
  Raise(9);
  store_.Grant();  // 6: not enough for the second.
  EXPECT_THAT(answers_, IsEmpty());
  ASSERT_EQ(store_.waiting.size(), 1u);
  EXPECT_EQ(store_.waiting[0].first.above, 9u);
  store_.Grant();
  EXPECT_EQ(keeper_.epoch(), 10u);
  EXPECT_THAT(raised_, ElementsAre(10u));
  EXPECT_EQ(answers_.size(), 2u);
}

TEST_F(EpochKeeperTest, HandsOnTheStoresErrorAndTriesAgainAtTheNextCall) {
  Raise(5);
  Raise(7);
  store_.Fail(absl::UnavailableError("no disk"));
  EXPECT_THAT(answers_,
              ElementsAre(absl::StatusCode::kUnavailable, absl::StatusCode::kUnavailable));
  EXPECT_EQ(keeper_.epoch(), 1u);
  EXPECT_THAT(raised_, IsEmpty());
  answers_.clear();
  Raise(2);
  ASSERT_EQ(store_.waiting.size(), 1u);
  store_.Grant();
  EXPECT_GT(keeper_.epoch(), 2u);
  EXPECT_THAT(answers_, ElementsAre(absl::StatusCode::kOk));
}

TEST_F(EpochKeeperTest, CallsNobodyBackOnceItIsStopped) {
  Raise(5);
  keeper_.Stop();
  keeper_.Stop();
  store_.Grant();
  EXPECT_THAT(raised_, IsEmpty());
  EXPECT_THAT(answers_, IsEmpty());
  Raise(0);  // Even what needs no claim: the controller is going.
  EXPECT_THAT(answers_, ElementsAre(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace pointsman::controller
