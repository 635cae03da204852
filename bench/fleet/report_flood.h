#pragma once

// Agents that cost next to nothing themselves: many gRPC streams over few connections, spoken by
// nghttp2 in one thread, with reports at a rate that is set from outside, whatever the controller
// asks for. For finding out what a controller can take. The full agents of AgentFleet cost as much
// as a controller does.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"

namespace pointsman::bench {

struct FloodOptions {
  std::string target;  // "127.0.0.1:7400"
  uint32_t agents = 1000;
  uint32_t services = 100;
  uint32_t connections = 16;
};

class FloodConnection;

// Thread-safe but for construction and destruction.
class ReportFlood {
 public:
  // Connects and says all Hellos. Broken invariant: cannot connect.
  explicit ReportFlood(const FloodOptions& options);
  ~ReportFlood();
  ReportFlood(const ReportFlood&) = delete;
  ReportFlood& operator=(const ReportFlood&) = delete;

  // False: not within `timeout`.
  bool WaitWelcomed(uint32_t count, absl::Duration timeout) const;

  // Reports of all agents together, evenly; 0 at first.
  void SetRate(double reports_per_second) { rate_ = reports_per_second; }

  uint64_t due() const { return due_; }
  // Given to a connection. What is due and not sent found the agent's last report still waiting.
  uint64_t sent() const { return sent_; }
  uint32_t welcomed() const;
  uint32_t ended() const;  // Streams that ended; 0 is wanted.

 private:
  void Run();
  void SendDue(absl::Duration elapsed);

  const FloodOptions options_;
  std::vector<std::unique_ptr<FloodConnection>> connections_;
  std::atomic<double> rate_{0};
  std::atomic<uint64_t> due_{0};
  std::atomic<uint64_t> sent_{0};
  std::atomic<bool> stopping_{false};
  double owed_ = 0;
  uint32_t next_ = 0;
  std::thread thread_;
};

}  // namespace pointsman::bench
