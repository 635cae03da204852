#pragma once

// What a run of a world came to: its Record looks on, measures from a given time, and keeps a
// digest of everything it saw, by which two runs are compared. What must always hold is checked
// beside it (invariants.h). Thread-compatible; borrows the clock.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "sim/event_queue.h"
#include "sim/quantiles.h"
#include "sim/world/invariants.h"
#include "sim/world/options.h"
#include "sim/world/shedding.h"
#include "sim/world/wires.h"

namespace pointsman::sim {

// Times of a fault's consequences, from its beginning; absent: it did not happen while it lasted.
struct Detection {
  std::optional<absl::Duration>
      first;                          // A gateway's table routes to none of the fault's endpoints.
  std::optional<absl::Duration> all;  // Every gateway's.
  // Every gateway's table gives each of them at most half the weight it had before, beside that of
  // the endpoints without the fault.
  std::optional<absl::Duration> halved;
  // Clients' tries at them halved (Shedding).
  std::optional<absl::Duration> shed;
  // Clients are served as before it (SettledAfter).
  std::optional<absl::Duration> settled;
  // Every gateway's table routes to all of them again, after every one had left them.
  std::optional<absl::Duration> back;
};

// An endpoint that served became UNHEALTHY.
struct Ejection {
  absl::Duration at;  // From the beginning of the measured time.
  uint32_t endpoint = 0;
  v1::Reason reason = v1::REASON_UNSPECIFIED;
  bool by_fault = false;  // It had one, or had one until kAfterFault ago.
};

// One second of the measured time.
struct SeriesPoint {
  double at_s = 0;  // Its beginning.
  uint64_t requests = 0;
  uint64_t errors = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  // Of the first gateway's table: weight of the first fault's endpoints by what all would have had
  // alike; 1: as the others, 0: not routed to. 1 without a fault.
  double fault_share = 1;
};

// Tries are counted in windows of this, from the beginning of the measured time.
inline constexpr absl::Duration kTriesWindow = absl::Seconds(10);

// What was sent over the streams of one kind in one direction.
struct Traffic {
  uint64_t messages = 0;
  uint64_t bytes = 0;

  template <typename Message>
  void Add(const Message& message) {
    ++messages;
    bytes += message.ByteSizeLong();
  }
};

struct WorldResult {
  // While measured.
  absl::Duration measured;
  uint64_t requests = 0;
  uint64_t ok = 0;
  uint64_t server_errors = 0;
  uint64_t failed = 0;
  uint64_t turned_away = 0;
  uint64_t tries = 0;
  Quantiles latency;  // Of those that are ok, as the client sees it.
  double load_max_over_mean =
      0;  // Offered work by capacity, of endpoints without a fault (of all where none is).
  double load_floor = 0;              // The same by chance alone.
  double utilisation_mean = 0;        // Busy share of their slots.
  uint64_t verdict_changes_most = 0;  // Of one endpoint.
  Traffic from_agents;
  Traffic from_gateways;
  Traffic to_gateways;
  // From the beginning of the run.
  std::vector<Detection> faults;  // By fault.
  uint64_t ejections = 0;
  uint64_t false_ejections = 0;           // Of these, without a fault.
  uint64_t restarts = 0;                  // By agents.
  std::vector<Ejection> first_ejections;  // At most kEjectionsMax.
  uint64_t tables = 0;                    // Of all gateways.
  bool fail_open = false;                 // Some table of the measured time was.
  bool frozen_at_end = false;             // The controller's tables were held, by whatever cause.
  std::vector<std::string> violations;    // The first kViolationsMax.
  std::vector<SeriesPoint> series;        // By second; what a run's last part of one is missing.
  std::vector<std::vector<uint64_t>> tries_by_window;  // And endpoint.
  uint64_t events = 0;
  uint64_t digest = 0;

  uint64_t errors() const { return requests - ok; }
};

class Record : public Onlooker {
 public:
  static constexpr size_t kViolationsMax = 20;
  static constexpr size_t kEjectionsMax = 50;
  // An ejection is the fault's for so long after it ended.
  static constexpr absl::Duration kAfterFault = absl::Seconds(15);

  // Measures from `from` on, to which the faults' times are relative.
  Record(const EventQueue& queue, const WorldOptions& options, common::MonotonicTime from);

  void OnTry(size_t gateway, uint32_t endpoint) override;
  void OnRestart(uint32_t endpoint, bool begins) override;
  void OnRequestEnd(const RequestEnd& end) override;
  void OnTable(size_t gateway, const gateway::ServiceTable& table) override;
  void OnFrame(const controller::Frame& frame) override;
  void OnEvent(const controller::EventOut& event) override;
  void OnViolation(absl::string_view what) override;

  WorldResult& result() { return result_; }
  // What is known only at the end, `measured` after measuring began.
  void Finish(absl::Duration measured);

 private:
  // One fault as seen through the gateways' tables.
  struct Watch {
    const FaultSpec* fault = nullptr;
    Shedding shedding;
    // By gateway.
    std::vector<bool> clear;
    std::vector<bool> halved;
    std::vector<bool> back;
    std::vector<std::map<uint32_t, double>> beside_before;  // By endpoint: BesideOthers().
  };

  void CountTry(uint32_t endpoint);
  void Look(size_t gateway, const std::map<uint32_t, double>& shares, size_t fault);
  bool FaultExplains(uint32_t endpoint) const;
  void Mix(uint64_t value);
  void LookForReturn(size_t gateway, const std::map<uint32_t, double>& shares, size_t fault);
  // Ends the seconds that are over.
  void CloseSeconds();

  const EventQueue& queue_;
  const WorldOptions& options_;
  const common::MonotonicTime from_;
  std::vector<Watch> watches_;
  Invariants invariants_;
  std::map<uint32_t, uint64_t> verdict_changes_;  // By endpoint, while measured.
  SeriesPoint second_;                            // At hand.
  Quantiles second_latency_;
  WorldResult result_;
};

}  // namespace pointsman::sim
