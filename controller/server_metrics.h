#pragma once

// The controller's metrics, read from its parts at each scrape. Thread-safe.

#include "common/metrics.h"
#include "controller/event_log.h"
#include "controller/housekeeper.h"
#include "controller/rpc/agent_directory.h"
#include "controller/rpc/gateway_directory.h"
#include "controller/shard/publisher.h"
#include "controller/shard/shard_set.h"
#include "controller/store/sqlite_store.h"

namespace pointsman::controller {

// All must outlive the registry's last scrape.
struct MetricSources {
  const ShardSet* shards;
  const Publisher* publisher;
  const AgentDirectory* agents;
  const GatewayDirectory* gateways;
  const EventLog* events;
  const SqliteStore* store;
  const Housekeeper* housekeeper;
};

// What RefusalCounts of agents' and gateways' streams, and of the admin API, are called.
common::MetricName RefusedMetric();
common::MetricName AdminErrorsMetric();

// For ShardSet::TimePublishing.
common::Histogram& AddPublishTimes(common::Registry& registry);

void RegisterServerMetrics(common::Registry& registry, const MetricSources& sources);

}  // namespace pointsman::controller
