#pragma once

// What happens in every fleet without being a fault: pauses (garbage collection, a host that
// moves), neighbours on the same host that take a part of its speed, and bursts of clients. All at
// random times of its own generator. Thread-compatible; borrows what it is given.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "sim/event_queue.h"
#include "sim/server.h"
#include "sim/world/options.h"

namespace pointsman::sim {

class Noise {
 public:
  // `server`: of an endpoint, by index.
  Noise(EventQueue& queue, const NoiseSpec& spec, size_t endpoints,
        std::function<Server&(size_t)> server, uint64_t seed);
  Noise(const Noise&) = delete;
  Noise& operator=(const Noise&) = delete;

  // How often an arriving client comes now: 1, in a burst more.
  int Copies() const { return burst_ ? spec_.burst_factor : 1; }

 private:
  struct Host {
    double speed = 1;  // Of the endpoint itself.
    double taken = 1;  // What a neighbour leaves of it.
    bool paused = false;
  };

  absl::Duration Wait(absl::Duration mean);
  void Apply(size_t endpoint);
  void Pause(size_t endpoint);
  void Neighbour(size_t endpoint);
  void Burst();

  EventQueue& queue_;
  const NoiseSpec spec_;
  std::function<Server&(size_t)> server_;
  std::mt19937_64 random_;
  std::vector<Host> hosts_;
  bool burst_ = false;
};

}  // namespace pointsman::sim
