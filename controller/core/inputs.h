#pragma once

// Everything a shard core may be told, as plain values converted from messages at the edge and
// already validated there (validate.h). The ordered sequence of inputs, ticks included, is the
// shard's journal: replaying it gives the same effects. Thread-compatible values.
//
// Sessions. Each Hello accepted by the shell, also a repeated one on the same stream, gets a
// session number: unique and ascending within this controller process. What follows belongs to it
// and is ignored (and counted) once a newer session of the same agent or gateway is known, so the
// order in which mailbox slots are drained cannot mix two streams.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controller/core/slice_frame.h"
#include "controller/core/unanswered.h"

namespace pointsman::v1 {
class Config;
// As in agent.proto; declared here to keep that header out of every file of the core.
enum CheckStatus : int;
enum CheckFailure : int;
enum ProcessState : int;
}  // namespace pointsman::v1

namespace pointsman::controller {

// The shard, 0 to shards-1, that a service belongs to. REQUIRES: shards > 0.
uint32_t ShardOf(absl::string_view service, uint32_t shards);

// A new configuration, whole. Sent to every shard, which reads its own services out of it.
struct ConfigInput {
  std::shared_ptr<const v1::Config> config;
  uint64_t revision = 0;
  std::string actor;  // Who applied it: "operator:alice", "controller" at start.
};

struct InstanceInfo {
  std::string service;  // Bare ID. Instances of other shards' services are skipped.
  EndpointInfoPtr endpoint;
  bool restartable = false;
  bool draining = false;
};

struct LeaseInfo {
  uint64_t request_id = 0;
  std::string service;
  std::string endpoint;
  absl::Duration remaining;
};

// An agent introduced itself, or its set of instances changed. Sent to every shard.
struct AgentHelloInput {
  std::string agent;
  uint64_t boot = 0;
  uint64_t session = 0;
  std::vector<InstanceInfo> instances;  // In the order of the message.
  std::vector<LeaseInfo> leases;
  std::string actor;  // Identity: "agent:host-7".
};

struct CheckSample {
  v1::CheckStatus status{};
  v1::CheckFailure failure{};
  uint32_t consecutive = 0;
  uint32_t last_status = 0;
  absl::Duration since;
  absl::Duration last_latency;
  absl::Duration slow_after;  // Zero: not known.
  absl::Duration age;
  std::string detail;
};

// Gauges that were not measured are absent.
struct LoadSample {
  std::optional<float> cpu_utilisation;
  std::optional<float> in_flight;
  std::optional<float> utilisation;
  std::optional<absl::Duration> queue_delay;
  std::optional<uint64_t> memory_bytes;
  std::optional<uint64_t> requests;  // Cumulative per boot.
  std::optional<uint64_t> errors;    // Cumulative per boot.
};

struct InstanceSample {
  uint32_t instance = 0;  // Index into the session's Hello.
  // The checks belong to the newest assignment sent on this stream; otherwise they are not read.
  bool checks_current = false;
  v1::ProcessState process{};
  absl::InlinedVector<CheckSample, 1> checks;  // In the order of the service's configuration.
  LoadSample load;
  uint64_t restarts = 0;
  bool restart_budget_spent = false;
};

// One report's part about one service: the mailbox has a slot for each (agent, service), and the
// newest wins.
struct AgentReportInput {
  std::string agent;
  uint64_t session = 0;
  uint64_t boot = 0;
  uint64_t sequence = 0;
  absl::Duration window;
  // What the agent was told (Pace); silence is never less than three of these.
  absl::Duration report_interval;
  std::optional<float> host_cpu_utilisation;
  std::optional<float> host_memory_utilisation;
  std::string service;
  std::vector<InstanceSample> instances;
};

// The agent's stream ended. Its endpoints stay until evidence or time takes them away.
struct AgentGoneInput {
  std::string agent;
  uint64_t session = 0;
};

struct HeldSlice {
  std::string service;
  SliceVersion version;
};

// A gateway introduced itself. Sent to every shard.
struct GatewayHelloInput {
  std::string gateway;
  uint64_t boot = 0;
  uint64_t session = 0;
  Place place;
  std::vector<HeldSlice> held;
};

struct GatewayGoneInput {
  std::string gateway;
  uint64_t session = 0;
};

// Every worker of the gateway runs these pairs now.
struct AckInput {
  std::string gateway;
  uint64_t session = 0;
  std::vector<HeldSlice> slices;
  absl::Duration apply_duration;
};

// Cumulative per boot of the gateway, but for what is said to be of the window.
struct EndpointObservation {
  uint32_t handle = 0;
  uint64_t requests = 0;
  uint64_t connect_failures = 0;
  uint64_t resets = 0;
  uint64_t timeouts = 0;
  uint64_t server_errors = 0;
  float in_flight = 0;  // Average over the window.
  absl::Duration latency_sum;
  absl::Duration avoided;
  UnansweredCounts in_a_row;                          // Since the last answer.
  absl::InlinedVector<uint32_t, 20> latency_buckets;  // Of the window.
};

// One gateway's observations of one service: a mailbox slot for each (gateway, service). A slot
// that holds an undrained input keeps that one's endpoints which the newer does not name, and the
// sum of both windows.
struct ObservationsInput {
  std::string gateway;
  uint64_t session = 0;
  uint64_t boot = 0;
  uint64_t sequence = 0;
  absl::Duration window;
  std::string service;
  SliceVersion version;  // The pair whose handles are used.
  std::vector<EndpointObservation> endpoints;
};

// A slice of an earlier owner: uploaded by a gateway on request, or from the warm-start snapshot.
// Without entries: the gateway holds none after all.
struct InheritedSliceInput {
  Frame frame;         // Full (base 0).
  std::string source;  // "gateway:edge-1", "snapshot".
};

// This controller owns a new, higher epoch: all tables continue under it.
struct EpochInput {
  uint64_t epoch = 0;
};

struct RestartRequestInput {
  std::string agent;
  uint64_t session = 0;
  uint64_t request_id = 0;
  uint32_t instance = 0;  // Index into the session's Hello; the shard is that of its service.
  std::string cause;
};

struct RestartResultInput {
  std::string agent;
  uint64_t session = 0;
  uint64_t request_id = 0;
  bool succeeded = false;
  std::string detail;
};

// What spans shards, about once a second: the sum of all shards' AgentCounts().
struct FleetInput {
  uint32_t agents = 0;         // Known and not deregistered.
  uint32_t agents_silent = 0;  // Of these, silent.
  absl::Duration loop_lag;     // This controller's own: how late its timers fire.
};

// An operator's switch.
struct FreezeInput {
  bool frozen = false;
  std::string actor;
  std::string comment;
};

// Time passed. Sent when Effects::wake_at is reached, and at least once a second.
struct TickInput {};

using Input =
    std::variant<TickInput, AgentReportInput, ObservationsInput, AgentHelloInput, AgentGoneInput,
                 GatewayHelloInput, GatewayGoneInput, AckInput, InheritedSliceInput, ConfigInput,
                 EpochInput, RestartRequestInput, RestartResultInput, FleetInput, FreezeInput>;

}  // namespace pointsman::controller
