#pragma once

// All agents this controller has heard of: their sessions, what each service's agents are told, and
// who may connect. An agent whose stream ended is shown for an hour, then forgotten. Thread-safe.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "controller/configuration.h"
#include "controller/core/effects.h"
#include "controller/rpc/agent_session.h"
#include "controller/rpc/gone_order.h"
#include "pointsman/v1/state.pb.h"

namespace pointsman::controller {

class AgentDirectory {
 public:
  // Agents known at once, connected or not; more is ResourceExhausted.
  static constexpr size_t kAgentsMax = 50'000;

  AgentDirectory(const common::Clock& clock, std::string store_id)
      : clock_(clock), store_id_(std::move(store_id)) {}

  // A number above every earlier one.
  uint64_t NewSession() { return ++last_session_; }

  // Takes the session in as its agent's. The same boot id replaces a live stream (which is closed
  // with Aborted). AlreadyExists: another boot id is live; ResourceExhausted: kAgentsMax are
  // connected; Unavailable: after CloseAll().
  absl::Status Add(const std::shared_ptr<AgentSession>& session);
  // The stream ended.
  void Remove(const std::shared_ptr<AgentSession>& session);

  // Says hello: welcome and the assignments of its instances' services.
  void Greet(AgentSession& session);
  // New configuration: assignments that changed are sent.
  void SetConfig(std::shared_ptr<const v1::Config> config);
  // All agents report at this interval from now on.
  void SetInterval(absl::Duration interval);
  void Decide(const RestartDecisionOut& decision);
  // Ends every stream with Unavailable, and lets none in any more.
  void CloseAll();

  std::vector<v1::AgentState> States() const;
  size_t connected() const { return connected_; }
  // Reports of all agents, also of those gone.
  uint64_t reports() const { return reports_; }
  void CountReport() { ++reports_; }

 private:
  std::vector<std::shared_ptr<AgentSession>> Live() const;
  void Assign(AgentSession& session, const v1::Config& config) const;

  const common::Clock& clock_;
  const std::string store_id_;
  std::atomic<uint64_t> last_session_{0};
  std::atomic<uint64_t> reports_{0};
  std::atomic<size_t> connected_{0};
  mutable common::Mutex mutex_;
  std::map<std::string, std::shared_ptr<AgentSession>> agents_ ABSL_GUARDED_BY(mutex_);
  GoneOrder gone_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const v1::Config> config_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<const v1::Config>();
  absl::Duration interval_ ABSL_GUARDED_BY(mutex_) = absl::Seconds(1);
};

}  // namespace pointsman::controller
