#pragma once

// A ShardCore with a clock of its own, agents and gateways that speak plain inputs, and the
// reference applier of frames. Checks on every step what must always hold: revisions only grow,
// each frame starts where the last one ended, and applying frames gives the full slice.
// Thread-compatible.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/core/shard_core.h"
#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/config.pb.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {

// The slice as a gateway holds it, applied by the rules of slice.proto.
class SliceMirror {
 public:
  // True: the frame applied. False: its rule says that it must not.
  bool Apply(const Frame& frame);

  SliceVersion version;
  std::map<uint32_t, FrameEntry> entries;
  HeadState head;
};

// "": equal; otherwise the first difference.
std::string Difference(const SliceMirror& mirror, const Frame& full);

struct WorldOptions {
  ShardOptions shard;
  std::string service = "web";
};

class ShardWorld {
 public:
  explicit ShardWorld(const WorldOptions& options = {});

  // Steps the core; adds the effects to the totals, keeps when it wants to be woken.
  Effects Step(const Input& input);
  // Lets time pass in ticks of 100 ms.
  void Run(absl::Duration duration);
  // Lets time pass with a report of every live agent each second.
  void RunWithReports(absl::Duration duration);

  void Configure(const std::string& actor = "operator:test");
  // One agent per endpoint: agent "a-ID" with endpoint ID.
  void Hello(const std::string& id, bool draining = false);
  void Goodbye(const std::string& id);  // Hello without instances.
  void Report(const std::string& id);
  void GatewayHello(const std::string& gateway, std::vector<HeldSlice> held = {});
  // Adds to the gateway's cumulative counters of an endpoint and sends them; tries that were
  // answered ended after those that were not.
  struct Traffic {
    uint64_t requests = 0, connect_failures = 0, resets = 0, timeouts = 0, server_errors = 0;
    double in_flight = 0;
    absl::Duration latency_sum = absl::ZeroDuration();
    // That every answer took; 0: not measured.
    absl::Duration latency = absl::ZeroDuration();
  };
  void Observe(const std::string& gateway, const std::map<std::string, Traffic>& traffic,
               absl::Duration window = absl::Seconds(1));
  void AckAll(const std::string& gateway);

  v1::Verdict VerdictOf(const std::string& id);
  v1::Reason ReasonOf(const std::string& id);
  uint32_t WeightOf(const std::string& id);
  bool RoutableOf(const std::string& id);
  uint32_t HandleOf(const std::string& id);
  // Events of a type so far.
  int Events(const std::string& type) const;

  struct Agent {
    v1::CheckStatus check = v1::CHECK_STATUS_PASSING;
    v1::CheckFailure failure = v1::CHECK_FAILURE_UNSPECIFIED;
    v1::ProcessState process = v1::PROCESS_STATE_RUNNING;
    absl::Duration check_age = absl::Milliseconds(10);
    common::MonotonicTime check_since = common::MonotonicTime::FromMicros(1'000'000'000);
    bool live = true;
    bool has_checks = true;
    uint64_t restarts = 0;
    bool restart_budget_spent = false;
    LoadSample load;
    uint64_t session = 0, boot = 1, sequence = 0;
  };

  std::string service;
  v1::Config config;
  common::MonotonicTime now = common::MonotonicTime::FromMicros(1'000'000'000);
  common::MonotonicTime wake_at;
  std::unique_ptr<ShardCore> core;
  std::map<std::string, Agent> agents;
  std::vector<EventOut> events;
  std::vector<Frame> frames;
  std::vector<std::pair<Input, common::MonotonicTime>> journal;
  SliceMirror mirror;
  uint64_t next_session = 1;

 private:
  struct Gateway {
    uint64_t session = 0, boot = 7, sequence = 0;
    std::map<std::string, Traffic> totals;
    std::map<std::string, UnansweredCounts> in_a_row;
  };
  const FrameEntry* EntryOf(const std::string& id);
  std::map<std::string, Gateway> gateways_;
  uint64_t config_revision_ = 0;
};

EndpointInfoPtr MakeInfo(const std::string& id, double capacity = 1, uint32_t priority = 0);
// PM_SEED of the environment, or `fallback`; printed by the tests that use it.
uint64_t SeedOr(uint64_t fallback);

}  // namespace pointsman::controller
