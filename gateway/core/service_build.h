#pragma once

// Builds the table of one service from its slice, again and again: an update touches only the
// blocks of the endpoints that changed and shares the rest with the table before it.
//
// Gives each endpoint a position and a cell. An endpoint keeps its cell for as long as id and
// resolved addresses stay, whatever its handle; a changed address is another cell, so that no
// connection to the old address is ever used for the new one. A name that has addresses of both
// families is used at one of each: IPv6 first, IPv4 as the other.
//
// The split between localities is folded into the weights: an endpoint's weight becomes its part
// of its locality's share, which draws the same as choosing the locality first. A subset leaves
// weight only to its own endpoints. A service with splits or a subset is rebuilt whole at each
// change.
//
// What hashes and cookies lead to is made anew only when endpoints come or go, or change their
// priority: a weight that changes costs the same for every picker.
//
// Thread-compatible. The EndpointCells must outlive this.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gateway/core/cells.h"
#include "gateway/core/routing_table.h"
#include "gateway/core/slice_state.h"

namespace pointsman::gateway {

// Addresses of names, as last resolved; a name that is missing is not known yet.
using ResolvedNames = std::map<std::string, std::vector<common::Address>>;

struct BuildContext {
  Place place;  // Of this gateway.
  const ResolvedNames& names;
  absl::string_view gateway = {};  // Its own name: subsets are chosen by it.
};

class ServiceBuilder {
 public:
  ServiceBuilder(std::string name, EndpointCells& cells);

  // The next table. `slice` nullptr: none has come yet. `change`: what changed in the slice since
  // the last Build. Cells that are no longer referred to are appended to `retired`; they may be
  // retired once no worker runs an older table. O(changed blocks), or O(endpoints) when the change
  // is whole or the slice has splits. Endpoints beyond kCellsMax are not routable.
  std::shared_ptr<const ServiceTable> Build(const SliceState* slice, const SliceChange& change,
                                            const ServiceSettings& settings,
                                            const BuildContext& context,
                                            std::vector<CellRef>* retired);

  // The service leaves: all its cells. No Build afterwards.
  void Release(std::vector<CellRef>* retired);

 private:
  struct Held {
    size_t position = 0;
    CellRef cell;  // Invalid: no address yet, or no cell was left.
    // Null: not looked at yet. Of a name without an address: with the one it had last.
    std::shared_ptr<const EndpointIdentity> identity;
  };
  // One Build in progress.
  struct Edit {
    const SliceState& slice;
    const BuildContext& context;
    std::vector<CellRef>* retired;
    BlockListEditor<Endpoint> editor;
    BlockListEditor<CellRef> cells;
    // By priority: weights of positions.
    std::map<uint8_t, std::vector<std::pair<size_t, uint32_t>>> weights;
  };

  void Rekey(Edit* edit);
  void Drop(uint32_t handle, Edit* edit);
  void Put(uint32_t handle, const SliceEntry& entry, Edit* edit);
  void SetCell(const SliceEntry& entry, Held* held, Edit* edit);
  void SetWeight(size_t position, uint8_t priority, uint32_t weight, Edit* edit);
  void ApplyWeights(Edit* edit);
  bool Usable(uint32_t handle, const SliceEntry& entry) const;
  // Leaves weight to the endpoints of the gateway's subset only.
  void ChooseSubset(Edit* edit);
  // Weights with the gateway's row of the split folded in; false: there is no row for it.
  bool FoldSplits(Edit* edit);
  // Of the endpoints of each priority, when they or the picker changed.
  void BuildMembers();
  std::vector<PriorityGroup> Groups(const SliceHeadState& head) const;

  std::string name_;
  EndpointCells& cells_;
  CellRef service_cell_;
  std::map<uint32_t, Held> held_;  // By handle.
  std::vector<size_t> free_positions_;
  EndpointList endpoints_;
  BlockList<CellRef> cells_of_;                   // ServiceTable::cells.
  std::map<uint8_t, common::AliasTable> tables_;  // By priority, over positions.
  std::vector<uint8_t> priority_at_;              // By position.
  bool folded_ = false;                           // tables_ hold folded weights.
  std::shared_ptr<const PickerPolicy> picker_;
  bool members_changed_ = true;                                      // Since BuildMembers().
  std::map<uint8_t, std::shared_ptr<const ConsistentHash>> hashed_;  // By priority.
  std::shared_ptr<const AffinityIndex> affinity_;
  std::set<uint32_t> outside_;  // Handles that are not in the subset.
};

}  // namespace pointsman::gateway
