#pragma once

// The streams of one kind of peer (agents or gateways) to the controller: a link for each
// direction, and what a peer does when its stream breaks: it tries again after a back-off, as both
// do with common/core/backoff.h, until the controller is there. Thread-compatible; borrows what it
// is given.

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/random/bit_gen_ref.h"
#include "common/core/backoff.h"
#include "sim/event_queue.h"
#include "sim/world/link.h"

namespace pointsman::sim {

class Streams {
 public:
  struct Calls {
    std::function<bool()> controller_up;
    // Of the peer's own end. In `up` it says Hello.
    std::function<void(size_t peer)> up;
    std::function<void(size_t peer)> down;
  };

  Streams(EventQueue& queue, const LinkOptions& options, absl::BitGenRef random, Calls calls)
      : queue_(queue), options_(options), random_(random), calls_(std::move(calls)) {}
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  // One more peer, which connects after `wait`.
  void Add(absl::Duration wait);
  // The controller is gone: every stream breaks, and the peers know at once.
  void BreakAll();
  // Nothing passes between the peer and the controller; its stream stands.
  void SetCut(size_t peer, bool cut);

  // Dropped without a stream.
  void ToController(size_t peer, absl::AnyInvocable<void()> deliver);
  void ToPeer(size_t peer, absl::AnyInvocable<void()> deliver);
  size_t up() const;

 private:
  struct Stream {
    std::unique_ptr<Link> to_controller;
    std::unique_ptr<Link> to_peer;
    common::Backoff backoff;
    bool up = false;
    bool cut = false;
  };
  void Connect(size_t peer);

  EventQueue& queue_;
  const LinkOptions options_;
  absl::BitGenRef random_;
  const Calls calls_;
  std::vector<Stream> streams_;
};

}  // namespace pointsman::sim
