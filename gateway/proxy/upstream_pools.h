#pragma once

// A worker's connections to endpoints. Idle ones are kept per endpoint cell, the last used first
// (hot, and the least likely to be closed by the other side); another address is another cell, so
// only the two addresses of one name ever mix: either is the endpoint. What lay idle for a while,
// or is too much, goes to the workers' shelf (upstream_shelf), which is asked before a connection
// is opened. Thread-compatible; owns the connections.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "gateway/core/age.h"
#include "gateway/core/routing_table.h"
#include "gateway/proxy/http1_upstream.h"
#include "gateway/proxy/http2_upstream.h"
#include "gateway/proxy/worker_context.h"

namespace pointsman::gateway {

class UpstreamPools {
 public:
  explicit UpstreamPools(WorkerContext* context) : context_(context) {}
  ~UpstreamPools();

  // REQUIRES: no pointer is null; they are not kept beyond Acquire().
  struct Try {
    Stream* stream = nullptr;
    uint8_t attempt = 0;
    CellRef cell;
    // As the endpoint has them.
    const common::Address* address = nullptr;
    const std::optional<common::IpAddress>* other = nullptr;
    // The request's: how endpoints are spoken to, time to connect, age of connections.
    const ServicePolicy* policy = nullptr;
    // Not an idle connection.
    bool fresh = false;

    ConnectionLimits limits() const {
      return {policy->connection_requests_max, policy->connection_age_max};
    }
  };
  // A connection bound to the try. Unless it is connected(), kUpstreamConnected or kUpstreamFailed
  // follows.
  UpstreamSide* Acquire(const Try& attempt);

  // For connections only.
  void GiveBack(Http1Upstream* connection);
  void OnClosed(Http1Upstream* connection, bool idle);
  void OnClosed(Http2Upstream* connection);
  // Whether other workers could use it: the shelf does not keep what is used up of its limits.
  bool MayShelve(const Http1Upstream& connection) const;
  // An idle one that may be shelved: it is for any worker from now on.
  void Shelve(Http1Upstream* connection);

  // Closes idle connections of endpoints that `table` no longer has. O(pools + endpoints).
  void KeepOnly(const RoutingTable& table);
  void CloseAll();
  // Adds at most `max`.
  void Describe(size_t max, std::vector<ConnectionFacts>* out) const;
  size_t connections() const { return all_.size() + all_http2_.size(); }

 private:
  struct Pool {
    uint32_t generation = 0;
    Http1Upstream* newest = nullptr;
    Http1Upstream* oldest = nullptr;
    size_t size = 0;
    bool listed = true;  // For KeepOnly.
  };

  UpstreamSide* AcquireHttp2(const Try& attempt);
  // HTTP/2 connections to endpoints that `table` no longer has end after their last try.
  void RetireUnlisted(const RoutingTable& table);
  Http2Upstream* OpenHttp2(const Try& attempt);
  ConnectTarget Target(const Try& attempt) const;
  Http1Upstream* Add(const Try& attempt);
  Http1Upstream* TakeIdle(const Try& attempt);
  Http1Upstream* TakeShelved(const Try& attempt);
  void Forget(Http1Upstream* connection);
  void Unlink(Pool* pool, Http1Upstream* connection);

  WorkerContext* const context_;
  std::vector<std::unique_ptr<Http1Upstream>> all_;
  // By cell index.
  absl::flat_hash_map<uint32_t, Pool> idle_;
  std::vector<std::unique_ptr<Http2Upstream>> all_http2_;
  // By cell index: a few connections each.
  absl::flat_hash_map<uint32_t, absl::InlinedVector<Http2Upstream*, 2>> http2_;
};

}  // namespace pointsman::gateway
