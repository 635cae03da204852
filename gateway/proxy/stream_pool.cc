// Streams that are over are kept for the next requests, those that nobody needs freed.

#include <algorithm>
#include <utility>

#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

Stream* StreamPool::New(ClientSide* client) {
  if (free_.empty()) AddPlace();
  Stream* stream = places_[free_.back()].get();
  free_.pop_back();
  free_least_ = std::min(free_least_, free_.size());
  stream->client_ = client;
  stream->phase_ = Stream::Phase::kReceivingHead;
  return stream;
}

void StreamPool::AddPlace() {
  if (empty_.empty()) {
    empty_.push_back(static_cast<uint32_t>(places_.size()));
    places_.emplace_back();
  }
  const uint32_t index = empty_.back();
  empty_.pop_back();
  places_[index] = std::make_unique<Stream>(context_, StreamHandle{index, first_generation_});
  free_.push_back(index);
}

void StreamPool::Free(Stream* stream) {
  stream->Reset();
  ++stream->handle_.generation;
  free_.push_back(stream->handle_.index);
}

void StreamPool::Trim() {
  const size_t unneeded = std::exchange(free_least_, free_.size());
  if (unneeded == 0) return;
  // The front was used longest ago.
  const auto unused = free_.begin() + static_cast<ptrdiff_t>(unneeded);
  for (auto it = free_.begin(); it != unused; ++it) {
    // Whoever comes to this place next must not be found by an old handle.
    first_generation_ = std::max(first_generation_, places_[*it]->handle_.generation + 1);
    places_[*it].reset();
  }
  free_.erase(free_.begin(), unused);
  free_least_ = free_.size();
  ForgetPlaces();
}

void StreamPool::ForgetPlaces() {
  while (!places_.empty() && places_.back() == nullptr) places_.pop_back();
  empty_.clear();
  for (uint32_t index = 0; index < places_.size(); ++index) {
    if (places_[index] == nullptr) empty_.push_back(index);
  }
  places_.shrink_to_fit();
  free_.shrink_to_fit();
  empty_.shrink_to_fit();
}

}  // namespace pointsman::gateway
