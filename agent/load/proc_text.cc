#include "agent/load/proc_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/core/status_macros.h"

namespace pointsman::agent {
namespace {

std::vector<absl::string_view> WordsOf(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
}

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": not in the expected form"));
}

// The number after `key` at the beginning of a line.
absl::StatusOr<uint64_t> FieldOf(absl::string_view text, absl::string_view key) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, key)) continue;
    const std::vector<absl::string_view> words = WordsOf(line.substr(key.size()));
    uint64_t value;
    if (!words.empty() && absl::SimpleAtoi(words[0], &value)) return value;
  }
  return Bad(key);
}

}  // namespace

absl::StatusOr<CpuReading> ParseProcStat(absl::string_view text, double ticks_per_second) {
  // user nice system idle iowait irq softirq steal; guest times are part of user and nice.
  const std::vector<absl::string_view> words = WordsOf(text.substr(0, text.find('\n')));
  if (words.size() < 5 || words[0] != "cpu") return Bad("/proc/stat");
  double total = 0;
  double idle = 0;
  for (size_t i = 1; i < std::min<size_t>(words.size(), 9); ++i) {
    uint64_t ticks;
    if (!absl::SimpleAtoi(words[i], &ticks)) return Bad("/proc/stat");
    total += static_cast<double>(ticks);
    if (i == 4 || i == 5) idle += static_cast<double>(ticks);
  }
  CpuReading reading;
  reading.used_seconds = (total - idle) / ticks_per_second;
  reading.available_seconds = total / ticks_per_second;
  return reading;
}

absl::StatusOr<double> ParseMeminfo(absl::string_view text) {
  PM_ASSIGN_OR_RETURN(const uint64_t total, FieldOf(text, "MemTotal:"));
  PM_ASSIGN_OR_RETURN(const uint64_t available, FieldOf(text, "MemAvailable:"));
  if (total == 0 || available > total) return Bad("/proc/meminfo");
  return 1.0 - static_cast<double>(available) / static_cast<double>(total);
}

absl::StatusOr<ProcessStat> ParseProcessStat(absl::string_view text, double ticks_per_second) {
  const size_t name_end = text.rfind(')');
  if (name_end == absl::string_view::npos) return Bad("/proc/PID/stat");
  // From the third field of the man page on: state is [0], utime [11], stime [12], starttime [19],
  // rss [21].
  const std::vector<absl::string_view> words = WordsOf(text.substr(name_end + 1));
  uint64_t user;
  uint64_t system;
  ProcessStat stat;
  if (words.size() < 22 || !absl::SimpleAtoi(words[11], &user) ||
      !absl::SimpleAtoi(words[12], &system) || !absl::SimpleAtoi(words[19], &stat.start_ticks) ||
      !absl::SimpleAtoi(words[21], &stat.resident_pages)) {
    return Bad("/proc/PID/stat");
  }
  stat.cpu_seconds = (static_cast<double>(user) + static_cast<double>(system)) / ticks_per_second;
  return stat;
}

absl::StatusOr<double> ParseCgroupCpuStat(absl::string_view text) {
  PM_ASSIGN_OR_RETURN(const uint64_t micros, FieldOf(text, "usage_usec"));
  return static_cast<double>(micros) / 1e6;
}

absl::StatusOr<std::optional<double>> ParseCgroupCpuMax(absl::string_view text) {
  const std::vector<absl::string_view> words = WordsOf(text);
  if (words.size() != 2) return Bad("cpu.max");
  if (words[0] == "max") return std::optional<double>();
  uint64_t quota;
  uint64_t period;
  if (!absl::SimpleAtoi(words[0], &quota) || !absl::SimpleAtoi(words[1], &period) || quota == 0 ||
      period == 0) {
    return Bad("cpu.max");
  }
  return std::optional<double>(static_cast<double>(quota) / static_cast<double>(period));
}

absl::StatusOr<uint64_t> ParseNumber(absl::string_view text) {
  uint64_t value;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &value)) return Bad("number");
  return value;
}

}  // namespace pointsman::agent
