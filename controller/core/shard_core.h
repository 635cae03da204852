#pragma once

// One shard's whole state and every decision about its services: registry, health, weights,
// failover, recovery and table, composed. Step() takes one input and returns effects; the same
// journal of inputs gives the same effects. Thread-compatible: one owner thread calls everything.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/core/time.h"
#include "controller/core/effects.h"
#include "controller/core/inputs.h"

namespace pointsman::v1 {
class EndpointState;
class Explanation;
}  // namespace pointsman::v1

namespace pointsman::controller {

// Reached: the newcomer is left out and counted, and an event says so, once until there is room
// again. Configured and inherited endpoints count too but are never left out: the configuration
// has limits of its own, and a table taken over must not shrink.
struct ShardLimits {
  uint32_t agents = 50'000;
  uint32_t gateways = 5'000;
  uint32_t endpoints_per_service = 50'000;
  uint32_t endpoints = 200'000;
};

struct ShardOptions {
  uint32_t shard = 0;
  uint32_t shards = 1;
  // This owner's epoch, claimed from the store: at least 1.
  uint64_t epoch = 1;
  // The store was made by this process: no earlier owner can have granted restarts, unless an
  // agent's leases or a gateway's slices show otherwise.
  bool first_owner = false;
  // Publication of a service waits this long for a slice asked from a gateway.
  absl::Duration inherit_wait = absl::Seconds(2);
  // Slices of earlier owners are taken over only this long after the first step.
  absl::Duration inherit_window = absl::Minutes(2);
  // Inherited endpoints need no confirmation for this long.
  absl::Duration inherit_grace = absl::Seconds(30);
  ShardLimits limits;
};

struct ServiceSummary {
  std::string service;
  SliceVersion version;
  uint32_t endpoints = 0;
  uint32_t routable = 0;
  uint32_t healthy = 0;  // HEALTHY or DEGRADED.
  bool fail_open = false;
  bool shadow = false;
  bool held_back = false;  // Waits for a slice to inherit; not served.
};

struct AgentCounts {
  uint32_t agents = 0;
  uint32_t silent = 0;
};

// Cumulative since construction.
struct CoreCounters {
  uint64_t steps = 0;
  uint64_t reports = 0;
  uint64_t reports_stale = 0;      // Session, boot or sequence not newer.
  uint64_t instances_unknown = 0;  // Index or endpoint not in the session's Hello.
  uint64_t observations = 0;
  uint64_t observations_stale = 0;
  uint64_t handles_unknown = 0;
  uint64_t counters_reset = 0;  // A counter went back without a new boot.
  uint64_t frames = 0;
  uint64_t verdict_changes = 0;
  uint64_t removals_capped = 0;  // Endpoints that the cap began to hold back.
  uint64_t weight_steps = 0;
  uint64_t limit_reached = 0;  // Newcomers left out.
  uint64_t grants = 0;
  uint64_t grants_refused = 0;
};

class ShardState;

class ShardCore {
 public:
  // REQUIRES: options.epoch >= 1, options.shard < options.shards.
  explicit ShardCore(const ShardOptions& options);
  ~ShardCore();
  ShardCore(const ShardCore&) = delete;
  ShardCore& operator=(const ShardCore&) = delete;

  // Takes one input. REQUIRES: `now` never goes back. Reports: O(instances named); ticks: O(what
  // is due); configuration: O(all).
  Effects Step(const Input& input, common::MonotonicTime now);

  // The views below change nothing.

  // The newest slice, whole. nullopt: the service is not configured, or held back. O(endpoints).
  std::optional<Frame> FullFrame(absl::string_view service) const;
  // From `base` (exclusive; a revision of this lineage) to the newest. nullopt: as FullFrame, or
  // `base` is older than the kept tombstones or not below the newest: use FullFrame or nothing.
  // O(endpoints).
  std::optional<Frame> DeltaFrame(absl::string_view service, uint64_t base) const;
  // Newest pair served; {0, 0} where FullFrame gives nullopt. O(log services).
  SliceVersion NewestVersion(absl::string_view service) const;
  // True: a gateway that holds `have` can follow deltas of this lineage from have.revision on.
  bool Continues(absl::string_view service, SliceVersion have) const;

  // Served services by name, for a warm-start snapshot and for gateways' first bundles.
  std::vector<std::string> Services() const;
  // NOT_FOUND. By endpoint ID.
  absl::StatusOr<std::vector<v1::EndpointState>> Endpoints(absl::string_view service,
                                                           common::MonotonicTime now) const;
  // From the records the decisions produced; without an endpoint, of the service. NOT_FOUND.
  absl::StatusOr<v1::Explanation> Explain(absl::string_view service, absl::string_view endpoint,
                                          common::MonotonicTime now) const;
  // By service; configured ones only.
  std::vector<ServiceSummary> Summaries() const;
  // Agents that speak for an instance in this shard.
  AgentCounts CountAgents(common::MonotonicTime now) const;
  const CoreCounters& counters() const;
  // True while a freeze holds tables; the cause says whose.
  bool frozen() const;
  std::string freeze_cause() const;
  uint64_t epoch() const;

 private:
  std::unique_ptr<ShardState> state_;
};

}  // namespace pointsman::controller
