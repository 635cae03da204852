#pragma once

// The routing table as workers read it: immutable plain structs, no messages. A new table shares
// every part that did not change with the one before it: blocks of 256 services, whole services,
// and inside a service the blocks of 256 endpoints and of their alias tables. Built by table_state;
// thread-compatible, and a const table may be read by any thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/core/address.h"
#include "common/core/alias_table.h"
#include "gateway/core/block_list.h"
#include "gateway/core/cells.h"
#include "gateway/core/upstream_tls.h"

namespace pointsman::gateway {

class Router;

// Orders the versions of a slice or a configuration: compared by epoch first. Zeros: nothing.
struct VersionPair {
  uint64_t epoch = 0;
  uint64_t revision = 0;
  friend auto operator<=>(VersionPair, VersionPair) = default;
};

// One instance of a service.
struct Endpoint {
  uint32_t handle = 0;  // Of the slice; 0: the position is empty.
  // Live counters; another address is another cell, so pools keyed by it never mix addresses.
  CellRef cell;
  std::string id;
  // Where to connect: resolved, never kName. An endpoint whose name is not resolved is not
  // routable.
  common::Address address;
  uint32_t weight = 0;  // 65,536 is nominal.
  uint8_t priority = 0;
  bool routable = false;
};

// By position; positions are stable while an endpoint stays.
using EndpointList = BlockList<Endpoint>;

// The routable endpoints of one priority.
struct PriorityGroup {
  uint8_t priority = 0;
  // Of all requests, parts of 65,536; 0: used only when the others have nothing left to try.
  uint32_t share = 0;
  // Over positions of ServiceTable::endpoints; others have weight 0. Its total is not 0.
  common::AliasTable table;
};

// Every default filled in.
struct ServicePolicy {
  // Endpoints are spoken to in HTTP/2 (with prior knowledge), else in HTTP/1.1.
  bool upstream_http2 = false;
  // Bytes are passed through, from listeners that name the service; HTTP requests are not.
  bool tcp = false;
  // Which TLS they are spoken to in (RoutingTable::upstream_tls); 0: none.
  uint64_t upstream_tls = 0;
  absl::Duration connect_timeout = absl::Seconds(1);
  absl::Duration first_byte_timeout = absl::Seconds(30);
  absl::Duration idle_timeout = absl::Seconds(60);
  // InfiniteDuration: as long as idle_timeout is kept.
  absl::Duration request_timeout = absl::Minutes(5);
  // InfiniteDuration: only first_byte_timeout ends a try.
  absl::Duration per_try_timeout = absl::InfiniteDuration();
  uint32_t max_retries = 2;
  double retry_budget_ratio = 0.2;
  uint32_t retry_budget_min_per_second = 10;
  uint32_t max_in_flight_per_endpoint = 1024;
  uint32_t max_in_flight = 16384;
  uint64_t max_request_body_bytes = uint64_t{64} << 20;
  // Host that endpoints are told; empty: the client's.
  std::string authority;
  friend bool operator==(const ServicePolicy&, const ServicePolicy&) = default;
};

struct ServiceTable {
  std::string name;  // Bare ID.
  VersionPair version;
  ServicePolicy policy;
  // The service's requests as a whole, whatever tries they took: in flight and what became of them.
  CellRef cell;
  EndpointList endpoints;
  // By priority. Empty: nothing is routable.
  std::vector<PriorityGroup> groups;
  bool fail_open = false;
  // Why every request is answered 503: "no-slice", "no-endpoints", ...; empty: it is not.
  std::string unavailable;
};

struct RoutingTable {
  uint64_t serial = 0;  // Ascending within the process.
  VersionPair config;
  // Null: there is no configuration yet; nothing can be said about a request.
  std::shared_ptr<const Router> router;
  // Ascending by name. RouteEntry::service is an index into this.
  BlockList<std::shared_ptr<const ServiceTable>> services;
  // Another value than in the table before: an endpoint left, or a configuration changed how one is
  // spoken to, so that connections are held for nothing.
  uint64_t lineup = 0;
  // What the services' policies name; null: none does. Another object when anything changed.
  std::shared_ptr<const UpstreamTlsMap> upstream_tls;

  // Null: there is none of this name. O(log services).
  const ServiceTable* Find(absl::string_view name) const;
};

// Calls `use(const ServiceTable&, const Endpoint&)` for each endpoint, routable or not.
template <typename Use>
void ForEachEndpoint(const RoutingTable& table, Use use) {
  for (const auto& service : table.services) {
    for (size_t i = 0; i < service->endpoints.size(); ++i) {
      const Endpoint& endpoint = service->endpoints[i];
      if (endpoint.handle != 0) use(*service, endpoint);
    }
  }
}

}  // namespace pointsman::gateway
