#include "controller/core/frame_proto.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "controller/core/validate.h"
#include "pointsman/v1/slice.pb.h"

namespace pointsman::controller {
namespace {

v1::SliceFrame FullSlice() {
  v1::SliceFrame frame;
  frame.set_service("web");
  frame.set_epoch(3);
  frame.set_to(7);
  frame.mutable_continues()->set_epoch(2);
  frame.mutable_continues()->set_revision(6);
  v1::EndpointEntry& entry = *frame.add_entries();
  entry.set_handle(4);
  entry.set_revision(7);
  entry.set_info_revision(2);
  entry.set_verdict(v1::VERDICT_HEALTHY);
  entry.set_reason(v1::REASON_CHECKS_PASSED);
  entry.set_weight(65536);
  entry.set_routable(true);
  entry.mutable_info()->set_id("web-1");
  entry.mutable_info()->set_address("10.0.0.1:80");
  entry.mutable_info()->mutable_locality()->set_zone("z1");
  (*entry.mutable_info()->mutable_labels())["rack"] = "9";
  entry.mutable_info()->set_capacity(2);
  entry.mutable_info()->set_priority(1);
  v1::Tombstone& tombstone = *frame.add_removed();
  tombstone.set_handle(2);
  tombstone.set_revision(5);
  frame.mutable_head()->set_revision(3);
  frame.mutable_head()->set_scale(0.5);
  frame.mutable_head()->add_priority_share(65536);
  return frame;
}

TEST(FrameProtoTest, WhatIsReadIsWrittenAgainAlike) {
  const v1::SliceFrame message = FullSlice();
  const absl::StatusOr<Frame> frame = FrameFromProto(message);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->continues, (SliceVersion{2, 6}));
  EXPECT_EQ(frame->entries[0].info->place.zone, "z1");
  EXPECT_EQ(frame->entries[0].info->capacity, 2);
  v1::SliceFrame again;
  FrameToProto(*frame, again);
  EXPECT_EQ(again.SerializeAsString(), message.SerializeAsString());
}

TEST(FrameProtoTest, AnAddressThatGatewaysWouldRefuseIsRefused) {
  for (const char* bad : {"10.0.0.1", "10.0.0.1:0", "a b:80"}) {
    v1::SliceFrame message = FullSlice();
    message.mutable_entries(0)->mutable_info()->set_address(bad);
    EXPECT_EQ(FrameFromProto(message).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(FrameProtoTest, AnAbsentCapacityIsNominal) {
  v1::Endpoint message;
  message.set_id("web-1");
  message.set_address("10.0.0.1:80");
  EXPECT_EQ(EndpointFromProto(message)->capacity, 1);
}

TEST(FrameProtoTest, RefusesWhatBreaksARuleWithItsCode) {
  const std::vector<std::pair<const char*, std::function<void(v1::SliceFrame&)>>> cases = {
      {"no service", [](auto& f) { f.clear_service(); }},
      {"handle 0", [](auto& f) { f.mutable_entries(0)->set_handle(0); }},
      {"handles out of order", [](auto& f) { *f.add_entries() = f.entries(0); }},
      {"unknown verdict",
       [](auto& f) { f.mutable_entries(0)->set_verdict(static_cast<v1::Verdict>(99)); }},
      {"weight", [](auto& f) { f.mutable_entries(0)->set_weight(4'000'000'000u); }},
      {"full slice without info", [](auto& f) { f.mutable_entries(0)->clear_info(); }},
      {"info without address",
       [](auto& f) { f.mutable_entries(0)->mutable_info()->clear_address(); }},
      {"scale not a number", [](auto& f) { f.mutable_head()->set_scale(std::nan("")); }},
      {"negative scale", [](auto& f) { f.mutable_head()->set_scale(-1); }},
      {"share above the whole", [](auto& f) { f.mutable_head()->set_priority_share(0, 70'000); }},
      {"too many priorities",
       [](auto& f) {
         for (int i = 0; i < 17; ++i) f.mutable_head()->add_priority_share(0);
       }},
  };
  for (const auto& [name, spoil] : cases) {
    v1::SliceFrame message = FullSlice();
    spoil(message);
    const absl::StatusOr<Frame> frame = FrameFromProto(message);
    EXPECT_EQ(frame.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(CodeOf(frame.status()), "FRAME_INVALID") << name;
  }
}

}  // namespace
}  // namespace pointsman::controller
