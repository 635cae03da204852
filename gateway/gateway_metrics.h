#pragma once

// Registers the gateway's metrics: the workers' counters and the control side's, read and summed
// at each scrape. Thread-safe (no state).

#include "common/metrics.h"
#include "gateway/control/control_loop.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/engine.h"

namespace pointsman::gateway {

// REQUIRES: `engine` and `control` outlive the registry's last scrape.
void RegisterMetrics(const Engine& engine, const ControlLoop& control, common::Registry* registry);
// REQUIRES: `log` outlives the registry's last scrape.
void RegisterMetrics(const AccessLog& log, common::Registry* registry);

}  // namespace pointsman::gateway
