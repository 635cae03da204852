#pragma once

// Many simulated agents in one process: each has its own stream (and, when asked, a connection of
// its own), says Hello with one instance, and reports at the interval it was told, spread evenly.
// They report what a healthy endpoint reports; a check's state can be changed by hand. For
// measuring only.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "common/core/time.h"
#include "common/mutex.h"

namespace pointsman::bench {

struct FleetOptions {
  std::string target;                          // "127.0.0.1:7400"
  uint32_t agents = 1000;                      // Also endpoints: one each.
  uint32_t services = 100;                     // Agent i speaks for service "s<i mod services>".
  uint32_t connections = 0;                    // 0: one for each agent; else shared evenly.
  absl::Duration interval = absl::Seconds(1);  // Until the controller says otherwise.
};

class SimulatedAgent;

// Thread-safe. Owns its agents and one pacing thread.
class AgentFleet {
 public:
  explicit AgentFleet(const FleetOptions& options);
  ~AgentFleet();  // Ends all streams and waits for them.
  AgentFleet(const AgentFleet&) = delete;
  AgentFleet& operator=(const AgentFleet&) = delete;

  // Waits until `count` agents have been welcomed. False: not within `timeout`.
  bool WaitWelcomed(uint32_t count, absl::Duration timeout);
  // Waits until every agent of a live stream has its service's assignment.
  bool WaitAssigned(uint32_t count, absl::Duration timeout);

  // Changes agent `index`'s check to passing or failing and sends its report at once. Returns the
  // time just before the write began.
  common::MonotonicTime ReportCheck(uint32_t index, bool passing);

  uint64_t reports_sent() const;
  uint64_t reports_skipped() const;  // The previous write was still under way.
  uint32_t welcomed() const;
  uint32_t ended() const;  // Streams that ended; 0 is wanted.
  std::string last_error() const;
  absl::Duration interval(uint32_t index) const;  // As told to this agent.

 private:
  void Pace();

  const FleetOptions options_;
  std::vector<std::unique_ptr<SimulatedAgent>> agents_;
  std::atomic<bool> stopping_{false};
  std::thread pacer_;
};

// Configuration that the fleet's services need, as YAML.
std::string FleetConfig(uint32_t services);

}  // namespace pointsman::bench
