#include "controller/core/shard_core.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "controller/core/codes.h"
#include "controller/core/explain.h"
#include "controller/core/registry.h"
#include "controller/core/service_state.h"
#include "pointsman/v1/config.pb.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {
namespace {

using common::MonotonicTime;

// Agents and gateways that are gone this long are forgotten.
constexpr absl::Duration kForgetAgents = absl::Hours(25);
constexpr absl::Duration kForgetGateways = absl::Minutes(10);
constexpr absl::Duration kForgetPeriod = absl::Minutes(1);
// Mass silence: this share of the fleet, and at least so many agents, or a loop that lags.
constexpr double kSilenceBegins = 0.3;
constexpr double kSilenceEnds = 0.15;
constexpr uint32_t kSilenceAgents = 3;
constexpr absl::Duration kLagBegins = absl::Seconds(1);
constexpr absl::Duration kLagEnds = absl::Milliseconds(500);
constexpr absl::Duration kSilenceFreezeMax = absl::Minutes(5);
constexpr absl::Duration kDefaultSilence = absl::Seconds(5);
constexpr absl::Duration kTickPeriod = absl::Seconds(1);

struct GatewayRecord {
  uint32_t ordinal = 0;
  uint64_t session = 0;
  bool connected = false;
  MonotonicTime left;
  std::vector<HeldSlice> held;  // Of this shard.
};

}  // namespace

uint32_t ShardOf(absl::string_view service, uint32_t shards) {
  PM_CHECK(shards > 0);
  uint64_t hash = 14695981039346656037u;  // FNV-1a: the same in every process and version.
  for (const char c : service) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211u;
  }
  return static_cast<uint32_t>((hash ^ (hash >> 32)) % shards);
}

class ShardState {
 public:
  explicit ShardState(const ShardOptions& options) : options_(options), epoch_(options.epoch) {}

  Effects Step(const Input& input, MonotonicTime now);
  const ServiceState* Served(absl::string_view service) const;
  const ServiceState* Configured(absl::string_view service) const;

  const std::map<std::string, ServiceState, std::less<>>& services() const { return services_; }
  const Registry& registry() const { return registry_; }
  const ShardOptions& options() const { return options_; }
  const CoreCounters& counters() const { return counters_; }
  uint64_t epoch() const { return epoch_; }
  bool frozen() const { return frozen_ || silence_freeze_; }
  std::string freeze_cause() const;

 private:
  StepContext Context(MonotonicTime now, Effects& effects);
  ServiceState& Ensure(const std::string& service, StepContext& context);
  void Drop(const std::string& service);
  void SetSilenceFreeze(bool frozen, const char* why, StepContext& context);
  uint32_t OrdinalOf(const std::string& gateway, uint64_t session) const;
  void ForgetOld(StepContext& context);
  // A newcomer is left out: counted, and told unless it has been.
  void LimitReached(const char* limit, uint32_t most, const std::string& name,
                    StepContext& context);

  void On(const TickInput& input, StepContext& context);
  void On(const ConfigInput& input, StepContext& context);
  void On(const AgentHelloInput& input, StepContext& context);
  void On(const AgentReportInput& input, StepContext& context);
  void On(const AgentGoneInput& input, StepContext& context);
  void On(const GatewayHelloInput& input, StepContext& context);
  void On(const GatewayGoneInput& input, StepContext& context);
  void On(const AckInput& input, StepContext& context);
  void On(const ObservationsInput& input, StepContext& context);
  void On(const InheritedSliceInput& input, StepContext& context);
  void On(const EpochInput& input, StepContext& context);
  void On(const RestartRequestInput& input, StepContext& context);
  void On(const RestartResultInput& input, StepContext& context);
  void On(const FleetInput& input, StepContext& context);
  void On(const FreezeInput& input, StepContext& context);

  // Claims again what another agent held when this one said hello.
  void Reclaim(const AgentReportInput& input, const AgentRecord& agent,
               const InstanceSample& sample, ServiceState& service, StepContext& context);
  void QuietAll();

