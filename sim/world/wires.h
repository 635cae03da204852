#pragma once

// How the parts of a simulated world reach each other, and who looks on. The world implements
// these; a test of one part implements them itself. Agents, gateways and endpoints are named by
// their index; endpoint i is the one beside agent i. Called from events. Thread-compatible.

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "controller/core/effects.h"
#include "controller/core/slice_frame.h"
#include "gateway/core/routing_table.h"
#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/gateway.pb.h"
#include "sim/policy.h"
#include "sim/server.h"

namespace pointsman::sim {

inline constexpr char kService[] = "web";  // The only one.

// The streams to the controller. What is sent without a stream is lost.
class ControlWires {
 public:
  virtual ~ControlWires() = default;
  virtual void AgentSays(size_t agent, v1::AgentMessage message) = 0;
  virtual void CommandAgent(size_t agent, v1::AgentCommand command) = 0;
  virtual void GatewaySays(size_t gateway, v1::GatewayMessage message) = 0;
  virtual void SendBundle(size_t gateway, v1::Bundle bundle) = 0;
  // The agent begins to restart its process, or has done so: then the process runs.
  virtual void OnRestart(size_t agent, bool begins) = 0;
};

// From gateways to endpoints.
class DataPath {
 public:
  virtual ~DataPath() = default;
  virtual Server& server(size_t endpoint) = 0;
  virtual bool Reachable(size_t endpoint) const = 0;
  virtual absl::Duration OneWay() = 0;
  // What the endpoint itself knows of a request that it answered, and what it says when probed.
  virtual void NoteAnswer(size_t endpoint, const Completion& completion) = 0;
  virtual ProbeAnswer Probe(size_t endpoint) = 0;
};

// How a client's request ended.
enum class Ending : uint8_t {
  kOk,
  kServerError,  // The endpoint's own answer, passed on.
  kFailed,       // 502 or 504: no try got an answer.
  kTurnedAway,   // 503: no endpoint, or one of the gateway's limits.
};

struct RequestEnd {
  Ending ending = Ending::kOk;
  absl::Duration took;
  uint32_t tries = 0;
  size_t gateway = 0;
};

// Who measures and checks.
class Onlooker {
 public:
  virtual ~Onlooker() = default;
  // A gateway begins a try at this endpoint.
  virtual void OnTry(size_t gateway, uint32_t endpoint) = 0;
  // An agent begins to restart its endpoint's process, or has done so.
  virtual void OnRestart(uint32_t endpoint, bool begins) = 0;
  // A request of a client ended.
  virtual void OnRequestEnd(const RequestEnd& end) = 0;
  // The gateway runs this table of the service from now on.
  virtual void OnTable(size_t gateway, const gateway::ServiceTable& table) = 0;
  // The controller published or told of this.
  virtual void OnFrame(const controller::Frame& frame) = 0;
  virtual void OnEvent(const controller::EventOut& event) = 0;
  // A rule that must always hold does not.
  virtual void OnViolation(absl::string_view what) = 0;
};

}  // namespace pointsman::sim
