#pragma once

// What the admin API shows, from the running parts: shards, directories, store. Thread-safe.

#include <string>
#include <vector>

#include "common/clock.h"
#include "controller/epoch_keeper.h"
#include "controller/rpc/admin_state.h"
#include "controller/rpc/agent_directory.h"
#include "controller/rpc/gateway_directory.h"
#include "controller/shard/publisher.h"
#include "controller/shard/shard_set.h"
#include "controller/store/sqlite_store.h"

namespace pointsman::controller {

class LiveState final : public AdminState {
 public:
  // All must outlive this.
  struct Sources {
    const common::Clock* clock = nullptr;
    ShardSet* shards = nullptr;
    const Publisher* publisher = nullptr;
    const AgentDirectory* agents = nullptr;
    const GatewayDirectory* gateways = nullptr;
    const EpochKeeper* epochs = nullptr;
    SqliteStore* store = nullptr;
  };
  explicit LiveState(const Sources& sources) : from_(sources), started_(sources.clock->Now()) {}

  void Endpoints(std::string service,
                 std::function<void(absl::StatusOr<std::vector<v1::EndpointState>>)> done) override;
  void Explain(std::string service, std::string endpoint,
               std::function<void(absl::StatusOr<v1::Explanation>)> done) override;
  std::vector<v1::AgentState> Agents() const override;
  std::vector<v1::GatewayState> Gateways() const override;
  void Status(std::function<void(absl::StatusOr<v1::ControllerStatus>)> done) override;

 private:
  const Sources from_;
  const common::MonotonicTime started_;
};

}  // namespace pointsman::controller