  ShardOptions options_;
  uint64_t epoch_;
  CoreCounters counters_;
  Registry registry_;
  std::map<std::string, ServiceState, std::less<>> services_;
  // Tables of services that left, so that a service which returns continues its revisions.
  std::map<std::string, SliceTable> retired_;
  std::map<std::string, GatewayRecord, std::less<>> gateways_;
  uint32_t next_gateway_ = 1;
  uint32_t endpoints_ = 0;          // Of all services.
  bool told_agents_limit_ = false;  // Until there is room again.
  bool told_gateways_limit_ = false;
  std::set<std::string> touched_;  // Services to finish in this step.
  bool touch_all_ = false;
  bool started_ = false;
  MonotonicTime start_;
  MonotonicTime wake_at_;
  MonotonicTime forget_at_;
  bool had_earlier_owner_ = false;
  // Freezes.
  bool frozen_ = false;
  std::string frozen_by_;
  bool silence_freeze_ = false;
  bool silence_freeze_spent_ = false;  // Lasted its longest; again only after it has cleared.
  MonotonicTime silence_since_;
};

StepContext ShardState::Context(MonotonicTime now, Effects& effects) {
  return {now, start_, options_, counters_, effects, frozen_, silence_freeze_, &endpoints_};
}

Effects ShardState::Step(const Input& input, MonotonicTime now) {
  Effects effects;
  if (!started_) {
    started_ = true;
    start_ = now;
    had_earlier_owner_ = !options_.first_owner;
  }
  ++counters_.steps;
  StepContext context = Context(now, effects);
  std::visit([&](const auto& typed) { On(typed, context); }, input);
  if (touch_all_) {
    for (auto& [id, service] : services_) service.Finish(context);
  } else {
    for (const std::string& id : touched_) {
      const auto it = services_.find(id);
      if (it != services_.end()) it->second.Finish(context);
    }
  }
  for (const std::string& id : touched_) {
    const auto it = services_.find(id);
    if (it == services_.end()) continue;
    wake_at_ = std::min(wake_at_, it->second.next_due());
    if (it->second.idle()) Drop(id);
  }
  touched_.clear();
  touch_all_ = false;
  effects.wake_at = std::max(wake_at_, now);
  return effects;
}

ServiceState& ShardState::Ensure(const std::string& id, StepContext& context) {
  touched_.insert(id);
  auto it = services_.find(id);
  if (it != services_.end()) return it->second;
  const auto retired = retired_.find(id);
  if (retired != retired_.end()) {
    it = services_.emplace(id, ServiceState(id, std::move(retired->second))).first;
    retired_.erase(retired);
    it->second.RaiseEpoch(epoch_, context);
  } else {
    it = services_.emplace(id, ServiceState(id, SliceTable(id, epoch_))).first;
  }
  if (had_earlier_owner_) it->second.QuietGrants(start_);
  return it->second;
}

void ShardState::Drop(const std::string& id) {
  const auto it = services_.find(id);
  if (it->second.table().revision() > 0) retired_.emplace(id, it->second.TakeTable());
  services_.erase(it);
}

const ServiceState* ShardState::Configured(absl::string_view service) const {
  const auto it = services_.find(service);
  if (it == services_.end() || !it->second.configured()) return nullptr;
  return &it->second;
}

const ServiceState* ShardState::Served(absl::string_view service) const {
  const ServiceState* state = Configured(service);
  return state != nullptr && state->served() ? state : nullptr;
}

void ShardState::On(const TickInput&, StepContext& context) {
  wake_at_ = context.now + kTickPeriod;
  if (silence_freeze_ && context.now - silence_since_ >= kSilenceFreezeMax) {
    silence_freeze_spent_ = true;
    SetSilenceFreeze(false, "it lasted its longest", context);
  }
  for (auto& [id, service] : services_) {
    if (service.next_due() <= context.now) {
      service.Tick(context);
      touched_.insert(id);
    }
    wake_at_ = std::min(wake_at_, service.next_due());
  }
  ForgetOld(context);
}

