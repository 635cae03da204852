#pragma once

// All gateways this controller has heard of, to show. One whose stream ended is shown for an hour,
// then forgotten. Thread-safe.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "controller/rpc/gone_order.h"
#include "controller/shard/publisher.h"
#include "pointsman/v1/gateway.pb.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {

// One gateway's last stream. Its mutable parts are under the directory's lock.
struct GatewayRecord {
  std::string gateway;
  uint64_t boot = 0;
  uint64_t session = 0;
  std::string version;
  std::string peer;
  v1::Locality locality;
  bool connected = false;
  SliceVersion config;
  absl::Duration apply_duration;
  uint64_t nacks = 0;
  std::string last_nack;
  common::MonotonicTime observed_at;
  // Ends the stream; set while connected.
  std::function<void(const absl::Status&)> close;
};

class GatewayDirectory {
 public:
  // Gateways known at once; more is ResourceExhausted.
  static constexpr size_t kGatewaysMax = 5'000;

  explicit GatewayDirectory(const common::Clock& clock) : clock_(clock) {}

  uint64_t NewSession() { return ++last_session_; }
  // A new stream; a live one of the same boot is closed with Aborted. AlreadyExists: another boot
  // id is live. ResourceExhausted: kGatewaysMax are connected. Unavailable: after CloseAll().
  absl::Status Add(GatewayRecord record);
  void Remove(const std::string& gateway, uint64_t session);
  void OnAck(const std::string& gateway, uint64_t session, const v1::Ack& ack);
  void OnObservations(const std::string& gateway, uint64_t session);
  // Ends every stream with Unavailable, and lets none in any more.
  void CloseAll();

  std::vector<v1::GatewayState> States(const Publisher& publisher) const;
  size_t connected() const;

 private:
  const common::Clock& clock_;
  std::atomic<uint64_t> last_session_{0};
  mutable common::Mutex mutex_;
  std::map<std::string, GatewayRecord> gateways_ ABSL_GUARDED_BY(mutex_);
  GoneOrder gone_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace pointsman::controller
