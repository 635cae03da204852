#include "gateway/proxy/upstream_target.h"

#include "common/clock.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

class UpstreamTargetTest : public ::testing::Test {
 protected:
  ConnectTarget Target(absl::Duration connect_timeout) const {
    return TargetOf(context_, {cell_, address_, other_, connect_timeout});
  }

  const CellRef cell_{3, 1};
  const common::Address address_ = *common::ParseAddress("[2001:db8::8]:80");
  std::optional<common::IpAddress> other_ = common::IpFromIpv4({10, 0, 0, 8});
  WorkerCells cells_{1};
  WorkerContext context_{common::SystemClock(), ProxyLimits(), cells_};
};

TEST_F(UpstreamTargetTest, OneAddressIsAllThereIs) {
  other_.reset();
  const ConnectTarget target = Target(absl::Seconds(1));
  EXPECT_EQ(target.address.ToString(), "[2001:db8::8]:80");
  EXPECT_FALSE(target.other.has_value());
}

TEST_F(UpstreamTargetTest, TheOtherAddressHasTheSamePort) {
  const ConnectTarget target = Target(absl::Seconds(1));
  EXPECT_EQ(target.address.ToString(), "[2001:db8::8]:80");
  ASSERT_TRUE(target.other.has_value());
  EXPECT_EQ(target.other->ToString(), "10.0.0.8:80");
  EXPECT_FALSE(target.other_first);
}

TEST_F(UpstreamTargetTest, TheSecondHasHalfOfAShortTime) {
  EXPECT_EQ(Target(absl::Seconds(1)).head_start, absl::Milliseconds(250));
  EXPECT_EQ(Target(absl::Milliseconds(100)).head_start, absl::Milliseconds(50));
}

TEST_F(UpstreamTargetTest, WhatWorkedLastIsFirst) {
  context_.addresses.Learn(cell_, /*other=*/true, context_.loop.Now());
  EXPECT_TRUE(Target(absl::Seconds(1)).other_first);
}

}  // namespace
}  // namespace pointsman::gateway
