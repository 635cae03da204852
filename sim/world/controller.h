#pragma once

// A controller: the real shard core, and around it what the shell of a controller does, without
// threads: sessions and assignments of agents (controller/rpc/agent_service), greetings of gateways
// (gateway_service), ticks (shard/shard), the fleet's silence once a second (housekeeper), and
// bundles, at most one of them unacknowledged for a gateway (shard/publisher; its ring of shared
// bytes is left out, each frame is computed by the core). A step takes no time and mailboxes are
// never full. All messages pass the real validation. Thread-compatible; borrows what it is given.
//
// Destroying it is its crash: it is gone at once, its memory with it.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "controller/core/shard_core.h"
#include "pointsman/v1/config.pb.h"
#include "sim/event_queue.h"
#include "sim/world/wires.h"

namespace pointsman::sim {

struct ControllerOptions {
  uint64_t epoch = 1;
  bool first_owner = true;
  std::shared_ptr<const v1::Config> config;
};

class Controller {
 public:
  static constexpr absl::Duration kReportInterval = absl::Seconds(1);

  Controller(EventQueue& queue, ControlWires& wires, Onlooker& onlooker,
             const ControllerOptions& options);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  void OnAgentMessage(size_t agent, const v1::AgentMessage& message);
  void OnGatewayMessage(size_t gateway, const v1::GatewayMessage& message);

  const controller::ShardCore& core() const { return core_; }

 private:
  struct Agent {
    std::string name;
    uint64_t boot = 0;
    uint64_t session = 0;
    uint64_t sequence = 0;
    uint64_t assigned = 0;  // Version of the assignment.
    uint32_t instances = 0;
  };
  struct Gateway {
    std::string name;
    uint64_t boot = 0;
    uint64_t session = 0;
    controller::SliceVersion sent;
    bool greeted = false;
    bool configured = false;
    bool outstanding = false;
    bool upload = false;
  };

  void Step(const controller::Input& input);
  void Tick();
  void ArmTick();
  void TellFleet();
  void OnHello(size_t index, const v1::AgentHello& hello);
  void OnReport(const v1::AgentReport& report, Agent& agent);
  void OnRestartRequest(const v1::RestartRequest& request, const Agent& agent);
  void OnRestartResult(const v1::RestartResult& result, const Agent& agent);
  void Decide(const controller::RestartDecisionOut& decision);
  void OnHello(size_t index, const v1::GatewayHello& hello);
  void OnAck(const v1::Ack& ack, Gateway& gateway);
  void Flush(size_t index, Gateway& gateway);
  void AddSlice(Gateway& gateway, v1::Bundle& bundle);

  EventQueue& queue_;
  ControlWires& wires_;
  Onlooker& onlooker_;
  const ControllerOptions options_;
  controller::ShardCore core_;
  std::map<size_t, Agent> agents_;
  std::map<size_t, Gateway> gateways_;
  uint64_t sessions_ = 0;
  common::MonotonicTime wake_at_;
  EventQueue::EventId tick_ = EventQueue::kNoEvent;
  EventQueue::EventId fleet_ = EventQueue::kNoEvent;
};

}  // namespace pointsman::sim
