#include "sim/world/noise.h"

#include <utility>

#include "sim/random.h"

namespace pointsman::sim {

Noise::Noise(EventQueue& queue, const NoiseSpec& spec, size_t endpoints,
             std::function<Server&(size_t)> server, uint64_t seed)
    : queue_(queue), spec_(spec), server_(std::move(server)), random_(seed), hosts_(endpoints) {
  for (size_t i = 0; i < endpoints; ++i) {
    hosts_[i].speed = server_(i).speed();
    if (spec_.pause_every != absl::InfiniteDuration()) {
      queue_.After(Wait(spec_.pause_every), [this, i] { Pause(i); });
    }
    if (spec_.neighbour_every != absl::InfiniteDuration()) {
      queue_.After(Wait(spec_.neighbour_every), [this, i] { Neighbour(i); });
    }
  }
  if (spec_.burst_every != absl::InfiniteDuration()) {
    queue_.After(Wait(spec_.burst_every), [this] { Burst(); });
  }
}

absl::Duration Noise::Wait(absl::Duration mean) {
  return absl::Microseconds(
      static_cast<int64_t>(Exponential(absl::ToDoubleMicroseconds(mean), random_)));
}

void Noise::Apply(size_t endpoint) {
  const Host& host = hosts_[endpoint];
  server_(endpoint).SetSpeed(host.paused ? 0 : host.speed * host.taken);
}

void Noise::Pause(size_t endpoint) {
  hosts_[endpoint].paused = true;
  Apply(endpoint);
  const absl::Duration lasts =
      spec_.pause_least + Uniform(random_) * (spec_.pause_most - spec_.pause_least);
  queue_.After(lasts, [this, endpoint] {
    hosts_[endpoint].paused = false;
    Apply(endpoint);
    queue_.After(Wait(spec_.pause_every), [this, endpoint] { Pause(endpoint); });
  });
}

void Noise::Neighbour(size_t endpoint) {
  hosts_[endpoint].taken = spec_.neighbour_leaves + Uniform(random_) * (1 - spec_.neighbour_leaves);
  Apply(endpoint);
  queue_.After(Wait(spec_.neighbour_every), [this, endpoint] { Neighbour(endpoint); });
}

void Noise::Burst() {
  burst_ = true;
  queue_.After(spec_.burst_lasts, [this] {
    burst_ = false;
    queue_.After(Wait(spec_.burst_every), [this] { Burst(); });
  });
}

}  // namespace pointsman::sim
