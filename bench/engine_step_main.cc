// pm-bench-engine-step: one worker of the gateway, its clients and its origin stepped by one thread
// in simulated time: rounds of requests, one on each stream of each connection. Under
//   valgrind --tool=callgrind --toggle-collect='*MeasuredTurn*'
// the instructions collected are the engine's own for the requests it prints, equal from run to
// run but for what chance decides (picks, request ids). bench/instructions.sh does that.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/step/step_peer.h"
#include "common/clock.h"
#include "common/core/check.h"
#include "gateway/core/router.h"
#include "gateway/net/socket.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/worker.h"

namespace pointsman::bench {

// Outside of the unnamed namespace: callgrind is told their names.
__attribute__((noinline)) void MeasuredTurn(gateway::Worker& worker) { worker.RunTurn(); }
__attribute__((noinline)) void WarmingTurn(gateway::Worker& worker) { worker.RunTurn(); }

namespace {

using common::MonotonicTime;

struct Options {
  bool client_http2 = false;
  bool upstream_http2 = false;
  size_t connections = 16;
  size_t streams = 1;
  size_t fields = 0;
  size_t rounds = 100;
  std::string access_log;  // Empty: none.
  StepFields messages;
};

// As fast as 1,000 rounds a second, whatever valgrind makes of it.
class StepClock final : public common::Clock {
 public:
  MonotonicTime Now() const override { return now_; }
  absl::Time WallNow() const override { return absl::UnixEpoch(); }
  void Advance() { now_ = now_ + absl::Milliseconds(1); }

