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
#include "pointsman/v1/admin.grpc.pb.h"

namespace pointsman::controller {

using WatchReactor = grpc::ServerWriteReactor<v1::WatchEndpointsResponse>;

class EndpointWatch;

// The streams that are open.
class EndpointWatches {
 public:
  // Both must outlive the streams.
  EndpointWatches(AdminState* state, const common::Clock* clock, int watches_max)
      : state_(state), clock_(clock), watches_max_(watches_max) {}

  // Of one service (bare ID) or of all (empty). One too many, or after Shutdown(): a stream that
  // only ends with RESOURCE_EXHAUSTED or UNAVAILABLE.
  WatchReactor* Open(std::string service, absl::Duration period);
  // Ends all with UNAVAILABLE.
  void Shutdown();

 private:
  friend class EndpointWatch;

  void Closed(EndpointWatch* watch);

  AdminState* const state_;
  const common::Clock* const clock_;
  const int watches_max_;
  common::Mutex mutex_;
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<EndpointWatch*> open_ ABSL_GUARDED_BY(mutex_);
};

// A stream that ends at once.
WatchReactor* EndedWatch(const absl::Status& status);

}  // namespace pointsman::controller
