#pragma once

// The requests of one gateway's clients, from arrival to answer: the real picker, avoidance, retry
// budget and cells, in the order in which gateway/proxy/stream.cc uses them, with the rules of
// retry_rule.h between them.
//
// Connections are kept as a gateway keeps them: a try takes an idle one, or connects first (a round
// trip). A crash closes them; an unreachable host is only met by timeouts, idle connections
// included. When a try is given up the endpoint notices and drops the request.
// Thread-compatible; borrows what it is given.

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/random/bit_gen_ref.h"
#include "gateway/core/cells.h"
#include "gateway/core/local_avoidance.h"
#include "gateway/core/picker.h"
#include "gateway/core/retry_budget.h"
#include "gateway/core/routing_table.h"
#include "sim/event_queue.h"
#include "sim/server.h"
#include "sim/world/policy_client.h"
#include "sim/world/retry_rule.h"
#include "sim/world/wires.h"

namespace pointsman::sim {

class Exchanges : public CompletionSink {
 public:
  struct Parts {
    EventQueue& queue;
    DataPath& path;
    Onlooker& onlooker;
    absl::BitGenRef random;
    gateway::WorkerCells& cells;
    size_t gateway = 0;
    size_t endpoints = 0;
    // Picks instead of the real picker; null: the real one.
    std::unique_ptr<Policy> policy = nullptr;
  };

  explicit Exchanges(Parts parts);
  Exchanges(const Exchanges&) = delete;
  Exchanges& operator=(const Exchanges&) = delete;

  // The table from now on; null: none.
  void SetTable(std::shared_ptr<const gateway::ServiceTable> table);
  // A client's request that takes `work_micros` of a slot at speed 1.
  void Begin(double work_micros);
  // The endpoint's process ended: it closed its connections.
  void CloseIdle(size_t endpoint) { idle_[endpoint] = 0; }
  void Sweep() { avoidance_.Sweep(queue_.now()); }

  size_t in_flight() const { return exchanges_.size() - free_.size(); }

 private:
  struct Exchange {
    TryState state;
    double work = 0;
    uint32_t index = 0;
    uint32_t generation = 1;  // Another for each try: what is late for an earlier one is ignored.
    uint32_t tries = 0;
    absl::InlinedVector<gateway::CellRef, 4> tried;
    gateway::CellRef service;
    gateway::CellRef cell;
    size_t endpoint = 0;
    common::MonotonicTime try_started;
    Server::JobId job = Server::kNoJob;
    RequestResult told;  // What the answer says of its server.
    EventQueue::EventId deadline = EventQueue::kNoEvent;
  };

  static uint64_t TicketOf(const Exchange& exchange) {
    return uint64_t{exchange.generation} << 32 | exchange.index;
  }
  // Null: the try ended before.
  Exchange* Find(uint64_t ticket);

  void OnCompletion(const Completion& completion) override;
  gateway::PickResult PickFor(const Exchange& exchange);
  gateway::PickResult PickByPolicy(const Exchange& exchange);
  bool PickAndTry(Exchange& exchange);
  void StartTry(Exchange& exchange);
  void OnConnected(uint64_t ticket);
  void SendRequest(Exchange& exchange);
  void Deliver(uint64_t ticket);
  void OnAnswer(const Completion& completion);
  void ArmDeadline(Exchange& exchange);
  void OnDeadline(uint64_t ticket);
  void OnTryTooSlow(Exchange& exchange);
  void EndTry(Exchange& exchange, gateway::TryOutcome outcome, absl::Duration latency);
  void OnTryFailed(Exchange& exchange, gateway::TryOutcome outcome);
  bool TakeRetry(Exchange& exchange);
  void Finish(Exchange& exchange, Ending ending);

  EventQueue& queue_;
  DataPath& path_;
  Onlooker& onlooker_;
  absl::BitGenRef random_;
  gateway::WorkerCells& cells_;
  const size_t gateway_;
  gateway::LocalAvoidance avoidance_;
  gateway::RetryBudget budget_;
  std::unique_ptr<PolicyClient> policy_;  // Null: the real picker.
  std::shared_ptr<const gateway::ServiceTable> table_;
  std::vector<uint32_t> idle_;              // Connections, by endpoint.
  std::vector<uint32_t> endpoint_of_slot_;  // Of the table, by the cell's index.
  // Of the table, by endpoint; null: not in it.
  std::vector<const gateway::Endpoint*> in_table_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::vector<uint32_t> free_;
};

}  // namespace pointsman::sim
