#pragma once

// Makes service tables for the tests of cores, without configuration or slices.
// Thread-compatible.

#include <memory>
#include <string>
#include <vector>

#include "gateway/core/cells.h"
#include "gateway/core/routing_table.h"

namespace pointsman::gateway {

struct TestEndpoint {
  std::string id;
  uint32_t weight = 65'536;
  uint8_t priority = 0;
  uint32_t locality = 0;
};

// A service with these endpoints, cells allocated from `cells`, all traffic to the lowest priority
// unless `shares` (by group) says otherwise.
inline ServiceTable MakeService(EndpointCells& cells, const std::vector<TestEndpoint>& endpoints,
                                const std::vector<uint32_t>& shares = {}) {
  ServiceTable table;
  table.name = "web";
  table.cell = *cells.Allocate();
  BlockListEditor<Endpoint> editor(&table.endpoints);
  std::vector<uint8_t> priorities;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    Endpoint endpoint;
    endpoint.handle = static_cast<uint32_t>(i + 1);
    endpoint.cell = *cells.Allocate();
    endpoint.identity =
        std::make_shared<const EndpointIdentity>(EndpointIdentity{.id = endpoints[i].id});
    endpoint.weight = endpoints[i].weight;
    endpoint.priority = endpoints[i].priority;
    endpoint.locality = endpoints[i].locality;
    endpoint.routable = true;
    editor.Set(i, endpoint);
    const size_t known = priorities.size();
    if (known == 0 || priorities.back() != endpoint.priority) {
      priorities.push_back(endpoint.priority);
    }
  }
  editor.Finish();
  table.cells = CellsOf(table.endpoints);
  for (size_t group = 0; group < priorities.size(); ++group) {
    std::vector<uint32_t> weights(endpoints.size());
    for (size_t i = 0; i < endpoints.size(); ++i) {
      if (endpoints[i].priority == priorities[group]) weights[i] = endpoints[i].weight;
    }
    const uint32_t share = group < shares.size() ? shares[group] : (group == 0 ? 65'536 : 0);
    table.groups.push_back({priorities[group], share, common::AliasTable(weights)});
  }
  return table;
}

}  // namespace pointsman::gateway
