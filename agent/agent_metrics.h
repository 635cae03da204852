#pragma once

// The agent's metrics. Written by the loop's thread, scraped by others: the core's plain counters
// are copied over after each sample. Thread-compatible; the registry owns the metrics.

#include <vector>

#include "agent/core/agent_core.h"
#include "common/metrics.h"

namespace pointsman::agent {

class AgentMetrics {
 public:
  // `registry` must outlive this.
  explicit AgentMetrics(common::Registry& registry);

  void Publish(const AgentCore& core, uint64_t unreadable_files);
  void SetStream(bool welcomed, uint64_t streams, uint64_t reports_conflated);
  void SetStateWritable(bool writable) { state_writable_.Set(writable ? 1 : 0); }

 private:
  // A counter of the registry and the cumulative value it follows.
  struct Followed {
    common::Counter* counter;
    uint64_t last = 0;
    void Follow(uint64_t value) {
      if (value > last) counter->Add(value - last);
      last = value;
    }
  };

  Followed checks_passed_;
  Followed checks_failed_;
  Followed check_changes_;
  Followed reports_;
  Followed metrics_refused_;
  Followed commands_refused_;
  Followed messages_refused_;
  Followed restarts_;
  Followed restarts_failed_;
  Followed unreadable_;
  Followed streams_;
  Followed conflated_;
  std::vector<common::Gauge*> checks_by_status_;
  common::Gauge& connected_;
  common::Gauge& instances_;
  common::Gauge& report_interval_;
  common::Gauge& state_writable_;
};

}  // namespace pointsman::agent
