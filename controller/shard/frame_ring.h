#pragma once

// One service's recent frames, serialised once, so that gateways share their bytes: what leads a
// gateway from the pair it has to the newest. A gateway that is too far behind gets frames that the
// owner's core computes on request; those are kept here for the others who lag alike.
//
// Thread-compatible; bytes are immutable and shared.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/core/slice_frame.h"

namespace pointsman::controller {

// A serialised v1::Bundle of one frame (or of one configuration): any sequence of them, joined, is
// a valid Bundle.
using SharedBytes = std::shared_ptr<const std::string>;

// A frame's place among the versions, and its bytes.
struct RingFrame {
  uint64_t epoch = 0;
  uint64_t base = 0;
  uint64_t to = 0;
  SliceVersion continues;
  SharedBytes bytes;

  SliceVersion version() const { return {epoch, to}; }
  // Whether a gateway that runs `have` may apply the frame.
  bool Applies(SliceVersion have) const;
};

// Serialises `frame`. O(size).
RingFrame MakeRingFrame(const Frame& frame);

class FrameRing {
 public:
  // The oldest frames go when either is passed.
  static constexpr size_t kFramesMax = 128;
  static constexpr size_t kBytesMax = 1 << 20;
  // Frames computed for laggards, kept at once.
  static constexpr size_t kComputedMax = 16;
  // A gateway without anything gets at most so many frames joined, else the full slice.
  static constexpr size_t kJoinedFromNothingMax = 8;

  // The newest pair; {0, 0}: nothing yet.
  SliceVersion head() const { return head_; }

  // The next change; one that does not join the head makes the ring forget what it has.
  void Push(RingFrame frame);
  // A frame that the core computed just now for a gateway at `from`: it leads to the core's newest
  // pair, which becomes the head.
  void PushComputed(SliceVersion from, RingFrame frame);

  // Drops every frame, keeps the head: what leads there must be computed anew.
  void Forget();

  // What leads from `have` to the head, in order; nullopt: a frame must be computed. Empty: `have`
  // is the head. O(frames kept).
  std::optional<std::vector<SharedBytes>> PathFrom(SliceVersion have) const;

 private:
  struct Computed {
    SliceVersion from;
    RingFrame frame;
  };

  bool Follow(SliceVersion have, std::vector<SharedBytes>& path) const;

  SliceVersion head_;
  std::deque<RingFrame> frames_;
  size_t bytes_ = 0;
  std::deque<Computed> computed_;
};

}  // namespace pointsman::controller
