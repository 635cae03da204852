#pragma once

// The state behind a ShardCore, and its answer to each kind of input. What concerns one service is
// the service's own (service_state.h); what spans services is here: agents and gateways, freezes,
// limits, epochs: shard_steps.cc, shard_agents.cc, shard_gateways.cc. Thread-compatible; owned by a
// ShardCore.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/core/time.h"
#include "controller/core/registry.h"
#include "controller/core/service_state.h"
#include "controller/core/shard_core.h"

namespace pointsman::controller {

struct GatewayRecord {
  uint32_t ordinal = 0;
  uint64_t session = 0;
  bool connected = false;
  common::MonotonicTime left;
  std::vector<HeldSlice> held;  // Of this shard.
};

class ShardState {
 public:
  explicit ShardState(const ShardOptions& options) : options_(options), epoch_(options.epoch) {}

  Effects Step(const Input& input, common::MonotonicTime now);
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
  StepContext Context(common::MonotonicTime now, Effects& effects);
  void FinishTouched(StepContext& context);
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
  std::vector<ServiceState*> touched_;  // To be finished in this step; a service may be twice.
  bool touch_all_ = false;
  bool started_ = false;
  common::MonotonicTime start_;
  common::MonotonicTime wake_at_;
  common::MonotonicTime forget_at_;
  bool had_earlier_owner_ = false;
  // Freezes.
  bool frozen_ = false;
  std::string frozen_by_;
  bool silence_freeze_ = false;
  bool silence_freeze_spent_ = false;  // Lasted its longest; again only after it has cleared.
  common::MonotonicTime silence_since_;
};

}  // namespace pointsman::controller
