#include "gateway/grpc/timeout.h"

#include <string>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(GrpcTimeoutTest, Reads) {
  EXPECT_EQ(ParseGrpcTimeout("1n"), absl::Nanoseconds(1));
  EXPECT_EQ(ParseGrpcTimeout("20u"), absl::Microseconds(20));
  EXPECT_EQ(ParseGrpcTimeout("250m"), absl::Milliseconds(250));
  EXPECT_EQ(ParseGrpcTimeout("5S"), absl::Seconds(5));
  EXPECT_EQ(ParseGrpcTimeout("2M"), absl::Minutes(2));
  EXPECT_EQ(ParseGrpcTimeout("99999999H"), 99'999'999 * absl::Hours(1));
  EXPECT_EQ(ParseGrpcTimeout("0m"), absl::ZeroDuration());
  for (const char* bad : {"", "m", "5", "5x", "5 m", "-5m", "+5m", "5.0m", "123456789m", "5mm"}) {
    EXPECT_FALSE(ParseGrpcTimeout(bad).has_value()) << bad;
  }
}

std::string Written(absl::Duration left) {
  char text[kGrpcTimeoutBytesMax];
  return {text, WriteGrpcTimeout(left, text)};
}

TEST(GrpcTimeoutTest, WritesTheFinestUnitThatFits) {
  EXPECT_EQ(Written(absl::Nanoseconds(1)), "1n");
  EXPECT_EQ(Written(absl::Nanoseconds(99'999'999)), "99999999n");
  EXPECT_EQ(Written(absl::Nanoseconds(100'000'999)), "100000u");
  EXPECT_EQ(Written(absl::Seconds(5)), "5000000u");
  EXPECT_EQ(Written(absl::Hours(1)), "3600000m");
  EXPECT_EQ(Written(absl::Hours(1) * 1e6), "60000000M");
  EXPECT_EQ(Written(absl::Hours(1) * 1e9), "99999999H");
}

TEST(GrpcTimeoutTest, NeverWritesLongerThanIsLeft) {
  for (int64_t nanos = 1; nanos < int64_t{1} << 60; nanos = nanos * 3 + 1) {
    const auto back = ParseGrpcTimeout(Written(absl::Nanoseconds(nanos)));
    ASSERT_TRUE(back.has_value()) << nanos;
    EXPECT_LE(*back, absl::Nanoseconds(nanos));
    EXPECT_GE(*back, absl::Nanoseconds(nanos) * 0.99999);
  }
}

}  // namespace
}  // namespace pointsman::gateway
