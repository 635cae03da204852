#pragma once

// Structured logs: one line an event, with a stable event name and fields, as text
// ("2026-01-02T03:04:05.678Z INFO agent.connected agent=host-7 peer=10.0.0.7:4711") or as one JSON
// object. Written to standard error by the process's logger. An event name that repeats too often
// is dropped and counted: the next line that passes carries "dropped=N".
//
// Log() and Logger are thread-safe. A disabled level costs one relaxed load and a branch; fields
// are views and numbers until then, so nothing is allocated.

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <type_traits>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace pointsman::common {

enum class LogLevel { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3, kOff = 4 };
enum class LogFormat { kText, kJson };

// "debug", "info", "warning" ("warn"), "error", "off". InvalidArgument names the accepted words.
absl::Status ParseLogLevel(absl::string_view text, LogLevel* level);
// "debug", as ParseLogLevel() reads it.
absl::string_view LogLevelName(LogLevel level);
// "text", "json".
absl::Status ParseLogFormat(absl::string_view text, LogFormat* format);

// One key and value. Holds views: valid only while what it was made from lives, so make it in the
// call of Log().
class LogField {
 public:
  using Value = std::variant<absl::string_view, int64_t, uint64_t, double, bool, absl::Duration>;

  LogField(absl::string_view key, absl::string_view value) : key_(key), value_(value) {}
  LogField(absl::string_view key, const char* value)
      : key_(key), value_(absl::string_view(value)) {}
  LogField(absl::string_view key, const std::string& value)
      : key_(key), value_(absl::string_view(value)) {}
  LogField(absl::string_view key, bool value) : key_(key), value_(value) {}
  LogField(absl::string_view key, double value) : key_(key), value_(value) {}
  // Shown in seconds; the key gets no suffix: write "age", not "age_s".
  LogField(absl::string_view key, absl::Duration value) : key_(key), value_(value) {}
  template <typename T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
      LogField(absl::string_view key, T value)
      : key_(key), value_(Widen(value)) {}

  absl::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  template <typename T>
  static Value Widen(T value) {
    if constexpr (std::is_signed_v<T>) {
      return Value(static_cast<int64_t>(value));
    } else {
      return Value(static_cast<uint64_t>(value));
    }
  }

  absl::string_view key_;
  Value value_;
};

using LogFields = std::initializer_list<LogField>;

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  // Lines of one event name that pass within a second; further ones are dropped and counted. Errors
  // are limited too.
  int lines_per_second_max = 50;
};

class Logger {
 public:
  // Takes one whole line, newline included.
  using Sink = std::function<void(absl::string_view line)>;

  // Event names whose rate is watched one by one; further names share one budget.
  static constexpr int kEventNamesMax = 1024;

  // `clock` must outlive the logger. `sink` is called under a lock, one line at a time.
  Logger(const LogOptions& options, const Clock& clock, Sink sink);

  bool Enabled(LogLevel level) const {
    return static_cast<int>(level) >= level_.load(std::memory_order_relaxed);
  }
  // `event` is stable and lower case with dots ("gateway.nack"). Text in `fields` may be anything;
  // it is quoted and escaped as needed. Costs microseconds and a write when the level is enabled.
  void Log(LogLevel level, absl::string_view event, LogFields fields);
  // Take effect at once for every thread.
  void Configure(const LogOptions& options);
  void SetLevel(LogLevel level);
  LogLevel level() const { return static_cast<LogLevel>(level_.load(std::memory_order_relaxed)); }

 private:
  struct Rate {
    MonotonicTime window_start;
    int lines = 0;
    uint64_t dropped = 0;
  };
  // True: the line passes; `*dropped` is how many were dropped before it.
  bool Admit(absl::string_view event, uint64_t* dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  const Sink sink_;
  std::atomic<int> level_;
  Mutex mutex_;
  LogOptions options_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Rate, std::less<>> rates_ ABSL_GUARDED_BY(mutex_);
};

// The process's logger, to standard error; lives for ever. The only global of common/.
Logger& ProcessLogger();

inline void Log(LogLevel level, absl::string_view event, LogFields fields = {}) {
  Logger& logger = ProcessLogger();
  if (logger.Enabled(level)) logger.Log(level, event, fields);
}
inline void LogDebug(absl::string_view event, LogFields fields = {}) {
  Log(LogLevel::kDebug, event, fields);
}
inline void LogInfo(absl::string_view event, LogFields fields = {}) {
  Log(LogLevel::kInfo, event, fields);
}
inline void LogWarning(absl::string_view event, LogFields fields = {}) {
  Log(LogLevel::kWarning, event, fields);
}
inline void LogError(absl::string_view event, LogFields fields = {}) {
  Log(LogLevel::kError, event, fields);
}

}  // namespace pointsman::common
