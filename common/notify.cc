#include "common/notify.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace pointsman::common {
namespace {

void Notify(const std::string& text) {
  // Failure means that nobody listens; there is nothing to do about it.
  static_cast<void>(sd_notify(/*unset_environment=*/0, text.c_str()));
}

}  // namespace

void NotifyReady() { Notify("READY=1"); }

void NotifyMainPid(int pid) { Notify(absl::StrCat("MAINPID=", pid)); }

void NotifyStopping() { Notify("STOPPING=1"); }

void NotifyStatus(absl::string_view status) {
  std::string line(status);
  std::replace(line.begin(), line.end(), '\n', ' ');
  Notify(absl::StrCat("STATUS=", line));
}

std::optional<absl::Duration> WatchdogInterval() {
  uint64_t micros = 0;
  if (sd_watchdog_enabled(/*unset_environment=*/0, &micros) <= 0) return std::nullopt;
  return absl::Microseconds(static_cast<int64_t>(micros));
}

void NotifyWatchdog() { Notify("WATCHDOG=1"); }

}  // namespace pointsman::common
