#pragma once

// A simulated server: requests wait in order of arrival for one of `concurrency` slots, and each
// slot does work at the server's speed. Speed may change at any time (an antagonist on the same
// host, a throttled processor); what is left of the running requests is then done at the new one.
// It can fail in the ways that ServerFaults lists, and counts what an agent, a probe or a table of
// results wants to know. A request costs two events of the queue at most and allocates nothing in
// a steady state. Thread-compatible; borrows the queue and the sinks, which outlive it.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"
#include "common/core/time.h"
#include "sim/event_queue.h"

namespace pointsman::sim {

enum class Outcome : uint8_t {
  kOk,
  kError,      // Served in full and answered with an error (grey failure).
  kFastError,  // Answered with an error without being served.
  kRefused,    // The server is crashed: nobody listens.
  kReset,      // The server crashed while it had the request.
  kQueueFull,
};

struct Completion {
  uint64_t ticket = 0;  // The Job's.
  Outcome outcome = Outcome::kOk;
  absl::Duration in_server;                      // Since Submit.
  uint32_t in_flight_at_arrival = 0;             // Without itself.
  absl::Duration served = absl::ZeroDuration();  // Of in_server, in a slot.
  uint32_t queued = 0;                           // Others that wait now.
};

// Who is told how requests end. Called from the event queue, never from within Submit.
class CompletionSink {
 public:
  virtual ~CompletionSink() = default;
  virtual void OnCompletion(const Completion& completion) = 0;
};

struct Job {
  double work_micros = 0;  // Time in a slot at speed 1; at least 0.
  uint64_t ticket = 0;     // The sender's name for it.
  CompletionSink* sink = nullptr;
};

struct ServerOptions {
  uint32_t concurrency = 1;  // Slots; at least 1.
  double speed = 1;
  uint32_t queue_max = 1 << 20;  // Waiting requests beyond it end as kQueueFull.
};

// Several may hold at once; they are looked at in this order.
struct ServerFaults {
  bool crashed = false;           // Refuses; what it had is reset when this is set.
  bool black_hole = false;        // Accepts and never answers; what it had before is served.
  double fast_failure_share = 0;  // Of arrivals: kFastError, takes no slot.
  absl::Duration fast_failure_time = absl::Milliseconds(1);
  double grey_error_share = 0;  // Of the others: kError after full service.
  double slow_factor = 1;       // Divides the speed; above 0.
};

// Sums since the start.
struct ServerCounters {
  uint64_t arrivals = 0;     // All of Submit.
  uint64_t completions = 0;  // kOk.
  uint64_t errors = 0;       // kError and kFastError.
  uint64_t refused = 0;      // kRefused and kQueueFull.
  uint64_t resets = 0;
  uint64_t abandoned = 0;
  double busy_micros = 0;          // Slots in use over time.
  double in_flight_micros = 0;     // Requests in flight over time.
  double work_offered_micros = 0;  // Of what was queued or started, at speed 1.
  double work_done_micros = 0;     // At speed 1; of abandoned and reset requests too.
  double latency_micros = 0;       // Of completions and errors, in the server.
};

// Share of the slots that was in use between two readings: at most 1, so it hides how far a
// server is overloaded. REQUIRES: elapsed > 0.
double BusyShare(const ServerCounters& from, const ServerCounters& to, absl::Duration elapsed,
                 uint32_t concurrency);
// Work that came per work that `concurrency` slots of `speed` can do: above 1 in overload.
// REQUIRES: elapsed, concurrency, speed > 0.
double OfferedLoad(const ServerCounters& from, const ServerCounters& to, absl::Duration elapsed,
                   double concurrency_times_speed);

class Server {
 public:
  using JobId = uint64_t;
  static constexpr JobId kNoJob = 0;

  // REQUIRES: options in their ranges.
  Server(EventQueue& queue, const ServerOptions& options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // `random` decides about failures only, and is not drawn from without them. The result names the
  // request for Abandon; kNoJob when it was not accepted (the sink is told all the same).
  JobId Submit(const Job& job, absl::BitGenRef random);
  // The sender gave up: the request leaves its place in queue or slot and the sink hears nothing.
  // False when it has ended already.
  bool Abandon(JobId id);

  // 0 pauses: slots stay taken and nothing moves. REQUIRES: speed >= 0. O(running).
  void SetSpeed(double speed);
  // O(running); when it crashes, O(in flight).
  void SetFaults(const ServerFaults& faults);

  // Requests queued, running, failing fast and held by the black hole.
  uint32_t in_flight() const { return in_flight_; }
  uint32_t queued() const { return queued_; }
  uint32_t running() const { return static_cast<uint32_t>(running_.size()); }
  double speed() const { return speed_; }
  const ServerOptions& options() const { return options_; }
  const ServerFaults& faults() const { return faults_; }
  // Brings the integrals up to now. O(running).
  const ServerCounters& counters();

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  enum class Phase : uint8_t { kFree, kQueued, kRunning, kAnswering, kHeld };
  struct Request {
    Job job;
    double work_left = 0;
    int64_t arrived = 0;
    int64_t started = 0;  // In a slot.
    uint32_t generation = 0;
    uint32_t in_flight_at_arrival = 0;
    // In the queue: neighbours. Running: next is the place in running_.
    uint32_t next = kNone, previous = kNone;
    Phase phase = Phase::kFree;
    bool fails = false;
    EventQueue::EventId event = EventQueue::kNoEvent;
  };

  double rate() const { return speed_ / faults_.slow_factor; }
  uint32_t Allocate(const Job& job);
  void Enqueue(uint32_t index);
  void Unqueue(uint32_t index);
  void Start(uint32_t index);
  void StartWaiting();
  void LeaveSlot(uint32_t index);
  void ScheduleEnd(Request& request, uint32_t index);
  void Reschedule();
  void Integrate();
  void Finish(uint32_t index);
  void Free(uint32_t index);
  void Answer(uint32_t index, Outcome outcome);
  void Tell(const Job& job, Outcome outcome);
  void ResetAll();

  EventQueue& queue_;
  ServerOptions options_;
  ServerFaults faults_;
  double speed_;
  std::vector<Request> requests_;  // Places are reused.
  std::vector<uint32_t> free_;
  std::vector<uint32_t> running_;
  uint32_t first_ = kNone, last_ = kNone;  // Of the queue.
  uint32_t queued_ = 0;
  uint32_t in_flight_ = 0;
  int64_t integrated_to_ = 0;
  ServerCounters counters_;
};

}  // namespace pointsman::sim
