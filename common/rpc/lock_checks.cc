#include "common/rpc/lock_checks.h"

#include "absl/synchronization/mutex.h"

namespace pointsman::common {

void TurnOffLockOrderChecks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace pointsman::common
