#pragma once

// A worker's connections to endpoints. Idle ones are kept per endpoint cell, the last used first
// (hot, and the least likely to be closed by the other side); another address is another cell, so
// addresses never mix. Thread-compatible; owns the connections. (A shelf shared by workers would be
// asked in Acquire() on a miss and filled in GiveBack() when full.)

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "gateway/core/routing_table.h"
#include "gateway/proxy/upstream_connection.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

class UpstreamPools {
 public:
  explicit UpstreamPools(WorkerContext* context) : context_(context) {}
  ~UpstreamPools();

  struct Try {
    Stream* stream = nullptr;
    uint8_t attempt = 0;
    CellRef cell;
    const common::Address* address = nullptr;
    // Not an idle connection.
    bool fresh = false;
  };
  // A connection bound to the try. Unless it is reused(), kUpstreamConnected or kUpstreamFailed
  // follows.
  UpstreamSide* Acquire(const Try& attempt);

  // For connections only.
  void GiveBack(UpstreamConnection* connection);
  void OnClosed(UpstreamConnection* connection, bool idle);

  // Closes idle connections of endpoints that `table` no longer has. O(pools + endpoints).
  void KeepOnly(const RoutingTable& table);
  void CloseAll();
  size_t connections() const { return all_.size(); }

 private:
  struct Pool {
    uint32_t generation = 0;
    UpstreamConnection* newest = nullptr;
    UpstreamConnection* oldest = nullptr;
    size_t size = 0;
    bool listed = true;  // For KeepOnly.
  };

  UpstreamConnection* TakeIdle(CellRef cell);
  void Unlink(Pool* pool, UpstreamConnection* connection);

  WorkerContext* const context_;
  std::vector<std::unique_ptr<UpstreamConnection>> all_;
  // By cell index.
  absl::flat_hash_map<uint32_t, Pool> idle_;
};

}  // namespace pointsman::gateway
