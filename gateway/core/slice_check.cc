#include "gateway/core/slice_check.h"

#include <cmath>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/names.h"

namespace pointsman::gateway {
namespace {

constexpr size_t kDetailBytesMax = 255;
constexpr size_t kPlaceBytesMax = 63;
constexpr int kLabelsMax = 16;
constexpr uint32_t kShareOne = 65'536;

std::optional<Refusal> Invalid(absl::string_view detail) { return Refuse(kNackInvalid, detail); }

std::optional<Refusal> CheckPlace(const v1::Locality& place, absl::string_view where) {
  if (place.region().size() > kPlaceBytesMax || place.zone().size() > kPlaceBytesMax) {
    return Invalid(absl::StrCat(where, ": a locality has more than 63 bytes"));
  }
  return std::nullopt;
}

std::optional<Refusal> CheckInfo(const v1::Endpoint& info, absl::string_view where) {
  if (!common::IsEndpointId(info.id())) return Invalid(absl::StrCat(where, ": bad endpoint id"));
  const auto address = common::ParseEndpointAddress(info.address());
  if (!address.ok()) return Invalid(absl::StrCat(where, ": ", address.status().message()));
  if (info.priority() >= SliceState::kPrioritiesMax) {
    return Invalid(absl::StrCat(where, ": priority ", info.priority(), ", limit 15"));
  }
  if (!std::isfinite(info.capacity()) || info.capacity() < 0) {
    return Invalid(absl::StrCat(where, ": capacity is not a number from 0"));
  }
  if (info.labels_size() > kLabelsMax) {
    return Refuse(kNackTooLarge, absl::StrCat(where, ": more than 16 labels"));
  }
  return CheckPlace(info.locality(), where);
}

std::optional<Refusal> CheckEntries(const v1::SliceFrame& frame) {
  uint32_t last = 0;
  std::set<absl::string_view> ids;
  for (const v1::EndpointEntry& entry : frame.entries()) {
    const std::string where = absl::StrCat("handle ", entry.handle());
    if (entry.handle() <= last) return Invalid(absl::StrCat(where, ": handles must ascend from 1"));
    last = entry.handle();
    if (entry.weight() > SliceState::kWeightMax) {
      return Invalid(
          absl::StrCat(where, ": weight ", entry.weight(), ", limit ", SliceState::kWeightMax));
    }
    if (entry.revision() > frame.to() || entry.info_revision() > frame.to()) {
      return Invalid(absl::StrCat(where, ": revision above the frame's ", frame.to()));
    }
    if (!entry.has_info()) continue;
    if (auto refusal = CheckInfo(entry.info(), where)) return refusal;
    if (!ids.insert(entry.info().id()).second) {
      return Invalid(absl::StrCat(where, ": id ", entry.info().id(), " comes twice"));
    }
  }
  last = 0;
  for (const v1::Tombstone& tombstone : frame.removed()) {
    if (tombstone.handle() <= last) {
      return Invalid(absl::StrCat("removed handle ", tombstone.handle(), ": must ascend from 1"));
    }
    last = tombstone.handle();
  }
  return std::nullopt;
}

std::optional<Refusal> CheckSplits(const v1::SliceHead& head) {
  if (head.splits_size() > static_cast<int>(SliceState::kPlacesMax)) {
    return Refuse(kNackTooLarge, "more than 16 rows of splits");
  }
  for (const v1::LocalitySplit& split : head.splits()) {
    if (split.to_size() > static_cast<int>(SliceState::kPlacesMax)) {
      return Refuse(kNackTooLarge, "more than 16 localities in a split");
    }
    if (auto refusal = CheckPlace(split.from(), "split")) return refusal;
    for (const v1::LocalityShare& share : split.to()) {
      if (share.share() > kShareOne) return Invalid("a split's share is above 65536");
      if (auto refusal = CheckPlace(share.locality(), "split")) return refusal;
    }
  }
  return std::nullopt;
}

std::optional<Refusal> CheckHead(const v1::SliceHead& head) {
  // 0 is "absent".
  if (!std::isfinite(head.scale()) || head.scale() < 0) {
    return Invalid("scale is not a number above 0");
  }
  if (head.priority_share_size() > static_cast<int>(SliceState::kPrioritiesMax)) {
    return Refuse(kNackTooLarge, "more than 16 priority shares");
  }
  uint64_t sum = 0;
  for (const uint32_t share : head.priority_share()) sum += share;
  if (sum != 0 && sum != kShareOne) {
    return Invalid(absl::StrCat("priority shares sum to ", sum, ", not 65536"));
  }
  return CheckSplits(head);
}

}  // namespace

Refusal Refuse(absl::string_view code, absl::string_view detail) {
  return {std::string(code), std::string(detail.substr(0, kDetailBytesMax))};
}

std::optional<Refusal> CheckFrame(const v1::SliceFrame& frame) {
  if (!common::IsServiceId(frame.service())) return Invalid("bad service id");
  if (frame.epoch() == 0) return Invalid("epoch 0");
  if (frame.to() <= frame.base()) {
    return Invalid(absl::StrCat("leads from ", frame.base(), " to ", frame.to()));
  }
  if (frame.entries_size() > static_cast<int>(SliceState::kEndpointsMax) ||
      frame.removed_size() > static_cast<int>(SliceState::kEndpointsMax)) {
    return Refuse(kNackTooLarge,
                  absl::StrCat("more than ", SliceState::kEndpointsMax, " endpoints in a frame"));
  }
  if (auto refusal = CheckEntries(frame)) return refusal;
  return frame.has_head() ? CheckHead(frame.head()) : std::nullopt;
}

}  // namespace pointsman::gateway
