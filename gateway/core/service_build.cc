#include "gateway/core/service_build.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/core/hashing.h"

namespace pointsman::gateway {
namespace {

constexpr uint32_t kShareOne = 65'536;
// Of a position that never had an endpoint.
constexpr uint8_t kNoPriority = UINT8_MAX;

using AddressKind = common::Address::Kind;

// Endpoint::locality.
uint32_t LocalityOf(const Place& place) {
  if (place == Place()) return 0;
  const auto hash =
      static_cast<uint32_t>(common::Hash64(place.zone, common::Hash64(place.region)) >> 32);
  return hash == 0 ? 1 : hash;
}

common::IpAddress IpOf(const common::Address& address) {
  if (address.kind == AddressKind::kIpv6) return common::IpFromIpv6(address.bytes);
  std::array<uint8_t, 4> bytes;
  std::copy_n(address.bytes.begin(), bytes.size(), bytes.begin());
  return common::IpFromIpv4(bytes);
}

bool IsIp(const common::Address& address) {
  return address.kind == AddressKind::kIpv4 || address.kind == AddressKind::kIpv6;
}

bool HasAddress(const EndpointIdentity& endpoint, const common::Address& one) {
  if (!IsIp(endpoint.address)) return false;
  if (IpOf(endpoint.address) == IpOf(one)) return true;
  return endpoint.other.has_value() && *endpoint.other == IpOf(one);
}

// The entry with a name replaced by what it resolved to: of each family the address in use (null:
// none is) while it is still among them, else the first.
std::optional<EndpointIdentity> Resolve(const SliceEntry& entry, const EndpointIdentity* in_use,
                                        const ResolvedNames& names) {
  if (entry.address.kind != AddressKind::kName) {
    return EndpointIdentity{entry.id, entry.address, std::nullopt};
  }
  const auto it = names.find(entry.address.name);
  if (it == names.end()) return std::nullopt;
  const auto choose = [&](AddressKind kind) {
    const common::Address* chosen = nullptr;
    for (const common::Address& one : it->second) {
      if (one.kind != kind) continue;
      if (in_use != nullptr && HasAddress(*in_use, one)) return &one;
      if (chosen == nullptr) chosen = &one;
    }
    return chosen;
  };
  const common::Address* const v6 = choose(AddressKind::kIpv6);
  const common::Address* const v4 = choose(AddressKind::kIpv4);
  if (v6 == nullptr && v4 == nullptr) return std::nullopt;
  EndpointIdentity resolved{entry.id, v6 != nullptr ? *v6 : *v4, std::nullopt};
  resolved.address.port = entry.address.port;
  if (v6 != nullptr && v4 != nullptr) resolved.other = IpOf(*v4);
  return resolved;
}

}  // namespace

ServiceBuilder::ServiceBuilder(std::string name, EndpointCells& cells)
    : name_(std::move(name)), cells_(cells) {}

void ServiceBuilder::SetCell(const SliceEntry& entry, Held* held, Edit* edit) {
  const EndpointIdentity* const before = held->identity.get();
  std::optional<EndpointIdentity> now = Resolve(entry, before, edit->context.names);
  const bool resolved = now.has_value();
  if (resolved && held->cell.valid() && *now == *before) return;
  if (held->cell.valid()) edit->retired->push_back(held->cell);
  held->cell = CellRef();
  if (!resolved) {
    now = before != nullptr ? *before : EndpointIdentity();
    now->id = entry.id;
  }
  if (before == nullptr || *now != *before) {
    held->identity = std::make_shared<const EndpointIdentity>(*std::move(now));
  }
  if (!resolved) return;
  if (auto cell = cells_.Allocate(); cell.ok()) held->cell = *cell;
}

void ServiceBuilder::SetWeight(size_t position, uint8_t priority, uint32_t weight, Edit* edit) {
  if (priority_at_.size() <= position) priority_at_.resize(position + 1, kNoPriority);
  const uint8_t before = priority_at_[position];
  if (before != priority) {
    if (before != kNoPriority) edit->weights[before].emplace_back(position, 0);
    members_changed_ = true;
  }
  priority_at_[position] = priority;
  edit->weights[priority].emplace_back(position, weight);
}

void ServiceBuilder::Drop(uint32_t handle, Edit* edit) {
  const auto it = held_.find(handle);
  if (it == held_.end()) return;
  const Held& held = it->second;
  if (held.cell.valid()) edit->retired->push_back(held.cell);
  edit->editor.Set(held.position, Endpoint());
  edit->cells.Set(held.position, CellRef());
  SetWeight(held.position, priority_at_[held.position], 0, edit);
  free_positions_.push_back(held.position);
  members_changed_ = true;
  held_.erase(it);
}

void ServiceBuilder::Put(uint32_t handle, const SliceEntry& entry, Edit* edit) {
  const auto [it, added] = held_.try_emplace(handle);
  Held& held = it->second;
  if (added) {
    members_changed_ = true;
    if (free_positions_.empty()) {
      held.position = held_.size() - 1;
    } else {
      held.position = free_positions_.back();
      free_positions_.pop_back();
    }
  }
  const CellRef before = held.cell;
  if (!added && held.identity->id != entry.id) members_changed_ = true;
  SetCell(entry, &held, edit);
  const bool same_cell = held.cell == before;
  Endpoint endpoint;
  endpoint.handle = handle;
  endpoint.cell = held.cell;
  endpoint.identity = held.identity;
  endpoint.weight = entry.weight;
  endpoint.locality = LocalityOf(entry.place);
  endpoint.priority = entry.priority;
  endpoint.routable = entry.routable && held.cell.valid();
  edit->editor.Set(held.position, endpoint);
  if (added || !same_cell) edit->cells.Set(held.position, held.cell);
  SetWeight(held.position, entry.priority, endpoint.routable ? entry.weight : 0, edit);
}

// A whole slice may have other handles for the same endpoints: they are the same by id.
void ServiceBuilder::Rekey(Edit* edit) {
  std::map<std::string, uint32_t> handle_of;
  for (const auto& [handle, entry] : edit->slice.entries()) handle_of[entry.id] = handle;
  std::vector<uint32_t> gone;
  std::map<uint32_t, Held> kept;
  for (auto& [handle, held] : held_) {
    const auto it = handle_of.find(held.identity->id);
    if (it == handle_of.end()) {
      gone.push_back(handle);
    } else {
      kept[it->second] = held;
    }
  }
  for (const uint32_t handle : gone) Drop(handle, edit);
  held_ = std::move(kept);
}

void ServiceBuilder::ApplyWeights(Edit* edit) {
  for (auto& [priority, changes] : edit->weights) {
    tables_[priority] = tables_[priority].With(changes);
  }
  edit->weights.clear();
}

bool ServiceBuilder::Usable(uint32_t handle, const SliceEntry& entry) const {
  return entry.routable && held_.at(handle).cell.valid() && !outside_.contains(handle);
}

void ServiceBuilder::ChooseSubset(Edit* edit) {
  outside_.clear();
  if (picker_->subset_size == 0) return;
  struct Rank {
    uint64_t hash;
    uint32_t handle;
  };
  std::map<uint8_t, std::vector<Rank>> ranks;
  const uint64_t gateway = common::Hash64(edit->context.gateway);
  for (const auto& [handle, entry] : edit->slice.entries()) {
    if (!Usable(handle, entry)) continue;
    ranks[entry.priority].push_back({common::Hash64(entry.id, gateway), handle});
  }
  for (auto& [priority, of_priority] : ranks) {
    if (of_priority.size() <= picker_->subset_size) continue;
    std::sort(of_priority.begin(), of_priority.end(), [](const Rank& a, const Rank& b) {
      return a.hash != b.hash ? a.hash > b.hash : a.handle < b.handle;
    });
    for (size_t i = picker_->subset_size; i < of_priority.size(); ++i) {
      outside_.insert(of_priority[i].handle);
      SetWeight(held_.at(of_priority[i].handle).position, priority, 0, edit);
    }
  }
}

void ServiceBuilder::BuildMembers() {
  members_changed_ = false;
  hashed_.clear();
  affinity_ = nullptr;
  std::map<uint8_t, std::vector<HashMember>> members;
  auto affinity = std::make_shared<AffinityIndex>();
  for (const auto& [handle, held] : held_) {
    const auto position = static_cast<uint32_t>(held.position);
    if (picker_->hashes() && !outside_.contains(handle))
      members[priority_at_[position]].push_back({held.identity->id, position});
    if (!picker_->affinity.name.empty())
      (*affinity)[AffinityOf(name_, held.identity->id)] = position;
  }
  for (const auto& [priority, of_priority] : members) {
    const bool ring = picker_->kind == PickerPolicy::Kind::kRingHash;
    hashed_[priority] =
        ring ? ConsistentHash::Ring(of_priority) : ConsistentHash::Maglev(of_priority);
  }
  if (!affinity->empty()) affinity_ = std::move(affinity);
}

bool ServiceBuilder::FoldSplits(Edit* edit) {
  const PlaceSplit* row = nullptr;
  for (const PlaceSplit& split : edit->slice.head().splits) {
    if (split.from == edit->context.place) row = &split;
  }
  if (row == nullptr) return false;
  std::map<Place, uint32_t> share;
  for (const PlaceShare& to : row->to) share[to.place] += to.share;
  std::map<std::pair<uint8_t, Place>, uint64_t> sums;
  for (const auto& [handle, entry] : edit->slice.entries()) {
    if (Usable(handle, entry)) sums[{entry.priority, entry.place}] += entry.weight;
  }
  edit->weights.clear();
  std::map<uint8_t, uint64_t> totals;
  for (const auto& [handle, entry] : edit->slice.entries()) {
    const auto it = share.find(entry.place);
    const uint64_t sum = Usable(handle, entry) ? sums[{entry.priority, entry.place}] : 0;
    uint64_t weight = 0;
    if (it != share.end() && sum > 0) {
      // 2^12 steps of each share: up to 2^28, fine enough for 50,000 endpoints of one place.
      weight = static_cast<uint64_t>(static_cast<unsigned __int128>(entry.weight) * it->second *
                                     4096 / sum);
      if (weight == 0 && entry.weight > 0 && it->second > 0) weight = 1;
    }
    totals[entry.priority] += weight;
    SetWeight(held_.at(handle).position, entry.priority, static_cast<uint32_t>(weight), edit);
  }
  // A priority whose share leads nowhere keeps its plain weights.
  for (const auto& [handle, entry] : edit->slice.entries()) {
    if (totals[entry.priority] == 0 && Usable(handle, entry)) {
      SetWeight(held_.at(handle).position, entry.priority, entry.weight, edit);
    }
  }
  return true;
}

std::vector<PriorityGroup> ServiceBuilder::Groups(const SliceHeadState& head) const {
  std::vector<PriorityGroup> groups;
  uint64_t total = 0;
  for (const auto& [priority, table] : tables_) {
    if (table.total() == 0) continue;
    const uint32_t share =
        priority < head.priority_share.size() ? head.priority_share[priority] : 0;
    total += share;
    const auto hashed = hashed_.find(priority);
    groups.push_back({priority, share, table, hashed == hashed_.end() ? nullptr : hashed->second});
  }
  // No shares, or all of them on priorities without an endpoint: the first that has one.
  if (total == 0 && !groups.empty()) groups.front().share = kShareOne;
  return groups;
}

std::shared_ptr<const ServiceTable> ServiceBuilder::Build(const SliceState* slice,
                                                          const SliceChange& change,
                                                          const ServiceSettings& settings,
                                                          const BuildContext& context,
                                                          std::vector<CellRef>* retired) {
  auto table = std::make_shared<ServiceTable>();
  if (!service_cell_.valid()) {
    if (auto cell = cells_.Allocate(); cell.ok()) service_cell_ = *cell;
  }
  table->name = name_;
  table->policy = settings.policy;
  const bool other_picker = picker_ == nullptr || *picker_ != settings.picker;
  if (other_picker) picker_ = std::make_shared<const PickerPolicy>(settings.picker);
  members_changed_ = members_changed_ || other_picker;
  table->picker = picker_;
  table->cell = service_cell_;
  if (slice == nullptr || !service_cell_.valid()) {
    table->unavailable = slice == nullptr ? "no-slice" : "no-cells";
    return table;
  }
  EndpointList endpoints = endpoints_;
  BlockList<CellRef> cells = cells_of_;
  Edit edit{*slice,
            context,
            retired,
            BlockListEditor<Endpoint>(&endpoints),
            BlockListEditor<CellRef>(&cells),
            {}};
  const bool splits = !slice->head().splits.empty();
  const bool subset = picker_->subset_size > 0;
  const bool whole = change.whole || splits || folded_ || subset || !outside_.empty();
  if (whole) {
    Rekey(&edit);
    for (const auto& [handle, entry] : slice->entries()) Put(handle, entry, &edit);
  } else {
    for (const uint32_t handle : change.removed) Drop(handle, &edit);
    for (const uint32_t handle : change.handles) {
      Put(handle, slice->entries().at(handle), &edit);
    }
  }
  ChooseSubset(&edit);
  ApplyWeights(&edit);
  // A subset changes with whoever is routable.
  if (members_changed_ || subset) BuildMembers();
  folded_ = splits && FoldSplits(&edit);
  if (folded_) ApplyWeights(&edit);
  edit.editor.Finish();
  edit.cells.Finish();
  endpoints_ = endpoints;
  cells_of_ = cells;
  table->cells = std::move(cells);
  table->version = slice->version();
  table->endpoints = std::move(endpoints);
  table->groups = Groups(slice->head());
  table->affinity = affinity_;
  table->fail_open = slice->head().fail_open;
  if (slice->entries().empty()) {
    table->unavailable = "no-endpoints";
  } else if (table->groups.empty()) {
    table->unavailable = "none-routable";
  }
  return table;
}

void ServiceBuilder::Release(std::vector<CellRef>* retired) {
  for (const auto& [handle, held] : held_) {
    if (held.cell.valid()) retired->push_back(held.cell);
  }
  if (service_cell_.valid()) retired->push_back(service_cell_);
  held_.clear();
}

}  // namespace pointsman::gateway
