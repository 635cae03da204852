#include "common/rpc/lock_checks.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/synchronization/mutex.h"

namespace pointsman::common {
namespace {

void LockInOrder(absl::Mutex& first, absl::Mutex& second) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  first.Lock();
  second.Lock();
  second.Unlock();
  first.Unlock();
}

[[noreturn]] void ContradictAndExit() {
  TurnOffLockOrderChecks();
  absl::Mutex a;
  absl::Mutex b;
  LockInOrder(a, b);
  LockInOrder(b, a);
  std::exit(0);
}

// With the checks on, the second order ends the process.
TEST(LockChecksTest, OrdersThatContradictAreNoConcern) {
  EXPECT_EXIT(ContradictAndExit(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace pointsman::common
