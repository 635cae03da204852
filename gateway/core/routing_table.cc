#include "gateway/core/routing_table.h"

namespace pointsman::gateway {

const ServiceTable* RoutingTable::Find(absl::string_view name) const {
  size_t first = 0;
  size_t behind = services.size();
  while (first < behind) {
    const size_t middle = first + (behind - first) / 2;
    const int order = name.compare(services[middle]->name);
    if (order == 0) return services[middle].get();
    (order < 0 ? behind : first) = order < 0 ? middle : middle + 1;
  }
  return nullptr;
}

BlockList<CellRef> CellsOf(const EndpointList& endpoints) {
  BlockList<CellRef> cells;
  BlockListEditor<CellRef> editor(&cells);
  for (size_t i = 0; i < endpoints.size(); ++i) editor.Set(i, endpoints[i].cell);
  editor.Finish();
  return cells;
}

}  // namespace pointsman::gateway