void ShardState::ForgetOld(StepContext& context) {
  if (context.now < forget_at_) return;
  forget_at_ = context.now + kForgetPeriod;
  registry_.Forget(kForgetAgents, context.now);
  for (auto it = gateways_.begin(); it != gateways_.end();) {
    if (it->second.connected || context.now - it->second.left < kForgetGateways) {
      ++it;
      continue;
    }
    for (auto& [id, service] : services_) service.ForgetGateway(it->second.ordinal);
    it = gateways_.erase(it);
  }
  if (registry_.size() < options_.limits.agents) told_agents_limit_ = false;
  if (gateways_.size() < options_.limits.gateways) told_gateways_limit_ = false;
}

void ShardState::LimitReached(const char* limit, uint32_t most, const std::string& name,
                              StepContext& context) {
  ++counters_.limit_reached;
  bool& told = limit == kLimitAgents ? told_agents_limit_ : told_gateways_limit_;
  if (told) return;
  told = true;
  context.effects.events.push_back(
      {kEventLimitReached,
       name,
       "controller",
       absl::StrCat(name, " and what comes after it is left out: at most ", most, " a shard"),
       {{"limit", limit}, {"most", absl::StrCat(most)}}});
}

void ShardState::On(const ConfigInput& input, StepContext& context) {
  std::map<std::string, OverrideMap> overrides;
  for (const v1::Override& message : input.config->overrides()) {
    const std::string service(BareServiceId(message.service()));
    overrides[service][message.endpoint()] =
        std::make_shared<const EndpointOverride>(OverrideFromConfig(message));
  }
  std::set<std::string> configured;
  for (const v1::Service& message : input.config->services()) {
    const std::string id(BareServiceId(message.name()));
    if (ShardOf(id, options_.shards) != options_.shard) continue;
    configured.insert(id);
    ServiceState& service = Ensure(id, context);
    const bool added = !service.configured();
    service.Configure(message, overrides[id], input.actor, context);
    if (!added) continue;
    for (const auto& [name, gateway] : gateways_) {
      for (const HeldSlice& held : gateway.held) {
        if (gateway.connected && held.service == id) {
          service.GatewayHolds(name, held.version, context);
        }
      }
    }
  }
  for (auto& [id, service] : services_) {
    if (!service.configured() || configured.count(id) > 0) continue;
    service.Unconfigure(input.actor, context);
    touched_.insert(id);
  }
}

void ShardState::On(const AgentHelloInput& input, StepContext& context) {
  std::vector<InstanceInfo> dropped;
  const Registry::Outcome outcome =
      registry_.Hello(input, options_.limits.agents, context.now, &dropped);
  if (outcome == Registry::Outcome::kFull) {
    LimitReached(kLimitAgents, options_.limits.agents, absl::StrCat("agents/", input.agent),
                 context);
  }
  if (outcome != Registry::Outcome::kAccepted) return;
  for (const InstanceInfo& instance : dropped) {
    if (ShardOf(instance.service, options_.shards) != options_.shard) continue;
    Ensure(instance.service, context)
        .Deregister(instance.endpoint->id, input.agent, input.actor, context);
  }
  for (const InstanceInfo& instance : input.instances) {
    if (ShardOf(instance.service, options_.shards) != options_.shard) continue;
    Ensure(instance.service, context)
        .Register({&instance, input.agent, input.boot, input.actor}, context);
  }
  if (!input.leases.empty() && !had_earlier_owner_) QuietAll();
  for (const LeaseInfo& lease : input.leases) {
    if (ShardOf(lease.service, options_.shards) != options_.shard) continue;
    Ensure(lease.service, context).PresentLease(input.agent, lease, context);
  }
}

void ShardState::QuietAll() {
  had_earlier_owner_ = true;
  for (auto& [id, service] : services_) service.QuietGrants(start_);
}

