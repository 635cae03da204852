#pragma once

// What the kernel's text files say, as readings. Pure parsing: InvalidArgument when a text is not
// in the form of its man page (proc(5), cgroup-v2). Thread-safe (no state).

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/core/load.h"

namespace pointsman::agent {

// /proc/stat: the first line. Steal time is not available to this host, so it counts as busy.
absl::StatusOr<CpuReading> ParseProcStat(absl::string_view text, double ticks_per_second);

// /proc/meminfo: share that is not available, 0 to 1.
absl::StatusOr<double> ParseMeminfo(absl::string_view text);

struct ProcessStat {
  double cpu_seconds = 0;
  uint64_t start_ticks = 0;  // Together with the pid: which process this is.
  uint64_t resident_pages = 0;
};
// /proc/PID/stat. The name in it may hold anything, also ')'.
absl::StatusOr<ProcessStat> ParseProcessStat(absl::string_view text, double ticks_per_second);

// cpu.stat: usage_usec in seconds.
absl::StatusOr<double> ParseCgroupCpuStat(absl::string_view text);
// cpu.max: CPUs that may be used; absent: unlimited ("max").
absl::StatusOr<std::optional<double>> ParseCgroupCpuMax(absl::string_view text);
// memory.current and the like: one number.
absl::StatusOr<uint64_t> ParseNumber(absl::string_view text);

}  // namespace pointsman::agent
