#pragma once

// GatewayService on the controller's gRPC port: raw streams, so that all gateways share the bytes
// of a frame. One reactor a stream, which validates what it reads and posts it to the shards, and
// writes what the publisher hands out. Thread-safe.

#include <memory>
#include <string>

#include "common/clock.h"
#include "controller/epoch_keeper.h"
#include "controller/rpc/gateway_directory.h"
#include "controller/rpc/refusals.h"
#include "controller/shard/publisher.h"
#include "controller/shard/shard_set.h"

namespace grpc {
class Service;
}

namespace pointsman::controller {

// All must outlive the streams.
struct GatewayServiceOptions {
  const common::Clock* clock = nullptr;
  ShardSet* shards = nullptr;
  Publisher* publisher = nullptr;
  GatewayDirectory* directory = nullptr;
  EpochKeeper* epochs = nullptr;
  RefusalCounts* refusals = nullptr;
  std::string store_id;
};

std::unique_ptr<grpc::Service> MakeGatewayService(const GatewayServiceOptions& options);

}  // namespace pointsman::controller
