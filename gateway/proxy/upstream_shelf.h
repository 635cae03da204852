#pragma once

// Idle HTTP/1 connections to endpoints, for whichever worker needs one next. A worker keeps what it
// uses often (UpstreamPools) and puts here what lay idle for a while or is more than it may keep;
// one that has none of its own to an endpoint looks here before it connects. TLS belongs to the
// worker that agreed on it: only plain connections come here.
//
// On the shelf a connection is a descriptor and where it stands, nothing else. One on which its
// endpoint says anything, most of all that it closes, is closed: poll_fd() becomes readable then,
// and Take() looks once more.
//
// Thread-safe by one lock, which is held over no call that waits. It is asked only where a
// connection would be opened or closed otherwise; while it is empty that is one relaxed read.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "common/core/time.h"
#include "common/mutex.h"
#include "gateway/core/cells.h"
#include "gateway/core/routing_table.h"
#include "gateway/net/fd.h"

namespace pointsman::gateway {

class UpstreamShelf {
 public:
  struct Limits {
    // At it what comes is closed.
    size_t connections_max = 0;
    // At it the one that lay longest is closed.
    size_t per_endpoint_max = 0;
  };
  struct Connection {
    Fd fd;
    bool at_other = false;  // It stands at Endpoint::other().
  };
  explicit UpstreamShelf(Limits limits) : limits_(limits) {}

  // ResourceExhausted: no descriptor.
  absl::Status Open();

  // False: what is put now may be closed.
  bool HasRoom() const { return connections() < limits_.connections_max; }
  // A connection whose endpoint owes nothing; closed at `deadline`, at the next Expire().
  void Put(CellRef cell, Connection connection, common::MonotonicTime deadline);
  // The one that was put last; its `fd` invalid: there is none.
  Connection Take(CellRef cell, common::MonotonicTime now);

  // Readable when Discard() has something to close; nothing else may be done with it.
  int poll_fd() const { return epoll_.get(); }
  // Closes those that their endpoints ended, 64 at most.
  void Discard();
  // O(connections).
  void Expire(common::MonotonicTime now);
  // Closes those to endpoints that `table` no longer has. O(endpoints), not under the lock.
  void KeepOnly(const RoutingTable& table);
  // Closes all; what comes from now on is closed too.
  void Close();

  size_t connections() const { return size_.load(std::memory_order_relaxed); }
  // Closed unused, since the start.
  uint64_t closed() const { return closed_.load(std::memory_order_relaxed); }

 private:
  struct Kept {
    Connection connection;
    common::MonotonicTime deadline;
  };
  // To the endpoint of a cell; the last put is the last.
  struct Row {
    uint32_t generation = 0;
    std::vector<Kept> kept;
  };
  using Rows = absl::flat_hash_map<uint32_t, Row>;

  // False: `cell` is of an endpoint that was replaced. Those of one it replaced are closed.
  bool IsOf(Row* row, CellRef cell) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseAll(Row* row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // They were closed, or are about to be.
  void CountClosed(size_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Limits limits_;
  Fd epoll_;
  common::Mutex mutex_;
  Rows rows_ ABSL_GUARDED_BY(mutex_);  // By cell index.
  bool shut_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<size_t> size_{0};
  std::atomic<uint64_t> closed_{0};
};

}  // namespace pointsman::gateway
