#pragma once

// One direction of a stream between two hosts: messages arrive after a delay with jitter, in the
// order they were sent, as TCP has it. A lost one is sent again after `retransmit`, and what was
// sent after it waits. While the link is cut messages wait; when the stream breaks they are gone.
// Thread-compatible; borrows queue and generator, which outlive it.

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"
#include "common/core/time.h"
#include "sim/event_queue.h"

namespace pointsman::sim {

struct LinkOptions {
  absl::Duration delay = absl::Microseconds(500);
  absl::Duration jitter = absl::Microseconds(200);  // Added, from 0 to this, evenly.
  double loss = 0;                                  // Of messages, each time they are sent.
  absl::Duration retransmit = absl::Milliseconds(200);
};

// A time on the way: delay and jitter, no loss.
absl::Duration OneWay(const LinkOptions& options, absl::BitGenRef random);

class Link {
 public:
  // Messages that wait for a cut to heal; more is an error of the experiment.
  static constexpr size_t kWaitingMax = 100'000;

  Link(EventQueue& queue, const LinkOptions& options, absl::BitGenRef random)
      : queue_(queue), options_(options), random_(random) {}
  // What is under way refers to this.
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // `deliver` runs when the message arrives; never, when the stream breaks before.
  void Send(absl::AnyInvocable<void()> deliver);
  void Cut() { cut_ = true; }
  void Heal();
  // The stream ends: nothing sent so far arrives.
  void Break();

 private:
  EventQueue& queue_;
  const LinkOptions options_;
  absl::BitGenRef random_;
  std::vector<absl::AnyInvocable<void()>> waiting_;
  common::MonotonicTime last_arrival_;
  uint64_t stream_ = 0;
  bool cut_ = false;
};

}  // namespace pointsman::sim
