#pragma once

// AgentService on the controller's gRPC port: one reactor a stream, which validates what it reads
// and posts it to the shards. Thread-safe.

#include <memory>

#include "common/clock.h"
#include "controller/rpc/agent_directory.h"
#include "controller/rpc/refusals.h"
#include "controller/shard/shard_set.h"

namespace grpc {
class Service;
}

namespace pointsman::controller {

// All must outlive the streams.
struct AgentServiceOptions {
  const common::Clock* clock = nullptr;
  ShardSet* shards = nullptr;
  AgentDirectory* directory = nullptr;
  RefusalCounts* refusals = nullptr;
};

std::unique_ptr<grpc::Service> MakeAgentService(const AgentServiceOptions& options);

}  // namespace pointsman::controller
