#pragma once

// An engine under test with a table of one service "web" behind every path, or of several services
// that the test names.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/clock.h"
#include "common/core/check.h"
#include "gateway/core/router.h"
#include "gateway/proxy/engine.h"
#include "gtest/gtest.h"
#include "tests/gateway/proxy/peer.h"

namespace pointsman::gateway {

class EngineFixture : public ::testing::Test {
 protected:
  // Options are taken by the first Publish().
  ProxyLimits limits;
  ServicePolicy policy;
  PickerPolicy picker;
  // Of the services behind the first; absent: the same.
  std::optional<ServicePolicy> other_policy;
  std::optional<TlsServerOptions> listener_tls;
  std::shared_ptr<TcpForwarding> listener_tcp;
  TicketRing tickets;
  // Of the service's policy.
  std::optional<UpstreamTls> upstream_tls;
  size_t workers = 1;
  RequestObserver* observer = nullptr;
  std::vector<RouteEntry> routes = {AnyRoute()};
  // Where endpoints are; when it is not 127.0.0.1, that is the other address they have.
  std::string endpoint_host = "127.0.0.1";
  // Of the endpoints; those that have none here have all the same.
  std::vector<uint32_t> weights;
  // The same; those that have none here are nobody knows where.
  std::vector<uint32_t> localities;

  static RouteEntry AnyRoute() {
    RouteEntry route;
    route.name = "all";
    route.service = 0;
    return route;
  }

  void TearDown() override {
    if (engine_ != nullptr) engine_->Drain(absl::ZeroDuration());
    engine_.reset();
  }

  // The next engine() is another one, on another port, without a table.
  void StartOver() {
    TearDown();
    cell_of_.clear();
  }

  Engine& engine() {
    if (engine_ == nullptr) {
      cells_ = std::make_unique<EndpointCells>(workers);
      EngineOptions options;
      options.listeners = {{*common::ParseAddress("127.0.0.1:0"), listener_tls, listener_tcp}};
      options.limits = limits;
      options.cells = cells_.get();
      options.clock = &common::SystemClock();
      options.observer = observer;
      options.tickets = tickets;
      auto started = Engine::Start(std::move(options));
      PM_CHECK(started.ok());
      engine_ = *std::move(started);
    }
    return *engine_;
  }

  uint16_t port() { return common::ParseAddress(engine().listen_addresses()[0])->port; }
  Peer Client(int receive_buffer = 0) { return Peer::Connect(port(), receive_buffer); }

  // The same port has the same cell in all tables.
  CellRef CellOf(uint16_t endpoint_port) {
    engine();
    auto [it, is_new] = cell_of_.try_emplace(endpoint_port);
    if (is_new) it->second = *cells_->Allocate();
    return it->second;
  }

  // A service's name and the ports of its endpoints.
  using ServicePorts = std::pair<std::string, std::vector<uint16_t>>;

  std::shared_ptr<const RoutingTable> Table(const std::vector<uint16_t>& ports) {
    return TableOf({{"web", ports}});
  }
  // Routes know the services by their places. REQUIRES: ascending by name.
  std::shared_ptr<const RoutingTable> TableOf(const std::vector<ServicePorts>& all) {
    auto table = std::make_shared<RoutingTable>();
    table->serial = ++serial_;
    auto router = Router::Build(routes);
    PM_CHECK(router.ok());
    table->router = *std::move(router);
    BlockListEditor<std::shared_ptr<const ServiceTable>> services(&table->services);
    for (size_t i = 0; i < all.size(); ++i) services.Set(i, Service(i, all[i]));
    services.Finish();
    table->lineup = table->serial;
    if (upstream_tls.has_value()) {
      table->upstream_tls = std::make_shared<const UpstreamTlsMap>(
          UpstreamTlsMap{{UpstreamTlsKey(*upstream_tls), *upstream_tls}});
    }
    return table;
  }

