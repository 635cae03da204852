#include "controller/epoch_keeper.h"

#include <algorithm>
#include <utility>

#include "controller/store/await.h"

namespace pointsman::controller {
namespace {

constexpr char kScope[] = "controller";

}  // namespace

absl::Status EpochKeeper::ClaimFirst() {
  absl::StatusOr<Claim> claim = Await<Claim>([this](SharedStore::Callback<Claim> done) {
    store_.ClaimScope({kScope, owner_, 0}, std::move(done));
  });
  if (!claim.ok()) return claim.status();
  common::MutexLock lock(mutex_);
  epoch_ = claim->epoch;
  return absl::OkStatus();
}

uint64_t EpochKeeper::epoch() const {
  common::MutexLock lock(mutex_);
  return epoch_;
}

void EpochKeeper::RaiseAbove(uint64_t presented, const std::function<void(absl::Status)>& done) {
  absl::Status at_once;
  uint64_t above = 0;
  bool waits = false;
  {
    common::MutexLock lock(mutex_);
    if (stopped_) {
      at_once = absl::UnavailableError("CONTROLLER_STOPPING: this controller shuts down");
    } else if (presented >= epoch_) {
      waits = true;
      waiting_.push_back(done);
      wanted_above_ = std::max(wanted_above_, presented);
      if (claiming_) return;
      claiming_ = true;
      above = wanted_above_;
    }
  }
  if (!waits) {
    done(at_once);
    return;
  }
  store_.ClaimScope({kScope, owner_, above},
                    [this](const absl::StatusOr<Claim>& claim) { OnClaim(claim); });
}

void EpochKeeper::OnClaim(const absl::StatusOr<Claim>& claim) {
  std::vector<std::function<void(absl::Status)>> waiting;
  uint64_t above = 0;
  {
    common::MutexLock lock(mutex_);
    claiming_ = false;
    if (stopped_) {
      waiting_.clear();
      return;
    }
    if (claim.ok()) epoch_ = std::max(epoch_, claim->epoch);
    if (claim.ok() && wanted_above_ >= epoch_) {
      claiming_ = true;  // Somebody presented a higher one meanwhile.
      above = wanted_above_;
    } else {
      waiting.swap(waiting_);
      ++calls_;
    }
  }
  if (above != 0) {
    store_.ClaimScope({kScope, owner_, above},
                      [this](const absl::StatusOr<Claim>& next) { OnClaim(next); });
    return;
  }
  if (claim.ok()) raised_(claim->epoch);
  for (auto& done : waiting) done(claim.status());
  common::MutexLock lock(mutex_);
  --calls_;
  calls_ended_.NotifyAll();
}

void EpochKeeper::Stop() {
  common::MutexLock lock(mutex_);
  stopped_ = true;
  while (calls_ > 0) calls_ended_.Wait(mutex_);
}

}  // namespace pointsman::controller
