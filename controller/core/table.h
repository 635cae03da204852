#pragma once

// One service's slice and its history: gives handles, counts revisions, remembers removals for a
// bounded time, and prints full slices and deltas. Decides nothing about endpoints.
//
// Edits are staged until Commit(), which makes one revision of all of them. Invariants: handles
// ascend and are never given twice in a lineage; revisions only grow; a delta from `base` carries
// every change after it. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "common/core/time.h"
#include "controller/core/slice_frame.h"

namespace pointsman::controller {

class SliceTable {
 public:
  // Tombstones are kept this long, and at most this many of them.
  static constexpr absl::Duration kTombstoneAge = absl::Minutes(10);
  static constexpr size_t kTombstonesMax = 4096;

  SliceTable(std::string service, uint64_t epoch);

  // Edits. Setting what is already there changes nothing.
  uint32_t Add(EndpointInfoPtr info, const EntryState& state);  // The new handle.
  void SetInfo(uint32_t handle, EndpointInfoPtr info);          // REQUIRES: handle is held.
  void SetState(uint32_t handle, const EntryState& state);      // REQUIRES: handle is held.
  void Remove(uint32_t handle);                                 // REQUIRES: handle is held.
  void SetHead(const HeadState& head);

  // Makes the staged edits one revision and returns its frame; nullopt: nothing was staged (the
  // very first commit always makes a revision, so that an empty slice can be told from none).
  std::optional<Frame> Commit(common::MonotonicTime now);

  // Continues another owner's lineage: `entries` (by ascending handle) are held as of `version`.
  // What was held before is gone, as if it had never been served: its handles mean nothing
  // any more. REQUIRES: version.epoch < epoch(), version.revision > revision().
  void Inherit(SliceVersion version, std::vector<FrameEntry> entries, const HeadState& head);

  // Continues the own slice under a higher epoch. REQUIRES: epoch > this epoch.
  void RaiseEpoch(uint64_t epoch);

  // What is committed. REQUIRES: revision() > 0, nothing staged.
  Frame Full() const;
  // nullopt: `base` is below delta_floor() or not below revision().
  std::optional<Frame> Delta(uint64_t base) const;

  // True: observations and deltas of a holder of `have` speak of this lineage's handles.
  bool Knows(SliceVersion have) const;
  // The entry's place in entries(), or nullopt. O(log n).
  std::optional<size_t> Find(uint32_t handle) const;

  uint64_t epoch() const { return epoch_; }
  uint64_t revision() const { return revision_; }
  SliceVersion version() const { return {epoch_, revision_}; }
  SliceVersion continues() const { return continues_; }
  uint64_t delta_floor() const { return delta_floor_; }
  const std::vector<FrameEntry>& entries() const { return entries_; }
  const HeadState& head() const { return head_.state; }

 private:
  struct Removal {
    FrameTombstone tombstone;
    common::MonotonicTime at;
  };

  FrameEntry& At(uint32_t handle);
  void Stage(uint32_t handle);
  void PruneTombstones(common::MonotonicTime now);
  Frame Header(uint64_t base) const;

  std::string service_;
  uint64_t epoch_;
  uint64_t revision_ = 0;
  uint64_t lineage_start_ = 0;  // Revisions of this lineage are not below.
  uint64_t delta_floor_ = 0;
  SliceVersion continues_;
  uint32_t next_handle_ = 1;
  std::vector<FrameEntry> entries_;  // By ascending handle, info always set.
  std::deque<Removal> removals_;     // By ascending revision.
  FrameHead head_;
  // Staged.
  std::vector<uint32_t> dirty_;
  std::vector<uint32_t> dirty_info_;
  std::vector<uint32_t> removed_;
  bool head_dirty_ = false;
};

}  // namespace pointsman::controller