  // Publishes and waits until every worker runs it.
  void Publish(const std::vector<uint16_t>& ports) { PublishTable(Table(ports)); }
  void PublishServices(const std::vector<ServicePorts>& all) { PublishTable(TableOf(all)); }
  void PublishTable(std::shared_ptr<const RoutingTable> table) {
    std::atomic<bool> running{false};
    engine().PublishTable(std::move(table), [&running] { running.store(true); });
    PM_CHECK(WaitFor([&] { return running.load(); }));
  }

  // False when the condition did not hold within the patience of the tests.
  static bool WaitFor(const std::function<bool()>& condition) {
    const absl::Time end = absl::Now() + absl::Milliseconds(kPatienceMillis);
    while (!condition()) {
      if (absl::Now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  // Whatever began before is older than this then.
  static void Outlast(absl::Duration age) {
    const absl::Time end = absl::Now() + age;
    WaitFor([end] { return absl::Now() > end; });
  }

  uint64_t ReasonCountOf(Reason reason) {
    return engine().Stats().reasons[static_cast<size_t>(reason)];
  }
  CellTotals Totals(uint16_t endpoint_port) { return cells_->Totals(CellOf(endpoint_port)); }

  // A port nobody listens on.
  static uint16_t DeadPort() {
    ScriptedUpstream gone([](Peer&, int) {});
    return gone.port();
  }

 private:
  std::shared_ptr<const ServiceTable> Service(size_t place, const ServicePorts& ports_of) {
    const auto& [name, ports] = ports_of;
    auto service = std::make_shared<ServiceTable>();
    service->name = name;
    service->policy = place == 0 ? policy : other_policy.value_or(policy);
    if (upstream_tls.has_value()) {
      service->policy.upstream_tls = UpstreamTlsKey(*upstream_tls);
      service->policy.upstream_http2 = upstream_tls->protocol == UpstreamProtocol::kHttp2;
    }
    // No endpoint has such a port.
    service->cell = CellOf(static_cast<uint16_t>(place));
    BlockListEditor<Endpoint> editor(&service->endpoints);
    std::vector<uint32_t> weights_of_all;
    for (size_t i = 0; i < ports.size(); ++i) {
      Endpoint endpoint;
      endpoint.handle = static_cast<uint32_t>(i + 1);
      endpoint.cell = CellOf(ports[i]);
      EndpointIdentity identity;
      identity.id = absl::StrCat(name, "-", i);
      identity.address = *common::ParseAddress(absl::StrCat(endpoint_host, ":", ports[i]));
      if (endpoint_host != "127.0.0.1") identity.other = common::IpFromIpv4({127, 0, 0, 1});
      endpoint.identity = std::make_shared<const EndpointIdentity>(std::move(identity));
      endpoint.weight = i < weights.size() ? weights[i] : 65'536;
      endpoint.locality = i < localities.size() ? localities[i] : 0;
      endpoint.routable = true;
      editor.Set(i, endpoint);
      weights_of_all.push_back(endpoint.weight);
    }
    editor.Finish();
    service->cells = CellsOf(service->endpoints);
    if (ports.empty()) return service;
    service->groups.push_back({0, 65'536, common::AliasTable(weights_of_all)});
    AddPicker(service.get());
    return service;
  }

  void AddPicker(ServiceTable* service) const {
    service->picker = std::make_shared<const PickerPolicy>(picker);
    std::vector<HashMember> members;
    auto affinity = std::make_shared<AffinityIndex>();
    for (uint32_t i = 0; i < service->endpoints.size(); ++i) {
      members.push_back({service->endpoints[i].id(), i});
      (*affinity)[AffinityOf(service->name, service->endpoints[i].id())] = i;
    }
    if (picker.hashes()) service->groups[0].hashed = ConsistentHash::Maglev(members);
    if (!picker.affinity.name.empty()) service->affinity = std::move(affinity);
  }

  std::unique_ptr<EndpointCells> cells_;
  std::map<uint16_t, CellRef> cell_of_;
  std::unique_ptr<Engine> engine_;
  uint64_t serial_ = 0;
};

}  // namespace pointsman::gateway
