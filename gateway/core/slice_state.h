#pragma once

// One service's slice as this gateway holds it, and the rules by which frames change it:
//  - a frame applies if and only if it leads to a higher pair and its range reaches what is held
//    (base <= have < to, or base 0: the whole slice);
//  - a frame of a higher epoch applies when it is whole, or when it continues exactly the pair
//  held;
//  - entries are absolute, so overlapping frames give the same slice;
//  - a whole slice without endpoints does not replace one with endpoints, unless it names every
//    one that is held as removed.
// A frame is checked whole before anything changes: what is refused leaves no trace.
//
// Thread-compatible. Plain values; messages are read at this edge only.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/core/address.h"
#include "gateway/core/routing_table.h"
#include "pointsman/v1/slice.pb.h"

namespace pointsman::gateway {

// Stable codes of Nack (docs/errors.md).
inline constexpr char kNackStale[] = "STALE";         // Not a higher pair than held.
inline constexpr char kNackGap[] = "GAP";             // Begins after what is held.
inline constexpr char kNackInvalid[] = "INVALID";     // A field breaks its rules.
inline constexpr char kNackTooLarge[] = "TOO_LARGE";  // A producer's limit is exceeded.
inline constexpr char kNackEmpty[] = "EMPTY";         // Would leave nothing without a removal.
inline constexpr char kNackNoCells[] = "NO_CELLS";    // More endpoints than this gateway can count.

struct Refusal {
  std::string code;
  std::string detail;  // At most 255 bytes.
};

// Where something is; equal texts are the same place.
struct Place {
  std::string region;
  std::string zone;
  friend auto operator<=>(const Place&, const Place&) = default;
};

struct SliceEntry {
  // Who it is.
  std::string id;
  std::string address_text;
  common::Address address;
  Place place;
  uint8_t priority = 0;
  // What is thought of it.
  uint64_t revision = 0;
  uint64_t info_revision = 0;
  int verdict = 0;  // v1::Verdict, carried for uploads.
  int reason = 0;   // v1::Reason, the same.
  uint32_t weight = 0;
  bool routable = false;
  // Carried for uploads only.
  double capacity = 0;
  std::map<std::string, std::string> labels;
  friend bool operator==(const SliceEntry&, const SliceEntry&) = default;
};

struct PlaceShare {
  Place place;
  uint32_t share = 0;
  friend bool operator==(const PlaceShare&, const PlaceShare&) = default;
};

struct PlaceSplit {
  Place from;
  std::vector<PlaceShare> to;
  friend bool operator==(const PlaceSplit&, const PlaceSplit&) = default;
};

struct SliceHeadState {
  uint64_t revision = 0;
  double scale = 1;
  std::vector<uint32_t> priority_share;
  std::vector<PlaceSplit> splits;
  bool fail_open = false;
  friend bool operator==(const SliceHeadState&, const SliceHeadState&) = default;
};

// What a frame changed, for building tables.
struct SliceChange {
  bool whole = false;  // Everything may have changed.
  bool head = false;
  bool members = false;           // Endpoints came, left, or say anew who they are.
  std::vector<uint32_t> handles;  // Changed or added, ascending.
  std::vector<uint32_t> removed;  // Held before, ascending.
};

class SliceState {
 public:
  static constexpr size_t kEndpointsMax = 65'536;
  static constexpr size_t kPrioritiesMax = 16;
  static constexpr size_t kPlacesMax = 16;
  static constexpr uint32_t kWeightMax = 1u << 30;

  // Applies the frame or says why not; then nothing changed. O(frame * log endpoints).
  std::optional<Refusal> Apply(const v1::SliceFrame& frame, SliceChange* change);

  VersionPair version() const { return version_; }
  const std::map<uint32_t, SliceEntry>& entries() const { return entries_; }
  const SliceHeadState& head() const { return head_; }

  // The whole slice as a frame (base 0), for uploads and snapshots.
  v1::SliceFrame ToFrame(absl::string_view service) const;

  friend bool operator==(const SliceState&, const SliceState&) = default;

 private:
  std::optional<Refusal> CheckPair(const v1::SliceFrame& frame) const;
  std::optional<Refusal> CheckRemovals(const v1::SliceFrame& frame) const;
  std::optional<Refusal> CheckKnown(const v1::SliceFrame& frame) const;
  void ApplyEntries(const v1::SliceFrame& frame, SliceChange* change);

  VersionPair version_;
  std::map<uint32_t, SliceEntry> entries_;  // By handle.
  SliceHeadState head_;
};

}  // namespace pointsman::gateway
