#include "sim/world/world.h"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/hashing.h"
#include "common/core/proto_time.h"
#include "sim/latency_by_rif.h"
#include "sim/policies/catalogue.h"
#include "sim/random.h"
#include "sim/world/controller.h"
#include "sim/world/gateway.h"
#include "sim/world/host.h"
#include "sim/world/noise.h"
#include "sim/world/streams.h"
#include "sim/world/utilisation.h"

namespace pointsman::sim {
namespace {

using common::MonotonicTime;

// Cores take 0 for "never".
constexpr MonotonicTime kStart = MonotonicTime::FromMicros(1'000'000'000);
// Peers connect over this time; clients come after it.
constexpr absl::Duration kConnecting = absl::Seconds(1);
constexpr absl::Duration kClientsCome = absl::Seconds(5);
// How often it is looked whether all have the newest table, for two seconds.
constexpr absl::Duration kConvergenceLook = absl::Milliseconds(20);

// What a seed is mixed with, for a generator of its own for each kind of chance.
enum class Chances : uint64_t {
  kNetwork = 1,
  kArrivals,
  kFloor,
  kHosts,
  kGateways,
  kNoise,
  kPolicy
};

uint64_t SeedOf(uint64_t seed, Chances chances, uint64_t index = 0) {
  return common::HashCombine(common::HashCombine(seed, static_cast<uint64_t>(chances)), index);
}

std::shared_ptr<const v1::Config> ConfigOf(const ServiceSpec& spec) {
  auto config = std::make_shared<v1::Config>();
  v1::Service& service = *config->add_services();
  service.set_name(absl::StrCat("services/", kService));
  v1::HealthCheck& check = *service.add_checks();
  check.mutable_http();
  common::ToProto(spec.check_interval, check.mutable_interval());
  v1::Timeouts& timeouts = *service.mutable_timeouts();
  common::ToProto(spec.connect_timeout, timeouts.mutable_connect());
  common::ToProto(spec.first_byte_timeout, timeouts.mutable_first_byte());
  v1::Retries& retries = *service.mutable_retries();
  retries.set_max_retries(spec.max_retries);
  if (spec.per_try_timeout != absl::InfiniteDuration()) {
    common::ToProto(spec.per_try_timeout, retries.mutable_per_try_timeout());
  }
  return config;
}

class World : public ControlWires {
 public:
  explicit World(const WorldOptions& options);

  WorldResult Run();

  void AgentSays(size_t agent, v1::AgentMessage message) override;
  void CommandAgent(size_t agent, v1::AgentCommand command) override;
  void GatewaySays(size_t gateway, v1::GatewayMessage message) override;
  void SendBundle(size_t gateway, v1::Bundle bundle) override;
  void OnRestart(size_t agent, bool begins) override;

 private:
  // One gateway's way to the endpoints.
  struct Path final : DataPath {
    explicit Path(World* all) : world(*all), reachable(world.options_.endpoints.size(), true) {}
    Server& server(size_t endpoint) override { return world.server(endpoint); }
    bool Reachable(size_t endpoint) const override { return reachable[endpoint]; }
    absl::Duration OneWay() override { return sim::OneWay(world.options_.data, world.network_); }
    void NoteAnswer(size_t endpoint, const Completion& completion) override {
      world.NoteAnswer(endpoint, completion);
    }
    ProbeAnswer Probe(size_t endpoint) override { return world.Probe(endpoint); }

    World& world;
    std::vector<bool> reachable;  // By endpoint.
  };

  void Carry(size_t agent, v1::AgentMessage message);
  bool measuring() const { return queue_.now() >= from_; }
  Server& server(size_t endpoint) { return hosts_[endpoint]->server(); }
  void NoteAnswer(size_t endpoint, const Completion& completion);
  ProbeAnswer Probe(size_t endpoint);
  void SetReachable(const FaultSpec& fault, uint32_t endpoint, bool reachable);
  std::unique_ptr<Policy> MakeChosenPolicy(size_t gateway);
  void MakePeers();
  void StartController();
  void StopController();
  void ScheduleFaults();
  void Begin(const FaultSpec& fault);
  void End(const FaultSpec& fault);
  void Crash(uint32_t endpoint, const ServerFaults& faults);
  void Announce(const FaultSpec& fault, bool leaves);
  // The fault whose server this endpoint's is now; null: none.
  const FaultSpec* FaultOf(size_t endpoint) const;
  void Arrive(size_t gateway);
  void Measure(const std::vector<ServerCounters>& before);
  bool Converges();

  const WorldOptions options_;
  EventQueue queue_;
  const MonotonicTime from_;
  std::mt19937_64 network_;
  std::mt19937_64 arrivals_random_;
  Record record_;
  std::shared_ptr<const v1::Config> config_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Path>> paths_;  // By gateway.
  std::vector<LatencyByRif> latencies_;       // By endpoint; for policies that probe.
  std::unique_ptr<Noise> noise_;
  std::vector<std::unique_ptr<Gateway>> gateways_;
  std::vector<PoissonArrivals> arrivals_;
  std::unique_ptr<Streams> agent_streams_;
  std::unique_ptr<Streams> gateway_streams_;
  uint64_t epoch_ = 0;
  std::unique_ptr<Controller> controller_;  // Null: it is down.
};

World::World(const WorldOptions& options)
    : options_(options),
      from_(kStart + options.warmup),
      network_(SeedOf(options.seed, Chances::kNetwork)),
      arrivals_random_(SeedOf(options.seed, Chances::kArrivals)),
      record_(queue_, options_, from_),
      config_(ConfigOf(options.service)) {
  PM_CHECK(!options_.endpoints.empty() && options_.gateways > 0);
  queue_.RunUntil(kStart);
  StartController();
  MakePeers();
  ScheduleFaults();
}

std::unique_ptr<Policy> World::MakeChosenPolicy(size_t gateway) {
  if (options_.policy.empty()) return nullptr;
  PolicySettings settings;
  settings.endpoints = options_.endpoints.size();
  settings.c3.clients = static_cast<double>(options_.gateways);
  std::mt19937_64 random(SeedOf(options_.seed, Chances::kPolicy, gateway));
  absl::StatusOr<std::unique_ptr<Policy>> policy = MakePolicy(options_.policy, settings, random);
  PM_CHECK(policy.ok());
  return *std::move(policy);
}

void World::MakePeers() {
  const auto up = [this] { return controller_ != nullptr; };
  agent_streams_ =
      std::make_unique<Streams>(queue_, options_.control, network_,
                                Streams::Calls{up, [this](size_t i) { hosts_[i]->OnStreamUp(); },
                                               [this](size_t i) { hosts_[i]->OnStreamDown(); }});
  gateway_streams_ =
      std::make_unique<Streams>(queue_, options_.control, network_,
                                Streams::Calls{up, [this](size_t i) { gateways_[i]->OnStreamUp(); },
                                               [this](size_t i) { gateways_[i]->OnStreamDown(); }});
  latencies_.resize(options_.endpoints.size());
  for (size_t i = 0; i < options_.endpoints.size(); ++i) {
    hosts_.push_back(std::make_unique<Host>(queue_, *this, i, options_.endpoints[i],
                                            SeedOf(options_.seed, Chances::kHosts, i)));
    agent_streams_->Add(Uniform(network_) * kConnecting);
  }
  noise_ = std::make_unique<Noise>(
      queue_, options_.noise, options_.endpoints.size(),
      [this](size_t i) -> Server& { return server(i); }, SeedOf(options_.seed, Chances::kNoise));
  const double rate = options_.requests_per_second / options_.gateways;
  for (size_t i = 0; i < options_.gateways; ++i) {
    paths_.push_back(std::make_unique<Path>(this));
    gateways_.push_back(std::make_unique<Gateway>(
        Gateway::Parts{queue_, *this, *paths_[i], record_, i, options_.endpoints.size(),
                       SeedOf(options_.seed, Chances::kGateways, i), MakeChosenPolicy(i)}));
    gateway_streams_->Add(Uniform(network_) * kConnecting);
    arrivals_.emplace_back(rate, kStart + kClientsCome);
    queue_.At(arrivals_[i].Next(arrivals_random_), [this, i] { Arrive(i); });
  }
}

// ---- What happens.

void World::StartController() {
  ControllerOptions options;
  options.first_owner = epoch_ == 0;
  options.epoch = ++epoch_;
  options.config = config_;
  controller_ = std::make_unique<Controller>(queue_, *this, record_, options);
}

void World::StopController() {
  controller_.reset();
  agent_streams_->BreakAll();
  gateway_streams_->BreakAll();
}

void World::ScheduleFaults() {
  for (const FaultSpec& fault : options_.faults) {
    queue_.At(from_ + fault.begins, [this, &fault] { Begin(fault); });
    if (fault.announced > absl::ZeroDuration()) {
      queue_.At(from_ + fault.begins - fault.announced, [this, &fault] { Announce(fault, true); });
    }
    if (fault.lasts == absl::InfiniteDuration()) continue;
    queue_.At(from_ + fault.begins + fault.lasts, [this, &fault] { End(fault); });
  }
  if (!options_.controller_outage) return;
  const ControllerOutage& outage = *options_.controller_outage;
  queue_.At(from_ + outage.begins, [this] { StopController(); });
  queue_.At(from_ + outage.begins + outage.lasts, [this] { StartController(); });
}

void World::Begin(const FaultSpec& fault) {
  for (const uint32_t endpoint : fault.endpoints) {
    Crash(endpoint, fault.server);
    if (fault.unreachable) SetReachable(fault, endpoint, false);
  }
}

void World::Crash(uint32_t endpoint, const ServerFaults& faults) {
  hosts_[endpoint]->SetFaults(faults);
  if (!faults.crashed) return;
  for (auto& gateway : gateways_) gateway->exchanges().CloseIdle(endpoint);
}

void World::Announce(const FaultSpec& fault, bool leaves) {
  for (const uint32_t endpoint : fault.endpoints) hosts_[endpoint]->SetDraining(leaves);
}

void World::End(const FaultSpec& fault) {
  for (const uint32_t endpoint : fault.endpoints) {
    hosts_[endpoint]->SetFaults({});
    if (fault.unreachable) SetReachable(fault, endpoint, true);
  }
  if (fault.announced > absl::ZeroDuration()) Announce(fault, false);
}

const FaultSpec* World::FaultOf(size_t endpoint) const {
  const absl::Duration at = queue_.now() - from_;
  for (const FaultSpec& fault : options_.faults) {
    if (fault.Has(static_cast<uint32_t>(endpoint), at)) return &fault;
  }
  return nullptr;
}

// What crashed runs again; some end again a while later.
void World::OnRestart(size_t agent, bool begins) {
  const auto endpoint = static_cast<uint32_t>(agent);
  record_.OnRestart(endpoint, begins);
  const FaultSpec* fault = FaultOf(agent);
  if (begins || fault == nullptr || !fault->server.crashed) return;
  hosts_[endpoint]->SetFaults({});
  if (fault->ends_again == absl::InfiniteDuration()) return;
  queue_.After(fault->ends_again, [this, endpoint, fault] {
    if (FaultOf(endpoint) == fault) Crash(endpoint, fault->server);
  });
}

void World::SetReachable(const FaultSpec& fault, uint32_t endpoint, bool reachable) {
  for (const uint32_t gateway : fault.gateways) paths_[gateway]->reachable[endpoint] = reachable;
  if (!fault.gateways.empty()) return;
  for (const auto& path : paths_) path->reachable[endpoint] = reachable;
  agent_streams_->SetCut(endpoint, !reachable);
}

void World::NoteAnswer(size_t endpoint, const Completion& completion) {
  const bool served = completion.outcome == Outcome::kOk || completion.outcome == Outcome::kError;
  if (!served || options_.policy.empty()) return;
  latencies_[endpoint].Add(completion.in_flight_at_arrival, completion.in_server, queue_.now());
}

ProbeAnswer World::Probe(size_t endpoint) {
  const uint32_t rif = server(endpoint).in_flight();
  return {rif, latencies_[endpoint].Estimate(rif, queue_.now())};
}

void World::Arrive(size_t gateway) {
  for (int i = noise_->Copies(); i > 0; --i) {
    gateways_[gateway]->exchanges().Begin(
        Exponential(options_.work_mean_ms * 1e3, arrivals_random_));
  }
  queue_.At(arrivals_[gateway].Next(arrivals_random_), [this, gateway] { Arrive(gateway); });
}

// ---- The streams to the controller.

void World::AgentSays(size_t agent, v1::AgentMessage message) {
  if (measuring()) record_.result().from_agents.Add(message);
  if (message.has_report() && Chance(options_.report_loss, network_)) return;
  if (message.has_report() && options_.report_delay > absl::ZeroDuration()) {
    queue_.After(options_.report_delay, [this, agent, message = std::move(message)]() mutable {
      Carry(agent, std::move(message));
    });
    return;
  }
  Carry(agent, std::move(message));
}

void World::Carry(size_t agent, v1::AgentMessage message) {
  agent_streams_->ToController(agent, [this, agent, message = std::move(message)] {
    if (controller_ != nullptr) controller_->OnAgentMessage(agent, message);
  });
}

void World::CommandAgent(size_t agent, v1::AgentCommand command) {
  agent_streams_->ToPeer(agent, [this, agent, command = std::move(command)]() mutable {
    hosts_[agent]->OnCommand(std::move(command));
  });
}

void World::GatewaySays(size_t gateway, v1::GatewayMessage message) {
  if (measuring()) record_.result().from_gateways.Add(message);
  if (message.has_observations() && Chance(options_.observation_loss, network_)) return;
  gateway_streams_->ToController(gateway, [this, gateway, message = std::move(message)] {
    if (controller_ != nullptr) controller_->OnGatewayMessage(gateway, message);
  });
}

void World::SendBundle(size_t gateway, v1::Bundle bundle) {
  if (measuring()) record_.result().to_gateways.Add(bundle);
  gateway_streams_->ToPeer(gateway, [this, gateway, bundle = std::move(bundle)] {
    gateways_[gateway]->OnBundle(bundle);
  });
}

// ---- The run.

WorldResult World::Run() {
  queue_.RunUntil(from_);
  std::vector<ServerCounters> before;
  before.reserve(hosts_.size());
  for (auto& host : hosts_) before.push_back(host->server().counters());
  queue_.RunUntil(from_ + options_.duration);
  Measure(before);
  record_.Finish(options_.duration);
  WorldResult result = record_.result();
  if (!Converges()) result.violations.emplace_back("gateways do not reach the newest table");
  return result;
}

// That all gateways run the controller's newest table, at some moment of the next seconds.
bool World::Converges() {
  if (controller_ == nullptr) return true;
  for (int look = 0; look < 100; ++look) {
    const controller::SliceVersion newest = controller_->core().NewestVersion(kService);
    const bool all = std::all_of(gateways_.begin(), gateways_.end(), [&](const auto& gateway) {
      const gateway::VersionPair version = gateway->version();
      return version.epoch == newest.epoch && version.revision == newest.revision;
    });
    if (all) return true;
    queue_.RunUntil(queue_.now() + kConvergenceLook);
  }
  return false;
}

void World::Measure(const std::vector<ServerCounters>& before) {
  std::vector<bool> faulty(hosts_.size(), false);
  for (const FaultSpec& fault : options_.faults) {
    for (const uint32_t endpoint : fault.endpoints) faulty[endpoint] = true;
  }
  // Where none is without a fault, all are compared.
  if (std::find(faulty.begin(), faulty.end(), false) == faulty.end()) {
    faulty.assign(faulty.size(), false);
  }
  std::vector<double> loads;
  std::vector<uint64_t> requests;
  WorldResult& result = record_.result();
  result.measured = options_.duration;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    if (faulty[i]) continue;
    Server& server = hosts_[i]->server();
    const EndpointSpec& spec = options_.endpoints[i];
    const ServerCounters& after = server.counters();
    loads.push_back(
        OfferedLoad(before[i], after, options_.duration, spec.speed * spec.concurrency));
    requests.push_back(after.arrivals - before[i].arrivals);
    result.utilisation_mean += BusyShare(before[i], after, options_.duration, spec.concurrency);
  }
  if (!loads.empty()) result.utilisation_mean /= static_cast<double>(loads.size());
  std::mt19937_64 random(SeedOf(options_.seed, Chances::kFloor));
  result.load_max_over_mean = MaxOverMean(loads);
  result.load_floor = SamplingFloor(requests, random);
  result.events = queue_.events_run();
  result.frozen_at_end = controller_ != nullptr && controller_->core().frozen();
}

}  // namespace

WorldResult RunWorld(const WorldOptions& options) { return World(options).Run(); }

}  // namespace pointsman::sim
