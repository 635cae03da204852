#include "common/core/proto_time.h"

#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

TEST(ProtoTimeTest, DurationsSurviveTheirWireForm) {
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Microseconds(1), absl::Milliseconds(1500), absl::Hours(30),
        absl::Milliseconds(-1500)}) {
    google::protobuf::Duration wire;
    ToProto(duration, &wire);
    EXPECT_EQ(FromProto(wire), duration);
  }
}

TEST(ProtoTimeTest, DurationsAreTruncatedToMicroseconds) {
  google::protobuf::Duration wire;
  ToProto(absl::Seconds(2) + absl::Nanoseconds(1999), &wire);
  EXPECT_EQ(wire.seconds(), 2);
  EXPECT_EQ(wire.nanos(), 1000);
}

TEST(ProtoTimeTest, TimesCountFrom1970) {
  google::protobuf::Timestamp wire;
  ToProto(absl::UnixEpoch() + absl::Milliseconds(1'700'000'000'250), &wire);
  EXPECT_EQ(wire.seconds(), 1'700'000'000);
  EXPECT_EQ(wire.nanos(), 250'000'000);
}

}  // namespace
}  // namespace pointsman::common
