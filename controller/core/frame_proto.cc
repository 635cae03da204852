#include "controller/core/frame_proto.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/status_macros.h"
#include "controller/core/codes.h"
#include "pointsman/v1/slice.pb.h"

namespace pointsman::controller {
namespace {

constexpr uint32_t kWeightMax = 1'000'000'000;

absl::Status Invalid(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(kFrameInvalid, ": ", what));
}

absl::StatusOr<FrameEntry> EntryFromProto(const v1::EndpointEntry& message, bool full) {
  if (message.handle() == 0) return Invalid("an entry's handle is 0");
  if (!v1::Verdict_IsValid(message.verdict()) || !v1::Reason_IsValid(message.reason())) {
    return Invalid(absl::StrCat("entry ", message.handle(), ": unknown verdict or reason"));
  }
  if (message.weight() > kWeightMax) {
    return Invalid(absl::StrCat("entry ", message.handle(), ": weight ", message.weight(),
                                ", at most ", kWeightMax));
  }
  if (full && !message.has_info()) {
    return Invalid(absl::StrCat("entry ", message.handle(), ": a full slice needs its info"));
  }
  FrameEntry entry;
  entry.handle = message.handle();
  entry.revision = message.revision();
  entry.info_revision = message.info_revision();
  if (message.has_info()) {
    if (message.info().id().empty() || message.info().address().empty()) {
      return Invalid(absl::StrCat("entry ", message.handle(), ": info without id or address"));
    }
    const auto address = common::ParseEndpointAddress(message.info().address());
    if (!address.ok()) {
      return Invalid(absl::StrCat("entry ", message.handle(), ": ", address.status().message()));
    }
    entry.info = EndpointFromProto(message.info());
  }
  entry.state = {message.verdict(), message.reason(), message.weight(), message.routable()};
  return entry;
}

absl::StatusOr<FrameHead> HeadFromProto(const v1::SliceHead& message) {
  FrameHead head;
  head.revision = message.revision();
  head.state.fail_open = message.fail_open();
  if (message.scale() != 0) head.state.scale = message.scale();
  if (!std::isfinite(head.state.scale) || head.state.scale <= 0) {
    return Invalid("head: scale is not a positive number");
  }
  if (message.priority_share_size() > static_cast<int>(kPriorities)) {
    return Invalid("head: more than 16 priorities");
  }
  for (const uint32_t share : message.priority_share()) {
    if (share > kShareParts) return Invalid("head: a priority's share is above the whole");
    head.state.priority_share.push_back(share);
  }
  return head;
}

void HeadToProto(const FrameHead& head, v1::SliceHead& out) {
  out.set_revision(head.revision);
  if (head.state.scale != 1) out.set_scale(head.state.scale);
  for (const uint32_t share : head.state.priority_share) out.add_priority_share(share);
  out.set_fail_open(head.state.fail_open);
}

}  // namespace

void EndpointToProto(const EndpointInfo& info, v1::Endpoint& out) {
  out.set_id(info.id);
  out.set_address(info.address);
  if (!info.place.region.empty() || !info.place.zone.empty()) {
    out.mutable_locality()->set_region(info.place.region);
    out.mutable_locality()->set_zone(info.place.zone);
  }
  for (const auto& [key, value] : info.labels) (*out.mutable_labels())[key] = value;
  if (info.capacity != 1) out.set_capacity(info.capacity);
  out.set_priority(info.priority);
}

EndpointInfoPtr EndpointFromProto(const v1::Endpoint& message) {
  auto info = std::make_shared<EndpointInfo>();
  info->id = message.id();
  info->address = message.address();
  info->place = {message.locality().region(), message.locality().zone()};
  // The message's map has no order.
  const std::map<std::string, std::string> labels(message.labels().begin(), message.labels().end());
  info->labels.assign(labels.begin(), labels.end());
  info->capacity = message.capacity() > 0 ? std::clamp(message.capacity(), 0.01, 100.0) : 1;
  info->priority = std::min(message.priority(), kPriorities - 1);
  return info;
}

void FrameToProto(const Frame& frame, v1::SliceFrame& out) {
  out.set_service(frame.service);
  out.set_epoch(frame.epoch);
  out.set_base(frame.base);
  out.set_to(frame.to);
  if (frame.continues.revision > 0) {
    out.mutable_continues()->set_epoch(frame.continues.epoch);
    out.mutable_continues()->set_revision(frame.continues.revision);
  }
  for (const FrameEntry& entry : frame.entries) {
    v1::EndpointEntry& message = *out.add_entries();
    message.set_handle(entry.handle);
    message.set_revision(entry.revision);
    if (entry.info != nullptr) EndpointToProto(*entry.info, *message.mutable_info());
    message.set_info_revision(entry.info_revision);
    message.set_verdict(entry.state.verdict);
    message.set_weight(entry.state.weight);
    message.set_reason(entry.state.reason);
    message.set_routable(entry.state.routable);
  }
  for (const FrameTombstone& tombstone : frame.tombstones) {
    v1::Tombstone& message = *out.add_removed();
    message.set_handle(tombstone.handle);
    message.set_revision(tombstone.revision);
  }
  if (frame.head) HeadToProto(*frame.head, *out.mutable_head());
}

absl::StatusOr<Frame> FrameFromProto(const v1::SliceFrame& message) {
  if (message.service().empty() || message.service().size() > 63) {
    return Invalid("service is empty or longer than 63 bytes");
  }
  if (message.epoch() == 0 || message.to() <= message.base()) {
    return Invalid("epoch is 0 or `to` is not above `base`");
  }
  Frame frame;
  frame.service = message.service();
  frame.epoch = message.epoch();
  frame.base = message.base();
  frame.to = message.to();
  frame.continues = {message.continues().epoch(), message.continues().revision()};
  uint32_t last = 0;
  for (const v1::EndpointEntry& entry : message.entries()) {
    PM_ASSIGN_OR_RETURN(FrameEntry plain, EntryFromProto(entry, frame.base == 0));
    if (plain.handle <= last) return Invalid("entries are not by ascending handle");
    last = plain.handle;
    frame.entries.push_back(std::move(plain));
  }
  last = 0;
  for (const v1::Tombstone& tombstone : message.removed()) {
    if (tombstone.handle() <= last) return Invalid("removals are not by ascending handle");
    last = tombstone.handle();
    frame.tombstones.push_back({tombstone.handle(), tombstone.revision()});
  }
  if (message.has_head()) {
    PM_ASSIGN_OR_RETURN(FrameHead head, HeadFromProto(message.head()));
    frame.head = std::move(head);
  }
  return frame;
}

}  // namespace pointsman::controller
