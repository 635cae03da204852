#pragma once

// What simulated agents say: one instance each, healthy unless told otherwise. Thread-safe (no
// state).

#include <cstdint>

#include "pointsman/v1/agent.pb.h"

namespace pointsman::bench {

// Agent `index` speaks for one endpoint of service "s<index mod services>".
v1::AgentMessage HelloOfAgent(uint32_t index, uint32_t services);

// A report of that one instance: its check passes, 40 % CPU, sequence 0.
v1::AgentMessage HealthyReport();

// The check turned just now.
void SetCheck(bool passing, v1::AgentMessage* report);

// Gives the report its sequence, and load that moves a little with it.
void NumberReport(uint64_t sequence, v1::AgentMessage* report);

}  // namespace pointsman::bench
