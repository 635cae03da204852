#pragma once

// The test backend as a queue: requests take a slot each, wait when all are taken, and leave when
// their time is up. Counts what a service would report about itself. Decides nothing about
// sockets and reads no clock. Thread-compatible.

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"
#include "common/core/time.h"

namespace pointsman::testing {

// How requests are treated; changed while running through /_control.
struct Behaviour {
  double delay_ms = 0;
  // Exponentially distributed around delay_ms instead of fixed.
  bool exponential = false;
  // Requests worked on at once; 0: no bound (nobody waits).
  int concurrency = 0;
  // Shares of requests, 0 to 1, that end in a 500, in a reset connection, or never.
  double fail = 0;
  double reset = 0;
  double hang = 0;
  // CPU burnt for each request, one after another, at the end of its time in a slot.
  int64_t burn_us = 0;
  // Length of a response's body.
  int64_t bytes = 2;
};

// What the service says of itself, over the last second.
struct ServiceLoad {
  // Averages over time: requests taken in and not answered, and share of slots in use (of one
  // slot per request when unbounded: 0).
  double in_flight = 0;
  double utilisation = 0;
  // Average over requests that left the queue.
  double queue_delay_seconds = 0;
};

class WorkQueue {
 public:
  using Ticket = uint64_t;

  explicit WorkQueue(common::MonotonicTime now) : marks_{Mark{now, Sums()}}, last_(now) {}

  // Takes a request in. It has left the queue when Finished() returns its ticket.
  Ticket Enter(const Behaviour& behaviour, common::MonotonicTime now, absl::BitGenRef random);
  // Forgets a request whose client went away.
  void Abandon(Ticket ticket, const Behaviour& behaviour, common::MonotonicTime now,
               absl::BitGenRef random);
  // Tickets whose work is done by `now`, oldest end first, `most` of them.
  std::vector<Ticket> Finished(const Behaviour& behaviour, common::MonotonicTime now,
                               absl::BitGenRef random, size_t most = SIZE_MAX);
  // When Finished() has something again; Infinite: never.
  common::MonotonicTime NextEnd() const;

  ServiceLoad Load(const Behaviour& behaviour, common::MonotonicTime now);
  size_t in_flight() const { return waiting_.size() + running_.size(); }

 private:
  struct Waiter {
    Ticket ticket;
    common::MonotonicTime since;
  };
  // Integrals over time, and sums, since the start.
  struct Sums {
    double in_flight_seconds = 0;
    double busy_seconds = 0;
    double waited_seconds = 0;
    uint64_t left_queue = 0;
  };
  struct Mark {
    common::MonotonicTime time;
    Sums sums;
  };

  void Advance(common::MonotonicTime now);
  void FillSlots(const Behaviour& behaviour, common::MonotonicTime now, absl::BitGenRef random);

  Ticket next_ticket_ = 1;
  std::deque<Waiter> waiting_;
  std::multimap<common::MonotonicTime, Ticket> running_;
  Sums sums_;
  // One every quarter of a second, the oldest about a second old.
  std::deque<Mark> marks_;
  common::MonotonicTime last_;
};

}  // namespace pointsman::testing
