#include "sim/world/streams.h"

#include <algorithm>
#include <utility>

namespace pointsman::sim {
namespace {

// As ControlOptions and the agent's stream have it.
constexpr common::BackoffOptions kBackoff = {.initial = absl::Milliseconds(200),
                                             .max = absl::Seconds(5),
                                             .floor = absl::Milliseconds(20),
                                             .factor = 2.0};

}  // namespace

void Streams::Add(absl::Duration wait) {
  const size_t peer = streams_.size();
  streams_.push_back({std::make_unique<Link>(queue_, options_, random_),
                      std::make_unique<Link>(queue_, options_, random_),
                      common::Backoff(kBackoff)});
  queue_.After(wait, [this, peer] { Connect(peer); });
}

void Streams::Connect(size_t peer) {
  Stream& stream = streams_[peer];
  if (stream.cut || !calls_.controller_up()) {
    queue_.After(stream.backoff.Next(random_), [this, peer] { Connect(peer); });
    return;
  }
  stream.backoff.Reset();
  stream.up = true;
  calls_.up(peer);
}

void Streams::BreakAll() {
  for (size_t peer = 0; peer < streams_.size(); ++peer) {
    Stream& stream = streams_[peer];
    if (!std::exchange(stream.up, false)) continue;
    stream.to_controller->Break();
    stream.to_peer->Break();
    calls_.down(peer);
    queue_.After(stream.backoff.Next(random_), [this, peer] { Connect(peer); });
  }
}

void Streams::SetCut(size_t peer, bool cut) {
  Stream& stream = streams_[peer];
  stream.cut = cut;
  for (Link* link : {stream.to_controller.get(), stream.to_peer.get()}) {
    if (cut) {
      link->Cut();
    } else {
      link->Heal();
    }
  }
}

void Streams::ToController(size_t peer, absl::AnyInvocable<void()> deliver) {
  if (streams_[peer].up) streams_[peer].to_controller->Send(std::move(deliver));
}

void Streams::ToPeer(size_t peer, absl::AnyInvocable<void()> deliver) {
  if (streams_[peer].up) streams_[peer].to_peer->Send(std::move(deliver));
}

size_t Streams::up() const {
  return static_cast<size_t>(
      std::count_if(streams_.begin(), streams_.end(), [](const Stream& s) { return s.up; }));
}

}  // namespace pointsman::sim
