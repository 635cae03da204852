#pragma once

// An engine under test with a table of one service "web" behind every path.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
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
  std::optional<TlsServerOptions> listener_tls;
  std::shared_ptr<TcpForwarding> listener_tcp;
  TicketRing tickets;
  // Of the service's policy.
  std::optional<UpstreamTls> upstream_tls;
  size_t workers = 1;
  RequestObserver* observer = nullptr;
  std::vector<RouteEntry> routes = {AnyRoute()};
  // Of the endpoints; those that have none here have all the same.
  std::vector<uint32_t> weights;

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

  std::shared_ptr<const RoutingTable> Table(const std::vector<uint16_t>& ports) {
    auto service = std::make_shared<ServiceTable>();
    service->name = "web";
    service->policy = policy;
    if (upstream_tls.has_value()) {
      service->policy.upstream_tls = UpstreamTlsKey(*upstream_tls);
      service->policy.upstream_http2 = upstream_tls->protocol == UpstreamProtocol::kHttp2;
    }
    service->cell = CellOf(0);
    BlockListEditor<Endpoint> editor(&service->endpoints);
    std::vector<uint32_t> weights_of_all;
    for (size_t i = 0; i < ports.size(); ++i) {
      Endpoint endpoint;
      endpoint.handle = static_cast<uint32_t>(i + 1);
      endpoint.cell = CellOf(ports[i]);
      endpoint.id = absl::StrCat("web-", i);
      endpoint.address = *common::ParseAddress(absl::StrCat("127.0.0.1:", ports[i]));
      endpoint.weight = i < weights.size() ? weights[i] : 65'536;
      endpoint.routable = true;
      editor.Set(i, endpoint);
      weights_of_all.push_back(endpoint.weight);
    }
    editor.Finish();
    if (!ports.empty()) service->groups.push_back({0, 65'536, common::AliasTable(weights_of_all)});
    auto table = std::make_shared<RoutingTable>();
    table->serial = ++serial_;
    auto router = Router::Build(routes);
    PM_CHECK(router.ok());
    table->router = *std::move(router);
    BlockListEditor<std::shared_ptr<const ServiceTable>> services(&table->services);
    services.Set(0, std::move(service));
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
  std::unique_ptr<EndpointCells> cells_;
  std::map<uint16_t, CellRef> cell_of_;
  std::unique_ptr<Engine> engine_;
  uint64_t serial_ = 0;
};

}  // namespace pointsman::gateway
