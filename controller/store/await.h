#pragma once

// Waits for a callback, where blocking is right: at start, on a thread made for it, in tests.
// Thread-safe.

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace pointsman::controller {

// One value to come. Copies share it, so a callback may outlive the wait.
template <typename T>
class Pending {
 public:
  Pending() : state_(std::make_shared<State>()) {}

  void Set(T value) const {
    common::MutexLock lock(state_->mutex);
    state_->value.emplace(std::move(value));
    state_->arrived.NotifyAll();
  }
  // Nothing: `timeout` passed.
  std::optional<T> Wait(absl::Duration timeout) const {
    const absl::Time deadline = absl::Now() + timeout;
    common::MutexLock lock(state_->mutex);
    while (!state_->value.has_value()) {
      const absl::Duration left = deadline - absl::Now();
      if (left <= absl::ZeroDuration()) return std::nullopt;
      state_->arrived.WaitFor(state_->mutex, left);
    }
    return std::move(state_->value);
  }

 private:
  struct State {
    common::Mutex mutex;
    common::CondVar arrived;
    std::optional<T> value ABSL_GUARDED_BY(mutex);
  };
  std::shared_ptr<State> state_;
};

// Calls start(callback) and waits. Unavailable: no answer within `timeout`; whether the call had
// an effect is then unknown.
template <typename T, typename Start>
absl::StatusOr<T> Await(Start start, absl::Duration timeout = absl::Seconds(10)) {
  Pending<absl::StatusOr<T>> pending;
  start([pending](absl::StatusOr<T> result) { pending.Set(std::move(result)); });
  std::optional<absl::StatusOr<T>> result = pending.Wait(timeout);
  if (!result.has_value()) {
    return absl::UnavailableError("the store does not answer");
  }
  return *std::move(result);
}

// The same for callbacks that carry only a status.
template <typename Start>
absl::Status AwaitDone(Start start, absl::Duration timeout = absl::Seconds(10)) {
  Pending<absl::Status> pending;
  start([pending](absl::Status status) { pending.Set(std::move(status)); });
  std::optional<absl::Status> status = pending.Wait(timeout);
  if (!status.has_value()) return absl::UnavailableError("the store does not answer");
  return *std::move(status);
}

}  // namespace pointsman::controller
