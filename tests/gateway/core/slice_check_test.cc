#include "gateway/core/slice_check.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/gateway/core/bundle_fixture.h"

namespace pointsman::gateway {
namespace {

TEST(SliceCheckTest, AcceptsFramesOfEveryForm) {
  EXPECT_FALSE(CheckFrame(MakeSlice("web", 3, 5)).has_value());
  v1::SliceFrame delta = MakeFrame("web", 3, 4);
  delta.add_entries()->set_handle(2);
  delta.add_removed()->set_handle(1);
  delta.mutable_head()->add_priority_share(0);
  EXPECT_FALSE(CheckFrame(delta).has_value()) << "absent scale and shares of zero are allowed";
}

TEST(SliceCheckTest, SaysWhereAndWhy) {
  v1::SliceFrame frame = MakeSlice("web", 3, 5);
  frame.mutable_entries(3)->mutable_info()->set_priority(99);
  const auto refusal = CheckFrame(frame);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->code, kNackInvalid);
  EXPECT_EQ(refusal->detail, "handle 4: priority 99, limit 15");
}

TEST(SliceCheckTest, LimitsOfTheProducerHaveTheirOwnCode) {
  v1::SliceFrame frame = MakeSlice("web", 3, 1);
  for (int i = 0; i < 17; ++i) {
    (*frame.mutable_entries(0)->mutable_info()->mutable_labels())[std::to_string(i)] = "v";
  }
  EXPECT_EQ(CheckFrame(frame)->code, kNackTooLarge);
}

TEST(SliceCheckTest, LocalitiesAndSplitSharesAreBounded) {
  v1::SliceFrame frame = MakeSlice("web", 3, 1);
  frame.mutable_entries(0)->mutable_info()->mutable_locality()->set_zone(std::string(64, 'z'));
  EXPECT_EQ(CheckFrame(frame)->code, kNackInvalid);
  frame = MakeSlice("web", 3, 1);
  frame.mutable_head()->add_splits()->add_to()->set_share(65'537);
  EXPECT_EQ(CheckFrame(frame)->code, kNackInvalid);
}

TEST(SliceCheckTest, DetailsAreCutToWhatANackCarries) {
  EXPECT_EQ(Refuse(kNackInvalid, std::string(1000, 'x')).detail.size(), 255u);
}

}  // namespace
}  // namespace pointsman::gateway
