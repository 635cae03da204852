#pragma once

// Whether and when a failed instance is restarted. A restart needs a cause (the process is gone, or
// a check has failed for a while), the back-off to be over, room in the budget of its service on
// this host, and, while a controller is connected, its grant. Without one a stricter budget holds:
// the share across hosts cannot be known then.
//
//   IDLE ──cause, controller──▶ ASKED ──granted──▶ GRANTED ─┐
//     └───cause, no controller, stricter budget─────────────┴▶ RUNNING ─done▶ SETTLING ─▶ IDLE
//
// SETTLING lasts until the checks pass (success) or its time is over (failure): so long the lease
// is held, so that a service is not restarted everywhere before one instance has come back.
// Pure; thread-compatible.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"
#include "common/core/backoff.h"
#include "common/core/time.h"

namespace pointsman::agent {

struct RestartLimits {
  int budget = 5;                                     // Restarts of a service on this host ...
  int budget_alone = 2;                               // ... when no controller is connected ...
  absl::Duration budget_window = absl::Minutes(10);   // ... within this time.
  absl::Duration failing_before = absl::Seconds(5);   // A check fails this long first.
  absl::Duration alone_after = absl::Seconds(5);      // Without a controller for this long.
  absl::Duration answer_timeout = absl::Seconds(10);  // Then the controller is asked again.
  absl::Duration settle = absl::Seconds(20);          // Time to pass the checks again.
  absl::Duration calm = absl::Minutes(5);             // Good for this long: back-off forgotten.
  common::BackoffOptions backoff = {.initial = absl::Seconds(2),
                                    .max = absl::Minutes(5),
                                    .floor = absl::Milliseconds(500),
                                    .factor = 2.0};
};

// Restarts of one service on this host, whoever of its instances had them.
class RestartBudget {
 public:
  // True: another restart fits.
  bool Fits(const RestartLimits& limits, bool alone, common::MonotonicTime now) const;
  void Take(const RestartLimits& limits, common::MonotonicTime now);
  // Starts within the window, oldest first, in microseconds; to be saved and given back.
  const std::vector<int64_t>& starts_micros() const { return starts_micros_; }
  void Restore(std::vector<int64_t> starts_micros) { starts_micros_ = std::move(starts_micros); }

 private:
  std::vector<int64_t> starts_micros_;  // At most limits.budget.
};

// What the policy is shown of its instance, each time.
struct RestartView {
  bool allowed = false;        // Restartable here, not draining, not disabled by configuration.
  bool gone = false;           // Its process was seen and is gone.
  bool failing = false;        // A check is FAILING ...
  absl::Duration failing_for;  // ... since so long.
  bool good = false;           // Every check passes (slowly or not) and the process is not gone.
  bool connected = false;      // A controller has welcomed this agent.
  absl::Duration alone_for;    // No controller for so long.
};

class RestartPolicy {
 public:
  enum class State { kIdle, kAsked, kGranted, kRunning, kSettling };
  enum class Act {
    kNone,
    kAsk,     // Send RestartRequest with request_id().
    kStart,   // Run the action; `cause()` says why.
    kFinish,  // Send RestartResult if leased(); then call Close().
  };
  struct Saved {
    uint32_t tries = 0;
    int64_t earliest_micros = 0;
    uint64_t request_id = 0;  // Of a lease held; 0: none.
    int64_t lease_until_micros = 0;
  };

  RestartPolicy() : backoff_(RestartLimits().backoff) {}
  explicit RestartPolicy(const RestartLimits& limits) : limits_(limits), backoff_(limits.backoff) {}
  // A lease held over an agent's restart ends as if its restart had just been done: the checks
  // tell how it went.
  void Restore(const Saved& saved, common::MonotonicTime now);
  Saved Save() const;

  // What is to be done now. kAsk and kStart change the state; `next_id` is used for kAsk.
  Act Decide(const RestartView& view, uint64_t next_id, RestartBudget& budget,
             common::MonotonicTime now);

  // A restart is wanted and due, and only the budget stands against it.
  bool Exhausted(const RestartView& view, const RestartBudget& budget,
                 common::MonotonicTime now) const;

  void OnGranted(uint64_t request_id, absl::Duration lease, common::MonotonicTime now);
  void OnRefused(uint64_t request_id, absl::Duration wait, common::MonotonicTime now);
  // The stream ended: a question without an answer is open no longer.
  void OnDisconnected();
  // The action ended.
  void OnDone(bool ok, absl::string_view detail, common::MonotonicTime now);
  // After kFinish: back to IDLE, with the next try backed off.
  void Close(absl::BitGenRef random, common::MonotonicTime now);

  State state() const { return state_; }
  uint64_t request_id() const { return request_id_; }
  // A lease is held and not over.
  bool Leased(common::MonotonicTime now) const {
    return request_id_ != 0 && state_ != State::kAsked && now < lease_until_;
  }
  absl::Duration LeaseLeft(common::MonotonicTime now) const { return lease_until_ - now; }
  // A grant was given for this restart, over or not: its end is to be told.
  bool OwesResult() const { return request_id_ != 0 && state_ != State::kAsked; }
  bool succeeded() const { return succeeded_; }
  const std::string& cause() const { return cause_; }
  const std::string& detail() const { return detail_; }

 private:
  Act DecideIdle(const RestartView& view, uint64_t next_id, RestartBudget& budget,
                 common::MonotonicTime now);
  Act Start(RestartBudget& budget, common::MonotonicTime now);
  bool Settled(const RestartView& view, common::MonotonicTime now);
  static bool Wanted(const RestartLimits& limits, const RestartView& view);

  RestartLimits limits_;
  common::Backoff backoff_;
  State state_ = State::kIdle;
  common::MonotonicTime earliest_;  // No restart and no question before.
  common::MonotonicTime since_;     // Of the state.
  common::MonotonicTime good_since_ = common::MonotonicTime::Infinite();
  uint64_t request_id_ = 0;
  common::MonotonicTime lease_until_;
  bool succeeded_ = false;
  bool action_failed_ = false;
  std::string cause_;
  std::string detail_;
};

}  // namespace pointsman::agent
