#include "common/core/guard.h"

#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

#ifdef PM_GUARDS_REMOVABLE

TEST(GuardTest, OnlyTheNamedOneIsMissing) {
  RemoveGuard("kFailOpen");
  EXPECT_FALSE(Holds(Guard::kFailOpen));
  EXPECT_TRUE(Holds(Guard::kRemovalCap));
  RemoveGuard("");
  EXPECT_TRUE(Holds(Guard::kFailOpen));
}

#else

TEST(GuardTest, AllHoldAndCostNothing) {
  // Known when it is compiled.
  static_assert(Holds(Guard::kGainBound) && Holds(Guard::kFailOpen) && Holds(Guard::kEpoch));
}

#endif

}  // namespace
}  // namespace pointsman::common