void ShardState::Reclaim(const AgentReportInput& input, const AgentRecord& agent,
                         const InstanceSample& sample, ServiceState& service,
                         StepContext& context) {
  const InstanceInfo& instance = agent.instances[sample.instance];
  const auto it = service.endpoints().find(instance.endpoint->id);
  const bool free = it == service.endpoints().end() || service.CanTake(it->second, context);
  if (!free || context.frozen) return;
  service.Register({&instance, input.agent, agent.boot, agent.actor, true}, context);
}

void ShardState::On(const AgentReportInput& input, StepContext& context) {
  AgentRecord* agent = registry_.Find(input.agent, input.session);
  const auto it = services_.find(input.service);
  if (agent == nullptr || it == services_.end() || input.boot != agent->boot) {
    ++counters_.reports_stale;
    return;
  }
  agent->heard = context.now;
  agent->report_interval = input.report_interval;
  touched_.insert(input.service);
  ++counters_.reports;
  for (const InstanceSample& sample : input.instances) {
    if (sample.instance >= agent->instances.size() ||
        agent->instances[sample.instance].service != input.service) {
      ++counters_.instances_unknown;
      continue;
    }
    const std::string& endpoint = agent->instances[sample.instance].endpoint->id;
    switch (it->second.Report(input, sample, endpoint, context)) {
      case ReportOutcome::kTaken:
        break;
      case ReportOutcome::kStale:
        ++counters_.reports_stale;
        break;
      case ReportOutcome::kNotOwner:
        Reclaim(input, *agent, sample, it->second, context);
        break;
    }
  }
}

void ShardState::On(const AgentGoneInput& input, StepContext&) {
  registry_.Gone(input.agent, input.session);
}

uint32_t ShardState::OrdinalOf(const std::string& gateway, uint64_t session) const {
  const auto it = gateways_.find(gateway);
  if (it == gateways_.end() || it->second.session != session) return 0;
  return it->second.ordinal;
}

void ShardState::On(const GatewayHelloInput& input, StepContext& context) {
  auto it = gateways_.find(input.gateway);
  if (it == gateways_.end()) {
    if (gateways_.size() >= options_.limits.gateways) {
      LimitReached(kLimitGateways, options_.limits.gateways,
                   absl::StrCat("gateways/", input.gateway), context);
      return;
    }
    it = gateways_.emplace(input.gateway, GatewayRecord{}).first;
    it->second.ordinal = next_gateway_++;
  } else if (input.session <= it->second.session) {
    return;
  }
  GatewayRecord& gateway = it->second;
  gateway.session = input.session;
  gateway.connected = true;
  gateway.held.clear();
  for (const HeldSlice& held : input.held) {
    if (ShardOf(held.service, options_.shards) != options_.shard) continue;
    gateway.held.push_back(held);
    if (held.version.epoch < epoch_ && held.version.revision > 0 && !had_earlier_owner_) {
      QuietAll();
    }
    if (held.version.epoch > epoch_) {
      context.effects.epoch_seen = std::max(context.effects.epoch_seen, held.version.epoch);
    }
    const auto service = services_.find(held.service);
    if (service == services_.end() || !service->second.configured()) continue;
    touched_.insert(held.service);
    service->second.GatewayHolds(input.gateway, held.version, context);
    service->second.Acked(gateway.ordinal, held.version, context);
  }
}

void ShardState::On(const GatewayGoneInput& input, StepContext& context) {
  const auto it = gateways_.find(input.gateway);
  if (it == gateways_.end() || it->second.session != input.session) return;
  it->second.connected = false;
  it->second.left = context.now;
  it->second.held.clear();
  for (auto& [id, service] : services_) {
    service.GatewayLeft(input.gateway, it->second.ordinal);
  }
}

void ShardState::On(const AckInput& input, StepContext& context) {
  const uint32_t ordinal = OrdinalOf(input.gateway, input.session);
  if (ordinal == 0) return;
  for (const HeldSlice& slice : input.slices) {
    const auto it = services_.find(slice.service);
    if (it == services_.end()) continue;
    touched_.insert(slice.service);
    it->second.Acked(ordinal, slice.version, context);
  }
}

