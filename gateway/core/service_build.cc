#include "gateway/core/service_build.h"

#include <algorithm>
#include <utility>

namespace pointsman::gateway {
namespace {

constexpr uint32_t kShareOne = 65'536;

// The entry's address with a name replaced by one it resolved to: the one in use while it is still
// among them, else the first.
std::optional<common::Address> Resolve(const SliceEntry& entry, const common::Address& in_use,
                                       const ResolvedNames& names) {
  if (entry.address.kind != common::Address::Kind::kName) return entry.address;
  const auto it = names.find(entry.address.name);
  if (it == names.end() || it->second.empty()) return std::nullopt;
  std::optional<common::Address> first;
  for (common::Address address : it->second) {
    address.port = entry.address.port;
    if (address == in_use) return address;
    if (!first.has_value()) first = address;
  }
  return first;
}

}  // namespace

ServiceBuilder::ServiceBuilder(std::string name, EndpointCells& cells)
    : name_(std::move(name)), cells_(cells) {}

void ServiceBuilder::SetCell(const SliceEntry& entry, Held* held, Edit* edit) {
  const std::optional<common::Address> address = Resolve(entry, held->address, edit->context.names);
  const bool same = held->cell.valid() && address.has_value() && *address == held->address &&
                    held->id == entry.id;
  if (same) return;
  if (held->cell.valid()) edit->retired->push_back(held->cell);
  held->cell = CellRef();
  held->id = entry.id;
  if (!address.has_value()) return;
  held->address = *address;
  if (auto cell = cells_.Allocate(); cell.ok()) held->cell = *cell;
}

void ServiceBuilder::SetWeight(size_t position, uint8_t priority, uint32_t weight, Edit* edit) {
  if (priority_at_.size() <= position) priority_at_.resize(position + 1);
  const uint8_t before = priority_at_[position];
  if (before != priority) edit->weights[before].emplace_back(position, 0);
  priority_at_[position] = priority;
  edit->weights[priority].emplace_back(position, weight);
}

void ServiceBuilder::Drop(uint32_t handle, Edit* edit) {
  const auto it = held_.find(handle);
  if (it == held_.end()) return;
  const Held& held = it->second;
  if (held.cell.valid()) edit->retired->push_back(held.cell);
  edit->editor.Set(held.position, Endpoint());
  SetWeight(held.position, priority_at_[held.position], 0, edit);
  free_positions_.push_back(held.position);
  held_.erase(it);
}

void ServiceBuilder::Put(uint32_t handle, const SliceEntry& entry, Edit* edit) {
  const auto [it, added] = held_.try_emplace(handle);
  Held& held = it->second;
  if (added) {
    if (free_positions_.empty()) {
      held.position = held_.size() - 1;
    } else {
      held.position = free_positions_.back();
      free_positions_.pop_back();
    }
  }
  SetCell(entry, &held, edit);
  Endpoint endpoint;
  endpoint.handle = handle;
  endpoint.cell = held.cell;
  endpoint.id = entry.id;
  endpoint.address = held.address;
  endpoint.weight = entry.weight;
  endpoint.priority = entry.priority;
  endpoint.routable = entry.routable && held.cell.valid();
  edit->editor.Set(held.position, endpoint);
  SetWeight(held.position, entry.priority, endpoint.routable ? entry.weight : 0, edit);
}

// A whole slice may have other handles for the same endpoints: they are the same by id.
void ServiceBuilder::Rekey(Edit* edit) {
  std::map<std::string, uint32_t> handle_of;
  for (const auto& [handle, entry] : edit->slice.entries()) handle_of[entry.id] = handle;
  std::vector<uint32_t> gone;
  std::map<uint32_t, Held> kept;
  for (auto& [handle, held] : held_) {
    const auto it = handle_of.find(held.id);
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

bool ServiceBuilder::FoldSplits(Edit* edit) {
  const PlaceSplit* row = nullptr;
  for (const PlaceSplit& split : edit->slice.head().splits) {
    if (split.from == edit->context.place) row = &split;
  }
  if (row == nullptr) return false;
  std::map<Place, uint32_t> share;
  for (const PlaceShare& to : row->to) share[to.place] += to.share;
  const auto usable = [this](uint32_t handle, const SliceEntry& entry) {
    return entry.routable && held_.at(handle).cell.valid();
  };
  std::map<std::pair<uint8_t, Place>, uint64_t> sums;
  for (const auto& [handle, entry] : edit->slice.entries()) {
    if (usable(handle, entry)) sums[{entry.priority, entry.place}] += entry.weight;
  }
  edit->weights.clear();
  std::map<uint8_t, uint64_t> totals;
  for (const auto& [handle, entry] : edit->slice.entries()) {
    const auto it = share.find(entry.place);
    const uint64_t sum = usable(handle, entry) ? sums[{entry.priority, entry.place}] : 0;
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
    if (totals[entry.priority] == 0 && usable(handle, entry)) {
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
    groups.push_back({priority, share, table});
  }
  // No shares, or all of them on priorities without an endpoint: the first that has one.
  if (total == 0 && !groups.empty()) groups.front().share = kShareOne;
  return groups;
}

std::shared_ptr<const ServiceTable> ServiceBuilder::Build(const SliceState* slice,
                                                          const SliceChange& change,
                                                          const ServicePolicy& policy,
                                                          const BuildContext& context,
                                                          std::vector<CellRef>* retired) {
  auto table = std::make_shared<ServiceTable>();
  if (!service_cell_.valid()) {
    if (auto cell = cells_.Allocate(); cell.ok()) service_cell_ = *cell;
  }
  table->name = name_;
  table->policy = policy;
  table->cell = service_cell_;
  if (slice == nullptr || !service_cell_.valid()) {
    table->unavailable = slice == nullptr ? "no-slice" : "no-cells";
    return table;
  }
  EndpointList endpoints = endpoints_;
  Edit edit{*slice, context, retired, BlockListEditor<Endpoint>(&endpoints), {}};
  const bool splits = !slice->head().splits.empty();
  const bool whole = change.whole || splits || folded_;
  if (whole) {
    Rekey(&edit);
    for (const auto& [handle, entry] : slice->entries()) Put(handle, entry, &edit);
  } else {
    for (const uint32_t handle : change.removed) Drop(handle, &edit);
    for (const uint32_t handle : change.handles) {
      Put(handle, slice->entries().at(handle), &edit);
    }
  }
  ApplyWeights(&edit);
  folded_ = splits && FoldSplits(&edit);
  if (folded_) ApplyWeights(&edit);
  edit.editor.Finish();
  endpoints_ = endpoints;
  table->version = slice->version();
  table->endpoints = std::move(endpoints);
  table->groups = Groups(slice->head());
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
