#pragma once

// One service: its policy, endpoints, table, removal budget, grants and weight control, and the
// steps that join the pure modules. Inputs mark what changed; Finish() turns that into at most one
// revision of the slice. Thread-compatible; owned by a ShardCore.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "controller/core/endpoint_state.h"
#include "controller/core/recovery.h"
#include "controller/core/shard_core.h"
#include "controller/core/table.h"

namespace pointsman::v1 {
class Service;
class Decision;
class Explanation;
}  // namespace pointsman::v1

namespace pointsman::controller {

// What a step may look at and write to besides the service itself.
struct StepContext {
  common::MonotonicTime now;
  common::MonotonicTime started;  // The core's first step.
  const ShardOptions& options;
  CoreCounters& counters;
  Effects& effects;
  bool frozen = false;            // By an operator: nothing changes but what people ask for.
  bool silence_freeze = false;    // Many agents fell silent at once: silence decides nothing.
  uint32_t* endpoints = nullptr;  // Of the shard, all services. Not null.
};

using OverrideMap = std::map<std::string, std::shared_ptr<const EndpointOverride>, std::less<>>;

struct Registration {
  const InstanceInfo* instance = nullptr;
  std::string agent;
  uint64_t boot = 0;
  std::string actor;
  bool again = false;  // By a report after a Hello that did not succeed: counted there.
};

enum class ReportOutcome {
  kTaken,
  kStale,     // Boot or sequence not newer.
  kNotOwner,  // The endpoint is not there, or another speaks for it.
};

class ServiceState {
 public:
  ServiceState(std::string id, SliceTable table);

  // Configuration. service_registry.cc.
  void Configure(const v1::Service& service, const OverrideMap& overrides, const std::string& actor,
                 StepContext& context);
  void Unconfigure(const std::string& actor, StepContext& context);
  // False: another live agent or the configuration speaks for it, or a limit is reached.
  bool Register(const Registration& registration, StepContext& context);
  void Deregister(absl::string_view endpoint, const std::string& agent, const std::string& actor,
                  StepContext& context);

  // True: nobody live speaks for the endpoint.
  bool CanTake(const EndpointState& endpoint, const StepContext& context) const {
    return !OwnerLives(endpoint, context);
  }

  // Slices of earlier owners. service_inherit.cc.
  void GatewayHolds(const std::string& gateway, SliceVersion version, StepContext& context);
  void GatewayLeft(const std::string& gateway, uint32_t ordinal);
  void ForgetGateway(uint32_t ordinal);
  void Inherit(const InheritedSliceInput& input, StepContext& context);
  void RaiseEpoch(uint64_t epoch, StepContext& context);

  // Evidence. service_health.cc.
  void NoteRestartBudget(EndpointState& endpoint, bool spent, StepContext& context);
  ReportOutcome Report(const AgentReportInput& report, const InstanceSample& sample,
                       absl::string_view endpoint, StepContext& context);
  void Observe(const ObservationsInput& input, uint32_t gateway, StepContext& context);
  void Acked(uint32_t gateway, SliceVersion version, StepContext& context);
  // Judges every endpoint again.
  void EvaluateAll(StepContext& context);
  // A freeze ended: what waited for it is done now.
  void Thaw(StepContext& context);

  // Everything that is due: silence, deregistration, ramps, weight steps, expired grants.
  void Tick(StepContext& context);
  common::MonotonicTime next_due() const { return std::min(next_due_, sync_due_); }

  // Grants. service_registry.cc.
  void PresentLease(const std::string& agent, const LeaseInfo& lease, StepContext& context);
  void QuietGrants(common::MonotonicTime started);
  RestartDecisionOut RequestRestart(const RestartRequestInput& input, absl::string_view endpoint,
                                    const std::string& actor, StepContext& context);
  bool EndRestart(const RestartResultInput& input, const std::string& actor, StepContext& context);

  // Makes what changed since the last call one revision. In a large service (O(endpoints) each)
  // endpoints that join or begin to serve wait a moment for others. service_publish.cc.
  void Finish(StepContext& context);

  // Why it routes to whom it does, and what its weights wait for. `freeze`: why the tables are
  // frozen; empty: they are not. O(endpoints). service_explain.cc.
  v1::Explanation Explain(const std::string& freeze, common::MonotonicTime now) const;

  // Views.
  const std::string& id() const { return id_; }
  bool configured() const { return configured_; }
  bool held_back() const { return held_; }
  bool served() const { return configured_ && !held_ && table_.revision() > 0; }
  bool idle() const { return !configured_ && endpoints_.empty(); }
  const SliceTable& table() const { return table_; }
  SliceTable TakeTable() { return std::move(table_); }
  const ServicePolicy& policy() const { return policy_; }
  const std::map<std::string, EndpointState, std::less<>>& endpoints() const { return endpoints_; }
  ServiceSummary Summary() const;
  bool fail_open() const { return fail_open_; }

 private:
  struct GatewayUse {
    SliceVersion acked;
    common::MonotonicTime last_request;
    double requests_per_second = 0;
  };

  // service_registry.cc
  EndpointState& AddEndpoint(EndpointInfoPtr info, StepContext& context);
  void RemoveEndpoint(const std::string& endpoint, const std::string& actor, const char* why,
                      StepContext& context);
  void ConfigureStatic(const v1::Service& service, const std::string& actor, StepContext& context);
  void ConfigureOverrides(const OverrideMap& overrides, StepContext& context);
  bool OwnerLives(const EndpointState& endpoint, const StepContext& context) const;
  void DeregisterSilent(StepContext& context);
  bool RoomForOne(const Registration& registration, StepContext& context);
  void ForgetLimits(const StepContext& context);

