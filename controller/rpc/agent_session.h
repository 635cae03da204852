#pragma once

// One agent's stream as the rest of the controller sees it: who it is, what it was told, and a
// bounded queue of what is still to be told. Commands conflate where a newer one replaces an older
// one, so the queue cannot grow: one welcome, one pace, one assignment for each service.
//
// Thread-safe. Shared by the stream and the directory; outlives either.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/core/time.h"
#include "common/mutex.h"
#include "controller/rpc/refusals.h"
#include "pointsman/v1/agent.pb.h"

namespace pointsman::controller {

// The stream's own end: writes one command at a time. Called with the session's lock held, so it
// must only start the operation.
class CommandWriter {
 public:
  virtual ~CommandWriter() = default;
  virtual void StartCommand(v1::AgentCommand command) = 0;
  virtual void Close(const absl::Status& status) = 0;
};

struct SessionInstance {
  std::string service;
  std::string endpoint;
};

class AgentSession {
 public:
  // More decisions than agents can have asked for, and refusals nobody reads: the oldest go.
  static constexpr size_t kDecisionsMax = 256;
  static constexpr size_t kRefusalsMax = 8;

  // `writer` lives until Detach().
  explicit AgentSession(CommandWriter* writer) : writer_(writer) {}

  // Set once by the stream before the session is shared.
  std::string agent;
  std::string version;
  std::string peer;
  std::string actor;
  uint64_t boot = 0;

  // Replaces the instances (a Hello), under the session number from now on. What was told of
  // services that it no longer names is forgotten.
  void SetInstances(std::vector<SessionInstance> instances, uint64_t session);
  std::vector<SessionInstance> instances() const;
  uint64_t session() const { return session_; }

  void SendWelcome(const v1::AgentWelcome& welcome);
  // Sent when it differs from the service's last one; its version is chosen here.
  void SendAssignment(v1::Assignment assignment);
  // Version of the last assignment of the service; 0: none.
  uint64_t AssignmentVersion(absl::string_view service) const;
  // Highest version given so far, of any service: when it is the same, so is every other.
  uint64_t newest_assignment() const { return last_assignment_; }
  void SendPace(absl::Duration interval);
  void SendDecision(v1::RestartDecision decision);
  // Counted, too.
  void SendRefusal(const absl::Status& status);
  // The stream wrote the last command.
  void OnWritten();
  // The stream ends with `status` as soon as it can.
  void Close(const absl::Status& status);
  // The stream is gone: nothing is written from now on.
  void Detach();
  bool live() const;

  void CountReport(common::MonotonicTime now);
  uint64_t reports() const { return reports_; }
  std::optional<absl::Duration> ReportAge(common::MonotonicTime now) const;
  absl::Duration interval() const { return absl::Microseconds(interval_micros_.load()); }
  RefusalCounts& refusals() { return refusals_; }

 private:
  struct Told {
    uint64_t version = 0;
    uint64_t content = 0;  // Hash of it, serialised without the version.
  };

  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Next(v1::AgentCommand& command) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<uint64_t> session_{0};
  std::atomic<uint64_t> last_assignment_{0};
  std::atomic<uint64_t> reports_{0};
  std::atomic<int64_t> last_report_micros_{0};
  std::atomic<int64_t> interval_micros_{1'000'000};
  RefusalCounts refusals_;
  mutable common::Mutex mutex_;
  CommandWriter* writer_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<SessionInstance> instances_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Told, std::less<>> told_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::AgentWelcome> welcome_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Duration> pace_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Assignment, std::less<>> assignments_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::RestartDecision> decisions_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Refusal> refused_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pointsman::controller
