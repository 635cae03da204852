#include "gateway/core/slice_state.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/guard.h"
#include "gateway/core/slice_check.h"

namespace pointsman::gateway {
namespace {

Place PlaceOf(const v1::Locality& locality) { return {locality.region(), locality.zone()}; }

void WritePlace(const Place& place, v1::Locality* out) {
  out->set_region(place.region);
  out->set_zone(place.zone);
}

// REQUIRES: checked.
void ReadInfo(const v1::Endpoint& info, SliceEntry* entry) {
  entry->id = info.id();
  entry->address_text = info.address();
  entry->address = *common::ParseAddress(info.address());
  entry->place = PlaceOf(info.locality());
  entry->priority = static_cast<uint8_t>(info.priority());
  entry->capacity = info.capacity();
  entry->labels = {info.labels().begin(), info.labels().end()};
}

SliceHeadState ReadHead(const v1::SliceHead& head) {
  SliceHeadState state;
  state.revision = head.revision();
  state.scale = head.scale() == 0 ? 1 : head.scale();
  state.priority_share = {head.priority_share().begin(), head.priority_share().end()};
  for (const v1::LocalitySplit& row : head.splits()) {
    PlaceSplit split{PlaceOf(row.from()), {}};
    for (const v1::LocalityShare& share : row.to()) {
      split.to.push_back({PlaceOf(share.locality()), share.share()});
    }
    state.splits.push_back(std::move(split));
  }
  state.fail_open = head.fail_open();
  return state;
}

void WriteHead(const SliceHeadState& state, v1::SliceHead* head) {
  head->set_revision(state.revision);
  head->set_scale(state.scale);
  head->mutable_priority_share()->Add(state.priority_share.begin(), state.priority_share.end());
  for (const PlaceSplit& split : state.splits) {
    v1::LocalitySplit* row = head->add_splits();
    WritePlace(split.from, row->mutable_from());
    for (const PlaceShare& share : split.to) {
      v1::LocalityShare* to = row->add_to();
      WritePlace(share.place, to->mutable_locality());
      to->set_share(share.share);
    }
  }
  head->set_fail_open(state.fail_open);
}

void WriteEntry(uint32_t handle, const SliceEntry& entry, v1::EndpointEntry* out) {
  out->set_handle(handle);
  out->set_revision(entry.revision);
  out->set_info_revision(entry.info_revision);
  out->set_verdict(static_cast<v1::Verdict>(entry.verdict));
  out->set_reason(static_cast<v1::Reason>(entry.reason));
  out->set_weight(entry.weight);
  out->set_routable(entry.routable);
  v1::Endpoint* info = out->mutable_info();
  info->set_id(entry.id);
  info->set_address(entry.address_text);
  WritePlace(entry.place, info->mutable_locality());
  info->set_priority(entry.priority);
  info->set_capacity(entry.capacity);
  for (const auto& [key, value] : entry.labels) (*info->mutable_labels())[key] = value;
}

std::string PairText(VersionPair pair) { return absl::StrCat(pair.epoch, ".", pair.revision); }

}  // namespace

std::optional<Refusal> SliceState::CheckPair(const v1::SliceFrame& frame) const {
  const VersionPair to{frame.epoch(), frame.to()};
  if (to <= version_ && common::Holds(common::Guard::kEpoch)) {
    return Refuse(kNackStale,
                  absl::StrCat("leads to ", PairText(to), ", held is ", PairText(version_)));
  }
  if (frame.base() == 0) return std::nullopt;
  uint64_t have = version_.revision;
  if (frame.epoch() != version_.epoch) {
    const VersionPair continued{frame.continues().epoch(), frame.continues().revision()};
    if (!frame.has_continues() || continued != version_) {
      return Refuse(kNackGap, absl::StrCat("continues ", PairText(continued), ", held is ",
                                           PairText(version_)));
    }
  }
  if (frame.base() > have) {
    return Refuse(kNackGap, absl::StrCat("begins at ", frame.base(), ", held is ", have));
  }
  if (frame.to() <= have) {
    return Refuse(kNackStale, absl::StrCat("leads to ", frame.to(), ", held is ", have));
  }
  return std::nullopt;
}

std::optional<Refusal> SliceState::CheckRemovals(const v1::SliceFrame& frame) const {
  if (frame.base() != 0 || frame.entries_size() > 0 || entries_.empty()) return std::nullopt;
  std::set<uint32_t> removed;
  for (const v1::Tombstone& tombstone : frame.removed()) removed.insert(tombstone.handle());
  for (const auto& [handle, entry] : entries_) {
    if (!removed.contains(handle)) {
      return Refuse(kNackEmpty, absl::StrCat("would leave none of ", entries_.size(),
                                             " endpoints, and ", entry.id, " is not removed"));
    }
  }
  return std::nullopt;
}

// Entries that are new to this slice must say who they are, and IDs stay unique.
std::optional<Refusal> SliceState::CheckKnown(const v1::SliceFrame& frame) const {
  const bool whole = frame.base() == 0;
  size_t added = 0;
  bool renamed = false;
  for (const v1::EndpointEntry& entry : frame.entries()) {
    const auto held = whole ? entries_.end() : entries_.find(entry.handle());
    if (held == entries_.end()) ++added;
    if (held == entries_.end() && !entry.has_info()) {
      return Refuse(kNackGap, absl::StrCat("handle ", entry.handle(), " is new and has no info"));
    }
    if (entry.has_info() && (held == entries_.end() || held->second.id != entry.info().id())) {
      renamed = true;
    }
  }
  if (whole) return std::nullopt;
  if (entries_.size() + added > kEndpointsMax) {
    return Refuse(kNackTooLarge, absl::StrCat("more than ", kEndpointsMax, " endpoints"));
  }
  if (!renamed) return std::nullopt;
  std::map<uint32_t, absl::string_view> ids;
  for (const auto& [handle, entry] : entries_) ids[handle] = entry.id;
  for (const v1::Tombstone& tombstone : frame.removed()) ids.erase(tombstone.handle());
  for (const v1::EndpointEntry& entry : frame.entries()) {
    if (entry.has_info()) ids[entry.handle()] = entry.info().id();
  }
  std::set<absl::string_view> unique;
  for (const auto& [handle, id] : ids) {
    if (!unique.insert(id).second) {
      return Refuse(kNackInvalid, absl::StrCat("handle ", handle, ": id ", id, " comes twice"));
    }
  }
  return std::nullopt;
}

void SliceState::ApplyEntries(const v1::SliceFrame& frame, SliceChange* change) {
  for (const v1::Tombstone& tombstone : frame.removed()) {
    if (entries_.erase(tombstone.handle()) == 0) continue;
    change->removed.push_back(tombstone.handle());
    change->members = true;
  }
  for (const v1::EndpointEntry& message : frame.entries()) {
    SliceEntry& entry = entries_[message.handle()];
    if (message.has_info()) {
      ReadInfo(message.info(), &entry);
      change->members = true;
      entry.info_revision = message.info_revision();
    }
    entry.revision = message.revision();
    entry.verdict = message.verdict();
    entry.reason = message.reason();
    entry.weight = message.weight();
    entry.routable = message.routable();
    change->handles.push_back(message.handle());
  }
}

std::optional<Refusal> SliceState::Apply(const v1::SliceFrame& frame, SliceChange* change) {
  if (auto refusal = CheckFrame(frame)) return refusal;
  if (auto refusal = CheckPair(frame)) return refusal;
  if (auto refusal = CheckRemovals(frame)) return refusal;
  if (auto refusal = CheckKnown(frame)) return refusal;
  *change = SliceChange();
  change->whole = frame.base() == 0;
  change->head = change->whole || frame.has_head();
  change->members = change->whole;
  if (change->whole) {
    entries_.clear();
    head_ = SliceHeadState();
  }
  ApplyEntries(frame, change);
  if (frame.has_head()) head_ = ReadHead(frame.head());
  version_ = {frame.epoch(), frame.to()};
  return std::nullopt;
}

v1::SliceFrame SliceState::ToFrame(absl::string_view service) const {
  v1::SliceFrame frame;
  frame.set_service(std::string(service));
  frame.set_epoch(version_.epoch);
  frame.set_to(version_.revision);
  for (const auto& [handle, entry] : entries_) WriteEntry(handle, entry, frame.add_entries());
  WriteHead(head_, frame.mutable_head());
  return frame;
}

}  // namespace pointsman::gateway