  // service_inherit.cc
  // `whole`: weight per capacity hint of an endpoint past its slow start.
  void AdoptEntry(const FrameEntry& entry, double whole, bool rebase, StepContext& context);
  void AdoptWeight(const EntryState& state, double whole, StepContext& context,
                   EndpointState& endpoint);
  void Confirm(EndpointState& endpoint, StepContext& context);
  void ReleaseHold(StepContext& context);

  // service_health.cc
  void Evaluate(EndpointState& endpoint, StepContext& context);
  HealthEvidence EvidenceOf(const EndpointState& endpoint, const StepContext& context);
  TrafficOpinion OpinionOf(const EndpointState& endpoint, bool agent_refused,
                           common::MonotonicTime now);
  bool GuardRemoval(EndpointState& endpoint, HealthDecision& decision, StepContext& context);
  void NoteSlow(EndpointState& endpoint, bool slow, common::MonotonicTime now) const;
  void RecordHealth(EndpointState& endpoint, const HealthMemory& before,
                    const HealthEvidence& evidence, const HealthDecision& asked,
                    StepContext& context);
  void VerdictEvent(const EndpointState& endpoint, v1::Verdict before, StepContext& context);
  void RefreshTotals(common::MonotonicTime now);
  // Of the service's other endpoints, as of the last RefreshTotals().
  TrafficCounts OthersOf(const TrafficCounts& own) const;
  double OthersShare(const EndpointState& endpoint, common::MonotonicTime now) const;
  // The same of slow answers, each by its endpoint's own measure; 1 where too few are there to
  // compare with.
  double OthersSlowShare(const EndpointState& endpoint, common::MonotonicTime now) const;
  // The share of the others that answered after all could have fallen silent; 0 as well while the
  // newest unanswered try (`until`) is not later than that.
  float OthersAnswering(const EndpointState& endpoint, common::MonotonicTime since,
                        common::MonotonicTime until, common::MonotonicTime now);
  const std::vector<common::MonotonicTime>& AnsweredAfter(common::MonotonicTime now);
  uint32_t Counted() const;
  uint16_t GatewaysWithTraffic(common::MonotonicTime now) const;

  // service_explain.cc
  void ExplainRouting(const std::string& freeze, common::MonotonicTime now,
                      v1::Decision& out) const;
  void ExplainLoop(const std::string& freeze, common::MonotonicTime now, v1::Decision& out) const;

  // service_weights.cc
  // A window is used by then with what there is.
  static constexpr absl::Duration kWindowPatience = absl::Seconds(5);
  // A step is due when so many of those that are weighed are measured.
  static uint32_t Ready(uint32_t weighed);
  // Serves, and is past its slow start.
  bool Weighable(const EndpointState& endpoint, common::MonotonicTime now) const;
  static bool Measured(const LoadWindow::Result& load);
  void BeginServing(EndpointState& endpoint, StepContext& context);
  // How far its slow start is.
  absl::Duration ServingTime(const EndpointState& endpoint, common::MonotonicTime now) const;
  void RefreshWeight(EndpointState& endpoint, StepContext& context);
  void ControlWeights(StepContext& context);
  void StepNow(absl::Duration elapsed, StepContext& context);
  void RestartWindows(common::MonotonicTime now);
  bool ChangeTookEffect(common::MonotonicTime now) const;
  double MedianFactor() const;
  void MarkClamp(EndpointState& endpoint, bool clamped, StepContext& context);

  // service_publish.cc
  absl::Duration SyncPause() const;
  void SyncTable(StepContext& context);
  void Publish(StepContext& context);
  HeadState BuildHead(const std::vector<RoutableRow>& rows, bool fail_open) const;
  std::string NameOf(const EndpointState& endpoint) const;
  void FailOpenEvent(bool fail_open, uint32_t serving, StepContext& context);

  std::string id_;
  bool configured_ = false;
  ServicePolicy policy_;
  std::map<std::string, EndpointState, std::less<>> endpoints_;
  OverrideMap overrides_;
  SliceTable table_;
  RemovalBudget removals_;
  RestartGrants grants_;

  bool dirty_ = false;   // Something that the table shows may have changed.
  bool urgent_ = false;  // And it does not wait for others (Finish).
  common::MonotonicTime synced_at_;
  // Kept until something they depend on changes; the median also until the next tick.
  mutable std::optional<uint32_t> counted_;
  mutable std::optional<double> median_factor_;
  bool fail_open_ = false;
  bool told_service_limit_ = false;  // Until there is room again.
  bool told_shard_limit_ = false;
  common::MonotonicTime next_due_;
  // When what waits for others is published (Finish); else infinite.
  common::MonotonicTime sync_due_ = common::MonotonicTime::Infinite();

  // Inheritance.
  bool held_ = false;
  common::MonotonicTime hold_until_;
  SliceVersion best_inherited_;
  SliceVersion best_asked_;
  std::set<std::string> asked_;  // Gateways whose upload is awaited.

  // Traffic.
  std::map<uint32_t, GatewayUse> gateways_;
  TrafficCounts totals_;
  RecentCounts totals_recent_;
  // Of endpoints with traffic, ascending; since the last RefreshTotals(), once it is asked for.
  std::optional<std::vector<common::MonotonicTime>> answered_after_;
  AnswerHistory answers_;
  // As of the last RefreshTotals().
  uint16_t gateways_with_traffic_ = 0;
  UnansweredShares unanswered_shares_;
  double usual_share_ = 0.5;

  // Weight control.
  double mean_factor_ = 1;
  common::MonotonicTime window_start_;
  common::MonotonicTime last_step_;
  bool awaiting_ = false;  // The last change is not known to run on gateways yet.
  bool step_moved_ = false;
  uint64_t awaited_revision_ = 0;
  common::MonotonicTime awaiting_since_;
};

}  // namespace pointsman::controller
