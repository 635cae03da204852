#include "controller/core/policy.h"

#include <gtest/gtest.h>

#include "pointsman/v1/override.pb.h"
#include "pointsman/v1/service.pb.h"

namespace pointsman::controller {
namespace {

TEST(PolicyTest, AnEmptyServiceHasTheDocumentedDefaults) {
  v1::Service service;
  service.set_name("services/web");
  const ServicePolicy policy = PolicyFromConfig(service);
  EXPECT_TRUE(policy.checks.empty());
  EXPECT_EQ(policy.health.removal_cap, 0.2);
  EXPECT_EQ(policy.health.removal_window, absl::Seconds(30));
  EXPECT_EQ(policy.health.fail_open_below, 0.5);
  EXPECT_EQ(policy.health.deregister_after, absl::Minutes(5));
  EXPECT_EQ(policy.health.silent_after, absl::Seconds(5));
  EXPECT_EQ(policy.weights.signal, Signal::kMax);
  EXPECT_EQ(policy.weights.min_factor, 0.1);
  EXPECT_EQ(policy.weights.max_factor, 10);
  EXPECT_EQ(policy.weights.slow_start, absl::Seconds(10));
  EXPECT_EQ(policy.weights.blend, 1);
  EXPECT_EQ(policy.overprovisioning, 1.4);
  EXPECT_FALSE(policy.recovery.disabled);
  EXPECT_EQ(policy.recovery.grant_lease, absl::Seconds(60));
}

TEST(PolicyTest, ATryEndsByTheShorterOfItsTimeouts) {
  v1::Service service;
  EXPECT_EQ(PolicyFromConfig(service).try_timeout, absl::Seconds(1)) << "to connect";
  service.mutable_timeouts()->mutable_connect()->set_seconds(20);
  EXPECT_EQ(PolicyFromConfig(service).try_timeout, absl::Seconds(20));
  service.mutable_timeouts()->mutable_first_byte()->set_seconds(5);
  EXPECT_EQ(PolicyFromConfig(service).try_timeout, absl::Seconds(5));
  service.mutable_retries()->mutable_per_try_timeout()->set_nanos(200'000'000);
  EXPECT_EQ(PolicyFromConfig(service).try_timeout, absl::Milliseconds(200));
}

TEST(PolicyTest, ZeroIsKeptWhereItIsMeant) {
  v1::Service service;
  service.mutable_health()->set_fail_open_below(0);
  service.mutable_weights()->mutable_slow_start();  // 0 s: at once.
  const ServicePolicy policy = PolicyFromConfig(service);
  EXPECT_EQ(policy.health.fail_open_below, 0);
  EXPECT_EQ(policy.weights.slow_start, absl::ZeroDuration());
}

TEST(PolicyTest, ClampsToTheRangesOfTheContract) {
  v1::Service service;
  service.mutable_health()->set_removal_cap(7);
  service.mutable_weights()->set_max_factor(1e9);
  service.mutable_weights()->set_min_factor(1e-9);
  const ServicePolicy policy = PolicyFromConfig(service);
  EXPECT_EQ(policy.health.removal_cap, 1);
  EXPECT_EQ(policy.weights.max_factor, 100);
  EXPECT_EQ(policy.weights.min_factor, 0.001);
}

TEST(PolicyTest, ReadsEachKindOfOverride) {
  v1::Override override;
  override.set_author("operator:alice");
  override.set_drain(true);
  EXPECT_EQ(OverrideFromConfig(override).kind, OverrideKind::kDrain);
  EXPECT_EQ(OverrideFromConfig(override).author, "operator:alice");
  override.set_eject(true);
  EXPECT_EQ(OverrideFromConfig(override).kind, OverrideKind::kEject);
  override.set_weight(0.25);
  EXPECT_EQ(OverrideFromConfig(override).kind, OverrideKind::kWeight);
  EXPECT_EQ(OverrideFromConfig(override).weight, 0.25);
}

TEST(PolicyTest, BareIdsComeFromNamesAndStayThemselves) {
  EXPECT_EQ(BareServiceId("services/web"), "web");
  EXPECT_EQ(BareServiceId("web"), "web");
}

}  // namespace
}  // namespace pointsman::controller
