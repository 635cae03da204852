#include "common/clock.h"

#include <gtest/gtest.h>

namespace pointsman::common {
namespace {

TEST(ClockTest, NeverGoesBack) {
  MonotonicTime last = SystemClock().Now();
  for (int i = 0; i < 1000; ++i) {
    const MonotonicTime now = SystemClock().Now();
    ASSERT_LE(last, now);
    last = now;
  }
  EXPECT_GT(SystemClock().WallNow(), absl::FromUnixSeconds(1'600'000'000));
}

}  // namespace
}  // namespace pointsman::common
