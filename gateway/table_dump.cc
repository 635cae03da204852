#include "gateway/table_dump.h"

#include <nlohmann/json.hpp>

#include "common/core/address.h"
#include "gateway/core/router.h"
#include "gateway/net/socket.h"

namespace pointsman::gateway {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kEndpointsShownMax = 1000;

Json PairOf(const VersionPair& pair) {
  return Json{{"epoch", pair.epoch}, {"revision", pair.revision}};
}

Json EndpointJson(const Endpoint& endpoint, const EndpointCells& cells) {
  Json json{{"id", endpoint.id()},
            {"handle", endpoint.handle},
            {"address", endpoint.cell.valid() ? common::ToString(endpoint.address()) : ""},
            {"weight", endpoint.weight},
            {"priority", endpoint.priority},
            {"routable", endpoint.routable}};
  if (!endpoint.cell.valid()) return json;
  if (endpoint.other().has_value()) {
    json["other_address"] =
        SocketAddress::From(*endpoint.other(), endpoint.address().port).ToString();
  }
  const CellTotals totals = cells.Totals(endpoint.cell);
  json["in_flight"] = totals.in_flight;
  json["requests"] = totals.requests;
  json["connect_failures"] = totals.connect_failures;
  json["resets"] = totals.resets;
  json["timeouts"] = totals.timeouts;
  json["server_errors"] = totals.server_errors;
  json["avoided_seconds"] = static_cast<double>(totals.avoided_micros) / 1e6;
  if (const AvoidedNow now = cells.Avoided(endpoint.cell); now.workers > 0) {
    json["avoided_by_workers"] = now.workers;
    json["avoided_for"] = AvoidedForName(now.reason);
  }
  return json;
}

Json ServiceJson(const ServiceTable& service, const EndpointCells& cells) {
  Json endpoints = Json::array();
  size_t count = 0;
  size_t routable = 0;
  for (size_t i = 0; i < service.endpoints.size(); ++i) {
    const Endpoint& endpoint = service.endpoints[i];
    if (endpoint.handle == 0) continue;
    ++count;
    if (endpoint.routable) ++routable;
    if (count <= kEndpointsShownMax) endpoints.push_back(EndpointJson(endpoint, cells));
  }
  Json groups = Json::array();
  for (const PriorityGroup& group : service.groups) {
    groups.push_back(Json{
        {"priority", group.priority}, {"share", group.share}, {"weight", group.table.total()}});
  }
  return Json{{"name", service.name},
              {"version", PairOf(service.version)},
              {"unavailable", service.unavailable},
              {"fail_open", service.fail_open},
              {"endpoint_count", count},
              {"routable_count", routable},
              {"priorities", std::move(groups)},
              {"endpoints", std::move(endpoints)}};
}

}  // namespace

std::string DumpTable(const RoutingTable& table, const EndpointCells& cells,
                      absl::string_view service) {
  Json services = Json::array();
  for (const auto& item : table.services) {
    if (service.empty() || service == item->name) services.push_back(ServiceJson(*item, cells));
  }
  const Json json{{"serial", table.serial},
                  {"config", PairOf(table.config)},
                  {"routes", table.router == nullptr ? 0 : table.router->routes().size()},
                  {"services", std::move(services)}};
  // Invalid UTF-8 cannot come in (ids are ASCII), but a dump must not throw over it.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pointsman::gateway
