#pragma once

// A world around one part under test: it keeps what the part says, and lets a test answer. One
// thread.

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "sim/event_queue.h"
#include "sim/world/wires.h"

namespace pointsman::sim {

class FakeWires : public ControlWires {
 public:
  void AgentSays(size_t, v1::AgentMessage message) override {
    from_agent.push_back(std::move(message));
  }
  void CommandAgent(size_t, v1::AgentCommand command) override {
    to_agent.push_back(std::move(command));
  }
  void GatewaySays(size_t, v1::GatewayMessage message) override {
    from_gateway.push_back(std::move(message));
  }
  void SendBundle(size_t, v1::Bundle bundle) override { to_gateway.push_back(std::move(bundle)); }
  void OnRestart(size_t, bool begins) override { restarts.push_back(begins); }

  std::vector<v1::AgentMessage> from_agent;
  std::vector<v1::AgentCommand> to_agent;
  std::vector<v1::GatewayMessage> from_gateway;
  std::vector<v1::Bundle> to_gateway;
  std::vector<bool> restarts;
};

// Endpoints that can all be reached at first, a millisecond away.
class FakePath : public DataPath {
 public:
  FakePath(EventQueue& queue, size_t endpoints) : reachable(endpoints, true) {
    for (size_t i = 0; i < endpoints; ++i) {
      servers.push_back(std::make_unique<Server>(queue, ServerOptions{.concurrency = 4}));
    }
  }
  Server& server(size_t endpoint) override { return *servers[endpoint]; }
  bool Reachable(size_t endpoint) const override { return reachable[endpoint]; }
  absl::Duration OneWay() override { return absl::Milliseconds(1); }
  void NoteAnswer(size_t, const Completion& completion) override { answers.push_back(completion); }
  ProbeAnswer Probe(size_t endpoint) override {
    return {servers[endpoint]->in_flight(), absl::Milliseconds(10)};
  }

  std::vector<std::unique_ptr<Server>> servers;
  std::vector<bool> reachable;
  std::vector<Completion> answers;
};

class FakeOnlooker : public Onlooker {
 public:
  void OnTry(size_t /*gateway*/, uint32_t endpoint) override { tries.push_back(endpoint); }
  void OnRestart(uint32_t endpoint, bool begins) override {
    restarts.emplace_back(endpoint, begins);
  }
  void OnRequestEnd(const RequestEnd& end) override { ends.push_back(end); }
  void OnTable(size_t, const gateway::ServiceTable& table) override {
    tables.push_back(table.version);
  }
  void OnFrame(const controller::Frame& frame) override { frames.push_back(frame); }
  void OnEvent(const controller::EventOut& event) override { events.push_back(event); }
  void OnViolation(absl::string_view what) override { violations.emplace_back(what); }

  std::vector<uint32_t> tries;
  std::vector<std::pair<uint32_t, bool>> restarts;
  std::vector<RequestEnd> ends;
  std::vector<gateway::VersionPair> tables;
  std::vector<controller::Frame> frames;
  std::vector<controller::EventOut> events;
  std::vector<std::string> violations;
};

}  // namespace pointsman::sim
