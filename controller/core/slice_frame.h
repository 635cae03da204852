#pragma once

// A slice and its changes as plain values: what the table hands to the publisher and what is
// inherited from a gateway or a snapshot. The wire form is v1::SliceFrame (frame_proto.h).
// Thread-compatible values; EndpointInfo objects are immutable and shared.

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pointsman/v1/model.pb.h"

namespace pointsman::controller {

// Orders versions of a slice: epoch first. {0, 0} is "nothing".
struct SliceVersion {
  uint64_t epoch = 0;
  uint64_t revision = 0;
  friend auto operator<=>(const SliceVersion&, const SliceVersion&) = default;
};

struct Place {
  std::string region;
  std::string zone;
  friend auto operator<=>(const Place&, const Place&) = default;
};

// Who an endpoint is; see v1::Endpoint.
struct EndpointInfo {
  std::string id;
  std::string address;
  Place place;
  std::vector<std::pair<std::string, std::string>> labels;  // By key.
  double capacity = 1;                                      // 0.01 to 100; never 0 here.
  uint32_t priority = 0;                                    // 0 to 15.
  friend bool operator==(const EndpointInfo&, const EndpointInfo&) = default;
};
using EndpointInfoPtr = std::shared_ptr<const EndpointInfo>;

inline constexpr uint32_t kNominalWeight = 1 << 16;
inline constexpr uint32_t kShareParts = 1 << 16;
inline constexpr uint32_t kPriorities = 16;

// What a table says of one endpoint.
struct EntryState {
  v1::Verdict verdict = v1::VERDICT_UNSPECIFIED;
  v1::Reason reason = v1::REASON_UNSPECIFIED;
  uint32_t weight = 0;  // kNominalWeight is nominal.
  bool routable = false;
  friend bool operator==(const EntryState&, const EntryState&) = default;
};

struct FrameEntry {
  uint32_t handle = 0;
  uint64_t revision = 0;
  EndpointInfoPtr info;  // Null: unchanged since the frame's base.
  uint64_t info_revision = 0;
  EntryState state;
};

struct FrameTombstone {
  uint32_t handle = 0;
  uint64_t revision = 0;
};

// What concerns the whole slice. Splits between localities are empty in this version.
struct HeadState {
  double scale = 1;
  std::vector<uint32_t> priority_share;  // Index: priority; parts of kShareParts; empty: see proto.
  bool fail_open = false;
  friend bool operator==(const HeadState&, const HeadState&) = default;
};

struct FrameHead {
  uint64_t revision = 0;
  HeadState state;
};

// base 0: the full slice. Applies iff the epochs fit and base <= have < to.
struct Frame {
  std::string service;
  uint64_t epoch = 0;
  uint64_t base = 0;
  uint64_t to = 0;
  SliceVersion continues;                  // {0, 0}: nothing.
  std::vector<FrameEntry> entries;         // By ascending handle.
  std::vector<FrameTombstone> tombstones;  // By ascending handle.
  std::optional<FrameHead> head;           // Absent: unchanged since base.
};

}  // namespace pointsman::controller
