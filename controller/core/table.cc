#include "controller/core/table.h"

#include <algorithm>
#include <utility>

#include "common/core/check.h"

namespace pointsman::controller {
namespace {

// Handles left out after the highest inherited one, so that those of endpoints which the earlier
// owner added and removed again are not given twice.
constexpr uint32_t kInheritGap = 64;

void SortUnique(std::vector<uint32_t>& handles) {
  std::sort(handles.begin(), handles.end());
  handles.erase(std::unique(handles.begin(), handles.end()), handles.end());
}

bool Contains(const std::vector<uint32_t>& sorted, uint32_t handle) {
  return std::binary_search(sorted.begin(), sorted.end(), handle);
}

}  // namespace

SliceTable::SliceTable(std::string service, uint64_t epoch)
    : service_(std::move(service)), epoch_(epoch) {
  PM_CHECK(epoch_ > 0);
}

std::optional<size_t> SliceTable::Find(uint32_t handle) const {
  const auto it =
      std::lower_bound(entries_.begin(), entries_.end(), handle,
                       [](const FrameEntry& entry, uint32_t h) { return entry.handle < h; });
  if (it == entries_.end() || it->handle != handle) return std::nullopt;
  return static_cast<size_t>(it - entries_.begin());
}

FrameEntry& SliceTable::At(uint32_t handle) {
  const std::optional<size_t> index = Find(handle);
  PM_CHECK(index.has_value());
  return entries_[*index];
}

void SliceTable::Stage(uint32_t handle) {
  if (dirty_.empty() || dirty_.back() != handle) dirty_.push_back(handle);
}

uint32_t SliceTable::Add(EndpointInfoPtr info, const EntryState& state) {
  PM_CHECK(info != nullptr && next_handle_ != 0);
  FrameEntry entry;
  entry.handle = next_handle_++;
  entry.info = std::move(info);
  entry.state = state;
  entries_.push_back(std::move(entry));
  const uint32_t handle = entries_.back().handle;
  Stage(handle);
  dirty_info_.push_back(handle);
  return handle;
}

void SliceTable::SetInfo(uint32_t handle, EndpointInfoPtr info) {
  FrameEntry& entry = At(handle);
  if (*entry.info == *info) return;
  entry.info = std::move(info);
  Stage(handle);
  dirty_info_.push_back(handle);
}

void SliceTable::SetState(uint32_t handle, const EntryState& state) {
  FrameEntry& entry = At(handle);
  if (entry.state == state) return;
  entry.state = state;
  Stage(handle);
}

void SliceTable::Remove(uint32_t handle) {
  const std::optional<size_t> index = Find(handle);
  PM_CHECK(index.has_value());
  entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(*index));
  removed_.push_back(handle);
}

void SliceTable::SetHead(const HeadState& head) {
  if (head_.state == head) return;
  head_.state = head;
  head_dirty_ = true;
}

Frame SliceTable::Header(uint64_t base) const {
  Frame frame;
  frame.service = service_;
  frame.epoch = epoch_;
  frame.base = base;
  frame.to = revision_;
  frame.continues = continues_;
  return frame;
}

std::optional<Frame> SliceTable::Commit(common::MonotonicTime now) {
  if (dirty_.empty() && removed_.empty() && !head_dirty_ && revision_ > 0) return std::nullopt;
  const uint64_t base = revision_++;
  if (base == 0) head_dirty_ = true;
  Frame frame = Header(base);
  SortUnique(dirty_);
  SortUnique(dirty_info_);
  SortUnique(removed_);
  for (const uint32_t handle : dirty_) {
    if (Contains(removed_, handle)) continue;
    FrameEntry& entry = At(handle);
    entry.revision = revision_;
    if (Contains(dirty_info_, handle)) entry.info_revision = revision_;
    frame.entries.push_back(entry);
    if (entry.info_revision != revision_) frame.entries.back().info = nullptr;
  }
  for (const uint32_t handle : removed_) {
    removals_.push_back({{handle, revision_}, now});
    frame.tombstones.push_back({handle, revision_});
  }
  if (head_dirty_) {
    head_.revision = revision_;
    frame.head = head_;
  }
  dirty_.clear();
  dirty_info_.clear();
  removed_.clear();
  head_dirty_ = false;
  PruneTombstones(now);
  return frame;
}

void SliceTable::PruneTombstones(common::MonotonicTime now) {
  while (!removals_.empty() &&
         (removals_.size() > kTombstonesMax || now - removals_.front().at > kTombstoneAge)) {
    delta_floor_ = std::max(delta_floor_, removals_.front().tombstone.revision);
    removals_.pop_front();
  }
}

void SliceTable::Inherit(SliceVersion version, std::vector<FrameEntry> entries,
                         const HeadState& head) {
  PM_CHECK(version.epoch < epoch_ && version.revision > revision_);
  entries_ = std::move(entries);
  uint32_t highest = next_handle_ - 1;
  for (FrameEntry& entry : entries_) {
    highest = std::max(highest, entry.handle);
    entry.revision = std::min(entry.revision, version.revision);
    entry.info_revision = std::min(entry.info_revision, version.revision);
  }
  next_handle_ = highest + kInheritGap;
  continues_ = version;
  revision_ = version.revision;
  lineage_start_ = version.revision;
  delta_floor_ = version.revision;
  head_ = {version.revision, head};
  removals_.clear();
  dirty_.clear();
  dirty_info_.clear();
  removed_.clear();
  head_dirty_ = false;
}

void SliceTable::RaiseEpoch(uint64_t epoch) {
  PM_CHECK(epoch > epoch_);
  if (revision_ > 0) {
    continues_ = version();
    lineage_start_ = revision_;
    delta_floor_ = revision_;
  }
  epoch_ = epoch;
}

Frame SliceTable::Full() const {
  PM_CHECK(revision_ > 0);
  Frame frame = Header(0);
  frame.entries = entries_;
  frame.head = head_;
  return frame;
}

std::optional<Frame> SliceTable::Delta(uint64_t base) const {
  if (base < delta_floor_ || base >= revision_ || base == 0) return std::nullopt;
  Frame frame = Header(base);
  for (const FrameEntry& entry : entries_) {
    if (entry.revision <= base) continue;
    frame.entries.push_back(entry);
    if (entry.info_revision <= base) frame.entries.back().info = nullptr;
  }
  for (const Removal& removal : removals_) {
    if (removal.tombstone.revision > base) frame.tombstones.push_back(removal.tombstone);
  }
  std::sort(frame.tombstones.begin(), frame.tombstones.end(),
            [](const FrameTombstone& a, const FrameTombstone& b) { return a.handle < b.handle; });
  if (head_.revision > base) frame.head = head_;
  return frame;
}

bool SliceTable::Knows(SliceVersion have) const {
  if (have == continues_) return have.revision > 0;
  return have.epoch == epoch_ && have.revision >= lineage_start_ && have.revision <= revision_ &&
         have.revision > 0;
}

}  // namespace pointsman::controller
