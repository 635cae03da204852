#pragma once

// What systemd is told: ready, stopping, status, watchdog. Outside systemd (no NOTIFY_SOCKET)
// every call does nothing. Thread-safe.

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pointsman::common {

// The program serves.
void NotifyReady();
// Another process is the service's from now on: systemd watches it instead of this one, which must
// tell nothing any more.
void NotifyMainPid(int pid);
// The program drains and will end.
void NotifyStopping();
// One line for `systemctl status`.
void NotifyStatus(absl::string_view status);
// Interval within which systemd expects NotifyWatchdog(); half of it is a good period. Absent: no
// watchdog is asked for.
std::optional<absl::Duration> WatchdogInterval();
// The program's own loops are alive.
void NotifyWatchdog();

}  // namespace pointsman::common