 private:
  MonotonicTime now_ = MonotonicTime::FromMicros(1'000'000);
};

// One service behind every path, with one endpoint for each origin.
std::unique_ptr<gateway::RoutingTable> MakeTable(gateway::EndpointCells& cells, bool http2,
                                                 const std::vector<uint16_t>& ports) {
  auto service = std::make_shared<gateway::ServiceTable>();
  service->name = "web";
  service->policy.upstream_http2 = http2;
  service->cell = *cells.Allocate();
  gateway::BlockListEditor<gateway::Endpoint> editor(&service->endpoints);
  for (size_t i = 0; i < ports.size(); ++i) {
    gateway::Endpoint endpoint;
    endpoint.handle = static_cast<uint32_t>(i + 1);
    endpoint.cell = *cells.Allocate();
    endpoint.identity = std::make_shared<const gateway::EndpointIdentity>(gateway::EndpointIdentity{
        .id = absl::StrCat("web-", i),
        .address = *common::ParseAddress(absl::StrCat("127.0.0.1:", ports[i]))});
    endpoint.weight = 65'536;
    endpoint.routable = true;
    editor.Set(i, endpoint);
  }
  editor.Finish();
  service->cells = gateway::CellsOf(service->endpoints);
  const std::vector<uint32_t> weights(ports.size(), 65'536);
  service->groups.push_back({0, 65'536, common::AliasTable(weights)});
  auto table = std::make_unique<gateway::RoutingTable>();
  table->serial = 1;
  gateway::RouteEntry route;
  route.name = "all";
  route.service = 0;
  auto router = gateway::Router::Build({route});
  PM_CHECK(router.ok());
  table->router = *std::move(router);
  gateway::BlockListEditor<std::shared_ptr<const gateway::ServiceTable>> services(&table->services);
  services.Set(0, std::move(service));
  services.Finish();
  return table;
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    const StepProtocol upstream =
        options.upstream_http2 ? StepProtocol::kHttp2 : StepProtocol::kHttp1;
    std::vector<uint16_t> ports;
    for (int i = 0; i < 2; ++i) {
      origins_.push_back(std::make_unique<StepOrigin>(upstream, options.messages));
      ports.push_back(origins_.back()->port());
    }
    table_ = MakeTable(cells_, options.upstream_http2, ports);
    gateway::WorkerOptions worker;
    worker.clock = &clock_;
    worker.connections_max = 65'536;
    worker.cells = &cells_.worker(0);
    worker.tcp.resize(1);
    if (!options.access_log.empty()) StartLog();
    worker.observer = log_.get();
    worker_ = std::make_unique<gateway::Worker>(std::move(worker));
    auto listener =
        gateway::Listen(gateway::SocketAddress::From(*common::ParseAddress("127.0.0.1:0")), {});
    PM_CHECK(listener.ok());
    port_ = gateway::SocketAddress::Local(listener->get())->port();
    std::vector<gateway::ListeningSocket> sockets;
    sockets.push_back({0, *std::move(listener)});
    PM_CHECK(worker_->Open(std::move(sockets), 1).ok());
    worker_->PostTable(table_.get(), 1);
    WarmingTurn(*worker_);
  }

  // Every stream of every connection asks `rounds` times.
  template <typename Turn>
  void Ask(size_t rounds, Turn turn) {
    for (size_t i = 0; i < rounds; ++i) {
      clock_.Advance();
      for (auto& client : clients_) client->Ask(options_.streams);
      asked_ += options_.connections * options_.streams;
      int idle = 0;
      while (ended() < asked_) {
        // A turn with nothing to do waits for a timer: more than a few are a bug.
        idle = PumpClients() || PumpOrigins() ? 0 : idle + 1;
        PM_CHECK(idle < 10);
        turn(*worker_);
        PumpClients();
      }
    }
  }

  void Connect() {
    const StepProtocol protocol =
        options_.client_http2 ? StepProtocol::kHttp2 : StepProtocol::kHttp1;
    for (size_t i = 0; i < options_.connections; ++i) {
      clients_.push_back(ConnectStep(protocol, port_, options_.messages));
    }
  }

  uint64_t turns() const { return worker_->counters().turns.value(); }

 private:
  void StartLog() {
    gateway::AccessLogOptions log;
    log.path = options_.access_log;
    log.clock = &log_clock_;
    auto opened = gateway::AccessLog::Open(std::move(log));
    PM_CHECK(opened.ok());
    log_ = *std::move(opened);
  }
  uint64_t ended() const {
    uint64_t sum = 0;
    for (const auto& client : clients_) sum += client->ended();
    return sum;
  }
  bool PumpClients() {
    bool sent = false;
    for (auto& client : clients_) sent |= client->Pump();
    return sent;
  }
  bool PumpOrigins() {
    bool sent = false;
    for (auto& origin : origins_) sent |= origin->Pump();
    return sent;
  }

  const Options options_;
  StepClock clock_;
  gateway::EndpointCells cells_{1};
  std::vector<std::unique_ptr<StepOrigin>> origins_;
  std::unique_ptr<gateway::RoutingTable> table_;
  // Never stepped: the writer's thread reads it.
  const StepClock log_clock_;
  std::unique_ptr<gateway::AccessLog> log_;
  std::unique_ptr<gateway::Worker> worker_;
  uint16_t port_ = 0;
  std::vector<std::unique_ptr<StepConnection>> clients_;
  uint64_t asked_ = 0;
};

int Run(Options options) {
  for (size_t i = 0; i < options.fields; ++i) {
    options.messages.more.push_back(
        {absl::StrCat("x-field-", i), absl::StrCat("value-of-the-field-", i * 7919)});
  }
  constexpr size_t kWarmingRounds = 50;
  Bench bench(options);
  bench.Connect();
  bench.Ask(kWarmingRounds, WarmingTurn);
  const uint64_t before = bench.turns();
  bench.Ask(options.rounds, MeasuredTurn);
  const size_t requests = options.rounds * options.connections * options.streams;
  std::printf("{\"bench\":\"engine_step\",\"requests\":%zu,\"turns\":%llu}\n", requests,
              static_cast<unsigned long long>(bench.turns() - before));
  return 0;
}

}  // namespace
}  // namespace pointsman::bench

int main(int argc, char** argv) {
  using namespace pointsman::bench;
  Options options;
  CLI::App app("One worker in simulated time, for callgrind.", "pm-bench-engine-step");
  app.add_flag("--client-h2", options.client_http2, "clients speak HTTP/2");
  app.add_flag("--upstream-h2", options.upstream_http2, "origins speak HTTP/2");
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 1000));
  app.add_option("--streams", options.streams, "of HTTP/2; HTTP/1 asks one after another")
      ->check(CLI::Range(1, 100));
  app.add_option("--access-log", options.access_log, "every request is logged to this file");
  app.add_option("--fields", options.fields, "more of them in each request")
      ->check(CLI::Range(0, 100));
  app.add_option("--rounds", options.rounds, "measured ones")->check(CLI::Range(1, 1000000));
  app.add_option("--request-bytes", options.messages.request_bytes)->check(CLI::Range(0, 32768));
  app.add_option("--answer-bytes", options.messages.answer_bytes)->check(CLI::Range(1, 32768));
  CLI11_PARSE(app, argc, argv);
  return Run(std::move(options));
}
