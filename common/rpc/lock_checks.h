#pragma once

// Debian builds Abseil with its lock-order checks on: each lock that gRPC takes is written into one
// graph of all locks, under one global lock. That costs about a tenth of a busy controller's CPU
// and half a kilobyte for each lock, and finds faults in gRPC, not in ours (our locks are
// common::Mutex).

namespace pointsman::common {

// Turns the checks off for the whole process. Call first in main().
void TurnOffLockOrderChecks();

}  // namespace pointsman::common
