#pragma once

// This controller's epoch: claimed from the shared store at the start, and claimed again above any
// epoch an authenticated gateway presents, so that a lost or restored store cannot strand
// gateways. Thread-safe; `raised` runs on a thread of the store.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/mutex.h"
#include "controller/store/shared_store.h"

namespace pointsman::controller {

class EpochKeeper {
 public:
  // `store` and what `raised` uses must outlive the keeper.
  EpochKeeper(SharedStore& store, std::string owner, std::function<void(uint64_t)> raised)
      : store_(store), owner_(std::move(owner)), raised_(std::move(raised)) {}

  // Claims the first epoch; blocks. Errors: as SharedStore.
  absl::Status ClaimFirst();
  uint64_t epoch() const;

  // Makes sure that the epoch is above `presented`; `done` runs once, when it is, or with the
  // store's error (then the next call tries again).
  void RaiseAbove(uint64_t presented, const std::function<void(absl::Status)>& done);

  // From now on nothing is called back: what waits is dropped, calls under way are waited for.
  // RaiseAbove() answers Unavailable. Not from a callback. Idempotent.
  void Stop();

 private:
  void OnClaim(const absl::StatusOr<Claim>& claim);

  SharedStore& store_;
  const std::string owner_;
  const std::function<void(uint64_t)> raised_;
  mutable common::Mutex mutex_;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  common::CondVar calls_ended_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;  // Threads in callbacks.
  bool claiming_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t wanted_above_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::function<void(absl::Status)>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pointsman::controller
