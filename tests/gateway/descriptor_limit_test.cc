#include "gateway/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace pointsman::gateway {
namespace {

class DescriptorLimitTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0); }
  void TearDown() override { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }
  void Lower(rlim_t soft) {
    const rlimit low{soft, before_.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  }

  rlimit before_{};
};

TEST_F(DescriptorLimitTest, TheSoftLimitBecomesTheHardOne) {
  Lower(512);
  const auto raised = RaiseDescriptorLimit();
  ASSERT_TRUE(raised.ok()) << raised.status();
  EXPECT_EQ(*raised, before_.rlim_max);
  rlimit now{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
  EXPECT_EQ(now.rlim_cur, before_.rlim_max);
  EXPECT_EQ(now.rlim_max, before_.rlim_max);
  EXPECT_TRUE(RaiseDescriptorLimit().ok()) << "nothing is left to raise";
}

TEST_F(DescriptorLimitTest, WarnsWhenConnectionsNeedMore) {
  ProxyLimits limits;
  limits.connections_max = 100;
  EXPECT_EQ(DescriptorsNeeded(limits), 456u);
  Lower(456);
  EXPECT_FALSE(WarnOfFewDescriptors(limits));
  limits.connections_max = 101;
  EXPECT_TRUE(WarnOfFewDescriptors(limits));
}

}  // namespace
}  // namespace pointsman::gateway
