#include "controller/core/recovery.h"

#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

const MonotonicTime kStart = MonotonicTime::FromMicros(1'000'000'000);

TEST(RestartGrantsTest, AShareOfTheServiceAtOnce) {
  RestartGrants grants;
  RecoveryRules rules;
  EXPECT_TRUE(grants.Request(rules, {"a", 1}, "e1", 5, kStart).granted);
  EXPECT_FALSE(grants.Request(rules, {"b", 1}, "e2", 5, kStart).granted);
  EXPECT_TRUE(grants.Request(rules, {"a", 1}, "e1", 5, kStart + absl::Seconds(1)).granted)
      << "asked again";
  std::string endpoint;
  EXPECT_TRUE(grants.End({"a", 1}, &endpoint));
  EXPECT_EQ(endpoint, "e1");
  EXPECT_TRUE(grants.Request(rules, {"b", 1}, "e2", 5, kStart).granted);
  EXPECT_EQ(grants.Expire(kStart + absl::Seconds(60)).size(), 1u);
}

TEST(RestartGrantsTest, ANewOwnerWaitsAndBelievesPresentedLeases) {
  RestartGrants grants;
  RecoveryRules rules;
  grants.QuietUntil(kStart + absl::Seconds(60));
  const GrantDecision early = grants.Request(rules, {"a", 1}, "e1", 5, kStart);
  EXPECT_FALSE(early.granted);
  EXPECT_EQ(early.duration, absl::Seconds(60));
  grants.Present(rules, {"b", 9}, "e2", absl::Hours(5), kStart);
  EXPECT_TRUE(grants.Request(rules, {"b", 9}, "e2", 5, kStart).granted) << "held already";
  EXPECT_FALSE(grants.Request(rules, {"a", 1}, "e1", 5, kStart + absl::Seconds(59)).granted);
  EXPECT_TRUE(grants.Request(rules, {"a", 1}, "e1", 5, kStart + absl::Seconds(60)).granted)
      << "the presented lease is at most one lease time";
}

}  // namespace
}  // namespace pointsman::controller
