#include "gateway/core/avoidance_watch.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/gateway/core/table_fixture.h"

namespace pointsman::gateway {
namespace {

class AvoidanceWatchTest : public ::testing::Test {
 protected:
  AvoidanceWatchTest() { Use({{"web-1"}, {"web-2"}, {"web-3"}}); }

  void Use(const std::vector<TestEndpoint>& endpoints) {
    service_ = std::make_shared<const ServiceTable>(MakeService(cells_, endpoints));
    ++table_.serial;
    BlockListEditor<std::shared_ptr<const ServiceTable>> editor(&table_.services);
    editor.Set(0, service_);
    editor.Finish();
  }
  void Show(size_t worker, size_t endpoint, AvoidedFor reason) {
    cells_.worker(worker).ShowAvoided(service_->endpoints[endpoint].cell, reason);
  }
  AvoidanceWatch::Found LookAfter(absl::Duration time) {
    now_ = now_ + time;
    return watch_.Look(table_, cells_, now_);
  }
  AvoidanceWatch::Found Look() { return LookAfter(absl::Seconds(1)); }

  EndpointCells cells_{2};
  std::shared_ptr<const ServiceTable> service_;
  RoutingTable table_;
  AvoidanceWatch watch_;
  common::MonotonicTime now_ = common::MonotonicTime::FromMicros(1'000'000);
};

TEST_F(AvoidanceWatchTest, TellsOnceWhoIsAvoidedAndWhy) {
  EXPECT_TRUE(Look().changes.empty());
  Show(0, 1, AvoidedFor::kSlow);
  Show(1, 1, AvoidedFor::kNoAnswer);
  const auto found = Look();
  ASSERT_EQ(found.changes.size(), 1u);
  EXPECT_EQ(found.changes[0].service, "web");
  EXPECT_EQ(found.changes[0].endpoint, "web-2");
  EXPECT_EQ(found.changes[0].now.workers, 2u);
  EXPECT_EQ(found.changes[0].now.reason, AvoidedFor::kNoAnswer);
  EXPECT_EQ(found.untold, 0u);
  Show(0, 1, AvoidedFor::kNothing);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Look().changes.empty()) << "one worker avoids it still";
}

TEST_F(AvoidanceWatchTest, TellsWhenNobodyHasAvoidedItForAWhile) {
  Show(0, 2, AvoidedFor::kNoAnswer);
  ASSERT_EQ(Look().changes.size(), 1u);
  LookAfter(absl::Seconds(9));
  Show(0, 2, AvoidedFor::kNothing);
  EXPECT_TRUE(Look().changes.empty());
  EXPECT_TRUE(LookAfter(AvoidanceWatch::kSettle - absl::Seconds(1)).changes.empty());
  const auto found = Look();
  ASSERT_EQ(found.changes.size(), 1u);
  EXPECT_EQ(found.changes[0].endpoint, "web-3");
  EXPECT_EQ(found.changes[0].now.workers, 0u);
  EXPECT_EQ(found.changes[0].lasted, absl::Seconds(10));
  EXPECT_EQ(found.changes[0].answers, 0u) << "nobody asked it";
  EXPECT_TRUE(LookAfter(absl::Minutes(1)).changes.empty());
}

TEST_F(AvoidanceWatchTest, WhatFailsAgainAndAgainIsToldOnce) {
  Show(0, 0, AvoidedFor::kNoAnswer);
  ASSERT_EQ(Look().changes.size(), 1u);
  for (int i = 0; i < 20; ++i) {
    Show(0, 0, AvoidedFor::kNothing);
    EXPECT_TRUE(Look().changes.empty());
    Show(0, 0, AvoidedFor::kNoAnswer);
    EXPECT_TRUE(Look().changes.empty());
  }
  Show(0, 0, AvoidedFor::kNothing);
  EXPECT_TRUE(Look().changes.empty());
  const auto found = LookAfter(AvoidanceWatch::kSettle);
  ASSERT_EQ(found.changes.size(), 1u);
  EXPECT_EQ(found.changes[0].lasted, absl::Seconds(41)) << "from its first failure to its last";
}

TEST_F(AvoidanceWatchTest, WhoLeavesTheTableIsForgotten) {
  Show(0, 0, AvoidedFor::kNoAnswer);
  ASSERT_EQ(Look().changes.size(), 1u);
  Use({{"web-4"}});
  EXPECT_EQ(watch_.endpoints(), 1u);
  EXPECT_TRUE(Look().changes.empty());
  EXPECT_EQ(watch_.endpoints(), 0u);
}

TEST_F(AvoidanceWatchTest, CountsTheAnswersThatItGaveMeanwhile) {
  const auto answer = [&] {
    cells_.worker(1).CountOutcome(service_->endpoints[0].cell, TryOutcome::kResponse,
                                  absl::Milliseconds(1));
  };
  answer();
  Show(0, 0, AvoidedFor::kFailing);
  ASSERT_EQ(Look().changes.size(), 1u);
  for (int i = 0; i < 3; ++i) answer();
  Show(0, 0, AvoidedFor::kNothing);
  EXPECT_TRUE(Look().changes.empty());
  const auto found = LookAfter(AvoidanceWatch::kSettle);
  ASSERT_EQ(found.changes.size(), 1u);
  EXPECT_EQ(found.changes[0].answers, 3u);
}

TEST_F(AvoidanceWatchTest, WhatIsTooMuchForALogIsCounted) {
  std::vector<TestEndpoint> many;
  for (size_t i = 0; i < AvoidanceWatch::kToldMax + 7; ++i) {
    many.push_back({absl::StrCat("web-", i)});
  }
  Use(many);
  for (size_t i = 0; i < many.size(); ++i) Show(0, i, AvoidedFor::kNoAnswer);
  const auto found = Look();
  EXPECT_EQ(found.changes.size(), AvoidanceWatch::kToldMax);
  EXPECT_EQ(found.changes.back().endpoint, "web-19");
  EXPECT_EQ(found.untold, 7u);
  EXPECT_EQ(Look().untold, 0u);
}

}  // namespace
}  // namespace pointsman::gateway
