#include "controller/rpc/admin_watch.h"

#include <grpcpp/alarm.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/core/error_reason.h"
#include "common/rpc/status.h"
#include "controller/config_objects.h"
#include "controller/rpc/stream_end.h"

namespace pointsman::controller {
namespace {

absl::Status Stopping() {
  return common::WithReason(absl::UnavailableError("the controller shuts down"),
                            "CONTROLLER_STOPPING");
}

// A state without what changes by the clock alone.
std::string Fingerprint(v1::EndpointState state) {
  state.clear_since();
  state.clear_report_age();
  return ContentHash(StableBytes(state));
}

}  // namespace

// A chain of steps, one at a time: ask, write, sleep, ask ... Only the step at hand goes on or
// finishes the stream, so that nothing is called after its end.
class EndpointWatch final : public WatchReactor {
 public:
  EndpointWatch(EndpointWatches* owner, std::string service, absl::Duration period)
      : owner_(owner), service_(std::move(service)), period_(period) {}

  void Ask() {
    asked_at_ = owner_->parts_.clock->Now();
    owner_->parts_.state->Endpoints(service_, [this](auto states) {
      if (!states.ok()) End(states.status());
      Send(states.ok() ? *std::move(states) : std::vector<v1::EndpointState>());
    });
  }

  // Ends it at the end of the step at hand, or out of its sleep.
  void End(absl::Status status) {
    common::MutexLock lock(mutex_);
    if (ended_) return;
    ended_ = true;
    end_ = std::move(status);
    if (sleeping_) alarm_.Cancel();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) End(absl::CancelledError("the client is gone"));
    Sleep();
  }
  void OnCancel() override { End(absl::CancelledError("the client is gone")); }
  void OnDone() override {
    owner_->Closed(this);
    delete this;
  }

 private:
  void Send(std::vector<v1::EndpointState> states) {
    if (FinishIfEnded()) return;
    response_.Clear();
    std::map<std::string, std::string> now;
    for (v1::EndpointState& state : states) {
      std::string fingerprint = Fingerprint(state);
      const auto before = sent_.find(state.name());
      const bool changed = before == sent_.end() || before->second != fingerprint;
      now[state.name()] = std::move(fingerprint);
      if (changed) *response_.add_endpoints() = std::move(state);
    }
    for (const auto& [name, fingerprint] : sent_) {
      if (!now.contains(name)) response_.add_removed(name);
    }
    sent_ = std::move(now);
    // The first message also says that there is nothing.
    if (started_ && response_.endpoints().empty() && response_.removed().empty()) return Sleep();
    started_ = true;
    StartWrite(&response_);
  }

  void Sleep() {
    const absl::Duration passed = owner_->parts_.clock->Now() - asked_at_;
    const absl::Duration left = std::max(period_ - passed, absl::ZeroDuration());
    {
      common::MutexLock lock(mutex_);
      if (!ended_) {
        sleeping_ = true;
        alarm_.Set(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(left),
                   [this](bool) { Wake(); });
        return;
      }
    }
    FinishIfEnded();
  }

  void Wake() {
    {
      common::MutexLock lock(mutex_);
      sleeping_ = false;
    }
    if (!FinishIfEnded()) Ask();
  }

  bool FinishIfEnded() {
    absl::Status status;
    {
      common::MutexLock lock(mutex_);
      if (!ended_) return false;
      status = end_;
    }
    Finish(owner_->Tell(status));
    return true;
  }

  EndpointWatches* const owner_;
  const std::string service_;
  const absl::Duration period_;
  // The step's own.
  common::MonotonicTime asked_at_;
  bool started_ = false;
  std::map<std::string, std::string> sent_;
  v1::WatchEndpointsResponse response_;
  common::Mutex mutex_;
  bool sleeping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  grpc::Alarm alarm_;
};

grpc::Status EndpointWatches::Tell(const absl::Status& status) {
  const absl::Status told = WithStreamReason(status);
  if (!absl::IsCancelled(told)) parts_.errors->Count(common::ReasonOf(told));
  return common::ToGrpcStatus(told);
}

WatchReactor* EndpointWatches::Refuse(const absl::Status& status) {
  class Ended final : public WatchReactor {
   public:
    explicit Ended(const grpc::Status& status) { Finish(status); }
    void OnDone() override { delete this; }
  };
  return new Ended(Tell(status));
}

WatchReactor* EndpointWatches::Open(std::string service, absl::Duration period) {
  EndpointWatch* watch = nullptr;
  {
    common::MutexLock lock(mutex_);
    if (shut_down_) return Refuse(Stopping());
    if (open_.size() >= static_cast<size_t>(parts_.watches_max)) {
      return Refuse(common::WithReason(
          absl::ResourceExhaustedError(
              absl::StrCat(parts_.watches_max, " watches are open already; at most that many")),
          "TOO_MANY_WATCHES"));
    }
    watch = new EndpointWatch(this, std::move(service), period);
    open_.insert(watch);
  }
  watch->Ask();
  return watch;
}

void EndpointWatches::Shutdown() {
  common::MutexLock lock(mutex_);
  shut_down_ = true;
  for (EndpointWatch* watch : open_) watch->End(Stopping());
}

void EndpointWatches::Closed(EndpointWatch* watch) {
  common::MutexLock lock(mutex_);
  open_.erase(watch);
}

}  // namespace pointsman::controller
