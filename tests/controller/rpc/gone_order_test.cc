#include "controller/rpc/gone_order.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

common::MonotonicTime At(absl::Duration time) {
  return common::MonotonicTime::FromMicros(absl::ToInt64Microseconds(time));
}

TEST(GoneOrderTest, ForgetsAfterAnHourTheLongestGoneFirst) {
  GoneOrder order;
  order.Insert("b", At(absl::Minutes(2)));
  order.Insert("a", At(absl::Minutes(1)));
  EXPECT_EQ(order.PopDue(At(absl::Minutes(60))), std::nullopt);
  EXPECT_EQ(order.PopDue(At(absl::Minutes(61))), "a");
  EXPECT_EQ(order.PopDue(At(absl::Minutes(61))), std::nullopt);
  EXPECT_EQ(order.PopOldest(), "b");
  EXPECT_EQ(order.PopOldest(), std::nullopt);
}

TEST(GoneOrderTest, KeepsWhoeverCameBack) {
  GoneOrder order;
  order.Insert("a", At(absl::Minutes(1)));
  order.Erase("a");
  EXPECT_EQ(order.PopDue(At(absl::Hours(9))), std::nullopt);
  order.Insert("a", At(absl::Hours(9)));
  order.Insert("a", At(absl::Hours(10)));  // Gone again: counted from then.
  EXPECT_EQ(order.PopDue(At(absl::Hours(10) + absl::Minutes(59))), std::nullopt);
}

TEST(GoneOrderTest, KeepsABoundedNumber) {
  GoneOrder order;
  for (size_t i = 0; i < GoneOrder::kKeptMax; ++i) {
    order.Insert(absl::StrCat("a", i), At(absl::Microseconds(static_cast<int64_t>(i))));
  }
  EXPECT_EQ(order.PopDue(At(absl::Minutes(1))), std::nullopt);
  order.Insert("one-more", At(absl::Minutes(1)));
  EXPECT_EQ(order.PopDue(At(absl::Minutes(1))), "a0");
}

}  // namespace
}  // namespace pointsman::controller
