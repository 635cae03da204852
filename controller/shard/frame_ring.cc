#include "controller/shard/frame_ring.h"

#include <utility>

#include "controller/core/frame_proto.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {

bool RingFrame::Applies(SliceVersion have) const {
  if (base == 0) return version() > have;
  const bool same_lineage = have.epoch == epoch || (continues == have && continues.epoch != 0);
  return same_lineage && base <= have.revision && have.revision < to;
}

RingFrame MakeRingFrame(const Frame& frame) {
  v1::Bundle bundle;
  FrameToProto(frame, *bundle.add_frames());
  RingFrame made;
  made.epoch = frame.epoch;
  made.base = frame.base;
  made.to = frame.to;
  made.continues = frame.continues;
  made.bytes = std::make_shared<const std::string>(bundle.SerializeAsString());
  return made;
}

void FrameRing::Push(RingFrame frame) {
  if (!frame.Applies(head_)) Forget();  // After an inheritance frames may not join.
  head_ = frame.version();
  bytes_ += frame.bytes->size();
  frames_.push_back(std::move(frame));
  while (frames_.size() > kFramesMax || (bytes_ > kBytesMax && frames_.size() > 1)) {
    bytes_ -= frames_.front().bytes->size();
    frames_.pop_front();
  }
}

void FrameRing::PushComputed(SliceVersion from, RingFrame frame) {
  if (frame.version() != head_) Forget();
  head_ = frame.version();
  computed_.push_back({from, std::move(frame)});
  if (computed_.size() > kComputedMax) computed_.pop_front();
}

void FrameRing::Forget() {
  frames_.clear();
  computed_.clear();
  bytes_ = 0;
}

std::optional<std::vector<SharedBytes>> FrameRing::PathFrom(SliceVersion have) const {
  std::vector<SharedBytes> path;
  const bool whole_is_cheaper = have == SliceVersion{} && frames_.size() > kJoinedFromNothingMax;
  if (!whole_is_cheaper && Follow(have, path)) return path;
  for (auto it = computed_.rbegin(); it != computed_.rend(); ++it) {
    if (it->from != have) continue;
    path.assign(1, it->frame.bytes);
    if (Follow(it->frame.version(), path)) return path;
  }
  return std::nullopt;
}

// Appends frames of the ring until the head is reached; false: there is a gap.
bool FrameRing::Follow(SliceVersion have, std::vector<SharedBytes>& path) const {
  for (const RingFrame& frame : frames_) {
    if (have == head_) return true;
    if (!frame.Applies(have)) continue;
    path.push_back(frame.bytes);
    have = frame.version();
  }
  return have == head_;
}

}  // namespace pointsman::controller
