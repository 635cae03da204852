#pragma once

// The routing table as workers read it: immutable plain structs, no messages. A new table shares
// every part that did not change with the one before it: blocks of 256 services, whole services,
// and inside a service the blocks of 256 endpoints and of their alias tables. Built by table_state;
// thread-compatible, and a const table may be read by any thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/core/address.h"
#include "common/core/alias_table.h"
#include "common/core/ip_address.h"
#include "common/core/micros.h"
#include "gateway/core/affinity.h"
#include "gateway/core/block_list.h"
#include "gateway/core/cells.h"
#include "gateway/core/consistent_hash.h"
#include "gateway/core/picker_policy.h"
#include "gateway/core/upstream_tls.h"

namespace pointsman::gateway {

class Router;

// Orders the versions of a slice or a configuration: compared by epoch first. Zeros: nothing.
struct VersionPair {
  uint64_t epoch = 0;
  uint64_t revision = 0;
  friend auto operator<=>(VersionPair, VersionPair) = default;
};

// Who an endpoint is and where: what stays while its weight changes. Tables share it while it
// does.
struct EndpointIdentity {
  std::string id;
  // Where to connect: resolved, never kName. An endpoint whose name is not resolved is not
  // routable.
  common::Address address;
  // What its name also has: an IPv4 address beside an IPv6 one, of the same port. A try that gets
  // no connection at one of them goes to the other.
  std::optional<common::IpAddress> other;
  friend bool operator==(const EndpointIdentity&, const EndpointIdentity&) = default;
};

struct Endpoint {       // One instance of a service.
  uint32_t handle = 0;  // Of the slice; 0: the position is empty.
  // Live counters. Another address is another cell, and so is another `other`: pools keyed by it
  // mix nothing but the two addresses that one name has at a time.
  CellRef cell;
  // Null: the position is empty.
  std::shared_ptr<const EndpointIdentity> identity;
  uint32_t weight = 0;  // 65,536 is nominal.
  // A hash of its region and zone; 0: not known.
  uint32_t locality = 0;
  uint8_t priority = 0;
  bool routable = false;

  // REQUIRES (all three): the position is not empty.
  const std::string& id() const { return identity->id; }
  const common::Address& address() const { return identity->address; }
  const std::optional<common::IpAddress>& other() const { return identity->other; }
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
  // All endpoints of the priority, whatever their weight; null: the picker does not hash.
  std::shared_ptr<const ConsistentHash> hashed = nullptr;
};

// Statuses of answers that are tried again: 429 and 500 to 599.
class RetryStatuses {
 public:
  // Others are ignored.
  void Add(uint32_t status) {
    if (const int bit = BitOf(status); bit >= 0) bits_[bit / 64] |= uint64_t{1} << (bit % 64);
  }
  bool Has(int status) const {
    const int bit = BitOf(static_cast<uint32_t>(status));
    return bit >= 0 && (bits_[bit / 64] >> (bit % 64) & 1) != 0;
  }
  bool empty() const { return bits_[0] == 0 && bits_[1] == 0; }
  friend bool operator==(const RetryStatuses&, const RetryStatuses&) = default;

 private:
  static int BitOf(uint32_t status) {
    if (status == 429) return 100;
    return status >= 500 && status <= 599 ? static_cast<int>(status - 500) : -1;
  }
  uint64_t bits_[2] = {0, 0};
};

// Every default filled in.
struct ServicePolicy {
  // Endpoints are spoken to in HTTP/2 (with prior knowledge), else in HTTP/1.1.
  bool upstream_http2 = false;
  // Bytes are passed through, from listeners that name the service; HTTP requests are not.
  bool tcp = false;
  // Which TLS they are spoken to in (RoutingTable::upstream_tls); 0: none.
  uint64_t upstream_tls = 0;
  common::Micros connect_timeout = absl::Seconds(1);
  common::Micros first_byte_timeout = absl::Seconds(30);
  common::Micros idle_timeout = absl::Seconds(60);
  // InfiniteDuration: as long as idle_timeout is kept.
  common::Micros request_timeout = absl::Minutes(5);
  // InfiniteDuration: only first_byte_timeout ends a try.
  common::Micros per_try_timeout = common::Micros::Infinite();
  uint32_t max_retries = 2;
  double retry_budget_ratio = 0.2;
  uint32_t retry_budget_min_per_second = 3;
  RetryStatuses retry_statuses;
  uint32_t max_in_flight_per_endpoint = 1024;
  uint32_t max_in_flight = 16384;
  uint64_t max_request_body_bytes = uint64_t{64} << 20;
  // 0: any number.
  uint32_t connection_requests_max = 0;
  // InfiniteDuration (here and below): whatever its age.
  common::Micros connection_age_max = common::Micros::Infinite();
  // Of gRPC calls and tunnels.
  common::Micros stream_age_max = common::Micros::Infinite();
  // 0: no second try before the first has failed.
  double hedge_percentile = 0;
  common::Micros hedge_min_delay = absl::Milliseconds(10);
  // 0: none waits.
  uint32_t waiting_max = 0;
  common::Micros wait_max = absl::Seconds(1);
  // 0: max_in_flight alone bounds what is in flight.
  uint32_t adaptive_min_in_flight = 0;
  // Host that endpoints are told; empty: the client's.
  std::string authority;
  friend bool operator==(const ServicePolicy&, const ServicePolicy&) = default;

  // Something of this goes by what the service's requests show.
  bool watches_load() const {
    return waiting_max > 0 || adaptive_min_in_flight > 0 || hedge_percentile > 0;
  }
};

// What the configuration says of a service.
struct ServiceSettings {
  ServicePolicy policy;
  PickerPolicy picker;
  friend bool operator==(const ServiceSettings&, const ServiceSettings&) = default;
};

struct ServiceTable {
  std::string name;  // Bare ID.
  VersionPair version;
  ServicePolicy policy;
  // Null: every default.
  std::shared_ptr<const PickerPolicy> picker;
  // Null: clients do not stay with an endpoint.
  std::shared_ptr<const AffinityIndex> affinity;
  // The service's requests as a whole, whatever tries they took: in flight and what became of them.
  CellRef cell;
  EndpointList endpoints;
  // Of the endpoints, by position: what a pick looks at of those it does not choose.
  BlockList<CellRef> cells;
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

// ServiceTable::cells of these endpoints. O(endpoints).
BlockList<CellRef> CellsOf(const EndpointList& endpoints);

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