void ShardState::On(const ObservationsInput& input, StepContext& context) {
  const uint32_t ordinal = OrdinalOf(input.gateway, input.session);
  const auto it = services_.find(input.service);
  if (ordinal == 0 || it == services_.end()) {
    ++counters_.observations_stale;
    return;
  }
  ++counters_.observations;
  touched_.insert(input.service);
  it->second.Observe(input, ordinal, context);
}

void ShardState::On(const InheritedSliceInput& input, StepContext& context) {
  const std::string& id = input.frame.service;
  if (ShardOf(id, options_.shards) != options_.shard) return;
  const auto it = services_.find(id);
  if (it == services_.end() || !it->second.configured()) return;
  if (!had_earlier_owner_) QuietAll();
  touched_.insert(id);
  it->second.Inherit(input, context);
}

void ShardState::On(const EpochInput& input, StepContext& context) {
  if (input.epoch <= epoch_) return;
  epoch_ = input.epoch;
  context.effects.events.push_back({kEventEpochRaised,
                                    "controller",
                                    "controller",
                                    absl::StrCat("the epoch is ", epoch_, " now"),
                                    {}});
  for (auto& [id, service] : services_) service.RaiseEpoch(epoch_, context);
  touch_all_ = true;
  for (const auto& [name, gateway] : gateways_) {
    for (const HeldSlice& held : gateway.held) {
      const auto it = services_.find(held.service);
      if (!gateway.connected || it == services_.end() || !it->second.configured()) continue;
      it->second.GatewayHolds(name, held.version, context);
    }
  }
}

void ShardState::On(const RestartRequestInput& input, StepContext& context) {
  const AgentRecord* agent = registry_.Find(input.agent, input.session);
  if (agent == nullptr || input.instance >= agent->instances.size()) {
    ++counters_.instances_unknown;
    return;
  }
  const InstanceInfo& instance = agent->instances[input.instance];
  if (ShardOf(instance.service, options_.shards) != options_.shard) return;
  context.effects.restarts.push_back(
      Ensure(instance.service, context)
          .RequestRestart(input, instance.endpoint->id, agent->actor, context));
}

void ShardState::On(const RestartResultInput& input, StepContext& context) {
  const AgentRecord* agent = registry_.Find(input.agent, input.session);
  if (agent == nullptr) return;
  for (auto& [id, service] : services_) {
    if (service.EndRestart(input, agent->actor, context)) return;
  }
}

void ShardState::SetSilenceFreeze(bool frozen, const char* why, StepContext& context) {
  if (silence_freeze_ == frozen) return;
  silence_freeze_ = frozen;
  silence_since_ = context.now;
  context.silence_freeze = frozen;
  context.effects.events.push_back(
      {frozen ? kEventFreezeBegan : kEventFreezeEnded,
       "controller",
       "controller",
       absl::StrCat(frozen ? "silence decides nothing for now: " : "silence counts again: ", why),
       {}});
}

void ShardState::On(const FleetInput& input, StepContext& context) {
  const double share =
      input.agents == 0 ? 0 : static_cast<double>(input.agents_silent) / input.agents;
  const bool many = input.agents_silent >= kSilenceAgents && share >= kSilenceBegins;
  const bool lags = input.loop_lag >= kLagBegins;
  const bool calm = share < kSilenceEnds && input.loop_lag < kLagEnds;
  if (calm) {
    silence_freeze_spent_ = false;
    SetSilenceFreeze(false, "agents are heard", context);
  } else if ((many || lags) && !silence_freeze_spent_) {
    SetSilenceFreeze(true, lags ? "this controller's own loop lags" : "many agents fell silent",
                     context);
  }
}

void ShardState::On(const FreezeInput& input, StepContext& context) {
  if (frozen_ == input.frozen) return;
  frozen_ = input.frozen;
  frozen_by_ = input.comment.empty() ? input.actor : absl::StrCat(input.actor, ": ", input.comment);
  context.frozen = frozen_;
  context.effects.events.push_back(
      {frozen_ ? kEventFreezeBegan : kEventFreezeEnded,
       "controller",
       input.actor,
       absl::StrCat(frozen_ ? "all tables are frozen" : "tables change again",
                    input.comment.empty() ? "" : ": ", input.comment),
       {}});
  if (frozen_) return;
  for (auto& [id, service] : services_) service.Thaw(context);
  touch_all_ = true;
}

