#pragma once

// WatchEndpoints: each stream asks for the endpoints' states again and again, at most once a
// period and never while its last message is still being written, and sends what differs from what
// it sent before. A slow reader so gets states skipped, never queued. Thread-safe.

#include <memory>
#include <set>

#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "controller/rpc/admin_state.h"
#include "controller/rpc/refusals.h"
#include "pointsman/v1/admin.grpc.pb.h"

namespace pointsman::controller {

using WatchReactor = grpc::ServerWriteReactor<v1::WatchEndpointsResponse>;

class EndpointWatch;

// The streams that are open.
class EndpointWatches {
 public:
  // All must outlive the streams. `errors` counts what ends them, but for clients that leave.
  struct Parts {
    AdminState* state;
    const common::Clock* clock;
    RefusalCounts* errors;
    int watches_max;
  };
  explicit EndpointWatches(const Parts& parts) : parts_(parts) {}

  // Of one service (bare ID) or of all (empty). One too many, or after Shutdown(): a stream that
  // only ends with RESOURCE_EXHAUSTED or UNAVAILABLE.
  WatchReactor* Open(std::string service, absl::Duration period);
  // A stream that only ends, with this error.
  WatchReactor* Refuse(const absl::Status& status);
  // Ends all with UNAVAILABLE.
  void Shutdown();

 private:
  friend class EndpointWatch;

  void Closed(EndpointWatch* watch);
  // Counted, with its reason.
  grpc::Status Tell(const absl::Status& status);

  const Parts parts_;
  common::Mutex mutex_;
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<EndpointWatch*> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pointsman::controller
