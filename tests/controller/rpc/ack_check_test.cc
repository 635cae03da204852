#include "controller/rpc/ack_check.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "absl/strings/match.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

v1::Ack Good() {
  v1::Ack ack;
  ack.mutable_apply_duration()->set_nanos(999'999'999);
  ack.mutable_config()->set_epoch(kPresentedMax);
  v1::HeldSlice* slice = ack.add_slices();
  slice->set_service("web-1");
  slice->mutable_version()->set_revision(kPresentedMax);
  v1::Nack* nack = ack.add_nacks();
  nack->set_code("TOO_LARGE_2");
  return ack;
}

TEST(AckCheckTest, TakesWhatGatewaysSay) { EXPECT_TRUE(ValidateAck(Good()).ok()); }

TEST(AckCheckTest, RefusesWhatNoGatewaySays) {
  struct Case {
    const char* what;
    std::function<void(v1::Ack&)> spoil;
  };
  const Case cases[] = {
      {"negative time", [](auto& a) { a.mutable_apply_duration()->set_seconds(-1); }},
      {"more than a day", [](auto& a) { a.mutable_apply_duration()->set_seconds(24 * 3600 + 1); }},
      {"nanos", [](auto& a) { a.mutable_apply_duration()->set_nanos(1'000'000'000); }},
      {"epoch", [](auto& a) { a.mutable_config()->set_epoch(kPresentedMax + 1); }},
      {"revision",
       [](auto& a) { a.mutable_slices(0)->mutable_version()->set_revision(kPresentedMax + 1); }},
      {"no name", [](auto& a) { a.mutable_slices(0)->clear_service(); }},
      {"upper case", [](auto& a) { a.mutable_slices(0)->set_service("Web"); }},
      {"long name", [](auto& a) { a.mutable_slices(0)->set_service(std::string(64, 'a')); }},
      {"name of a nack", [](auto& a) { a.mutable_nacks(0)->set_service("a b"); }},
      {"no code", [](auto& a) { a.mutable_nacks(0)->clear_code(); }},
      {"code", [](auto& a) { a.mutable_nacks(0)->set_code("stale"); }},
      {"long code", [](auto& a) { a.mutable_nacks(0)->set_code(std::string(64, 'A')); }},
      {"slices",
       [](auto& a) {
         for (int i = 0; i < 10'000; ++i) *a.add_slices() = a.slices(0);
       }},
      {"nacks",
       [](auto& a) {
         for (int i = 0; i < 10'000; ++i) *a.add_nacks() = a.nacks(0);
       }},
  };
  for (const Case& one : cases) {
    v1::Ack ack = Good();
    one.spoil(ack);
    const absl::Status status = ValidateAck(ack);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << one.what;
    EXPECT_TRUE(absl::StartsWith(status.message(), "ACK_INVALID: ")) << one.what;
  }
}

TEST(AckCheckTest, HeldPairsLeaveRoomToCountOn) {
  v1::GatewayHello hello;
  hello.mutable_config()->set_epoch(kPresentedMax);
  hello.add_slices()->mutable_version()->set_epoch(kPresentedMax);
  EXPECT_TRUE(ValidateHeld(hello).ok());
  hello.mutable_slices(0)->mutable_version()->set_epoch(kPresentedMax + 1);
  EXPECT_TRUE(absl::StartsWith(ValidateHeld(hello).message(), "HELLO_INVALID: "));
  hello.mutable_slices(0)->clear_version();
  hello.mutable_config()->set_revision(UINT64_MAX);
  EXPECT_FALSE(ValidateHeld(hello).ok());
}

}  // namespace
}  // namespace pointsman::controller