std::string ShardState::freeze_cause() const {
  if (frozen_) return frozen_by_;
  if (silence_freeze_) return "controller: many agents silent at once, or its own loop lags";
  return "";
}

ShardCore::ShardCore(const ShardOptions& options) {
  PM_CHECK(options.epoch >= 1 && options.shard < options.shards);
  state_ = std::make_unique<ShardState>(options);
}

ShardCore::~ShardCore() = default;

Effects ShardCore::Step(const Input& input, MonotonicTime now) { return state_->Step(input, now); }

std::optional<Frame> ShardCore::FullFrame(absl::string_view service) const {
  const ServiceState* state = state_->Served(service);
  if (state == nullptr) return std::nullopt;
  return state->table().Full();
}

std::optional<Frame> ShardCore::DeltaFrame(absl::string_view service, uint64_t base) const {
  const ServiceState* state = state_->Served(service);
  if (state == nullptr) return std::nullopt;
  return state->table().Delta(base);
}

SliceVersion ShardCore::NewestVersion(absl::string_view service) const {
  const ServiceState* state = state_->Served(service);
  return state == nullptr ? SliceVersion{} : state->table().version();
}

bool ShardCore::Continues(absl::string_view service, SliceVersion have) const {
  const ServiceState* state = state_->Served(service);
  return state != nullptr && state->table().Knows(have) &&
         have.revision >= state->table().delta_floor();
}

std::vector<std::string> ShardCore::Services() const {
  std::vector<std::string> names;
  for (const auto& [id, service] : state_->services()) {
    if (service.served()) names.push_back(id);
  }
  return names;
}

absl::StatusOr<std::vector<v1::EndpointState>> ShardCore::Endpoints(absl::string_view service,
                                                                    MonotonicTime now) const {
  const ServiceState* state = state_->Configured(service);
  if (state == nullptr) return absl::NotFoundError(absl::StrCat("no service \"", service, "\""));
  return DescribeEndpoints(*state, now);
}

absl::StatusOr<v1::Explanation> ShardCore::Explain(absl::string_view service,
                                                   absl::string_view endpoint,
                                                   MonotonicTime now) const {
  const ServiceState* state = state_->Configured(service);
  if (state == nullptr) return absl::NotFoundError(absl::StrCat("no service \"", service, "\""));
  const auto it = state->endpoints().find(endpoint);
  if (it == state->endpoints().end()) {
    return absl::NotFoundError(
        absl::StrCat("no endpoint \"", endpoint, "\" in service \"", service, "\""));
  }
  return ExplainEndpoint(*state, it->second, now);
}

std::vector<ServiceSummary> ShardCore::Summaries() const {
  std::vector<ServiceSummary> out;
  for (const auto& [id, service] : state_->services()) {
    if (service.configured()) out.push_back(service.Summary());
  }
  return out;
}

AgentCounts ShardCore::CountAgents(MonotonicTime now) const {
  AgentCounts counts;
  // An agent whose endpoints were all deregistered says nothing of the fleet any more.
  const auto speaks = [this](const std::string& agent, const InstanceInfo& instance) {
    const auto service = state_->services().find(instance.service);
    if (service == state_->services().end()) return false;
    const auto it = service->second.endpoints().find(instance.endpoint->id);
    return it != service->second.endpoints().end() && it->second.agent == agent;
  };
  state_->registry().Count(speaks, kDefaultSilence, now, &counts.agents, &counts.silent);
  return counts;
}

const CoreCounters& ShardCore::counters() const { return state_->counters(); }
bool ShardCore::frozen() const { return state_->frozen(); }
std::string ShardCore::freeze_cause() const { return state_->freeze_cause(); }
uint64_t ShardCore::epoch() const { return state_->epoch(); }

}  // namespace pointsman::controller
