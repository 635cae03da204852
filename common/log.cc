#include "common/log.h"

#include <unistd.h>

#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/core/utf8.h"

namespace pointsman::common {
namespace {

constexpr absl::string_view kLevelWords[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
constexpr absl::string_view kOtherEvents = "(others)";

bool IsPlain(absl::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c)) || c == '"' || c == '=' || c == '\\') {
      return false;
    }
  }
  return true;
}

// As a JSON string: control characters escaped, what is not UTF-8 replaced, so that a line stays
// one line and one valid object whatever a peer sent.
void AppendQuoted(std::string* out, absl::string_view text) {
  out->push_back('"');
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    const unsigned char c = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      absl::StrAppend(out, "\\ufffd");
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(c));
    } else if (c == '\n') {
      absl::StrAppend(out, "\\n");
    } else if (c < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(out, "\\u%04x", c);
    } else {
      absl::StrAppend(out, text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  out->push_back('"');
}

struct ValueWriter {
  std::string* out;
  bool json;

  void operator()(absl::string_view text) const {
    if (json || !IsPlain(text)) {
      AppendQuoted(out, text);
    } else {
      absl::StrAppend(out, text);
    }
  }
  void operator()(int64_t number) const { absl::StrAppend(out, number); }
  void operator()(uint64_t number) const { absl::StrAppend(out, number); }
  void operator()(bool value) const { absl::StrAppend(out, value ? "true" : "false"); }
  void operator()(double number) const {
    if (std::isfinite(number)) {
      absl::StrAppend(out, number);
    } else {
      absl::StrAppend(out, json ? "null" : (std::isnan(number) ? "nan" : "inf"));
    }
  }
  void operator()(absl::Duration duration) const {
    if (json) {
      (*this)(absl::ToDoubleSeconds(duration));
    } else {
      absl::StrAppend(out, absl::FormatDuration(duration));
    }
  }
};

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

struct Line {
  absl::Time time;
  LogLevel level;
  absl::string_view event;
  LogFields fields;
  uint64_t dropped;
};

std::string FormatText(const Line& line) {
  std::string out = absl::StrCat(TimeText(line.time), " ",
                                 kLevelWords[static_cast<int>(line.level)], " ", line.event);
  for (const LogField& field : line.fields) {
    absl::StrAppend(&out, " ", field.key(), "=");
    std::visit(ValueWriter{&out, false}, field.value());
  }
  if (line.dropped > 0) absl::StrAppend(&out, " dropped=", line.dropped);
  out.push_back('\n');
  return out;
}

std::string FormatJsonLine(const Line& line) {
  std::string out = absl::StrCat("{\"time\":\"", TimeText(line.time), "\",\"level\":\"",
                                 absl::AsciiStrToLower(kLevelWords[static_cast<int>(line.level)]),
                                 "\",\"event\":");
  AppendQuoted(&out, line.event);
  for (const LogField& field : line.fields) {
    out.push_back(',');
    AppendQuoted(&out, field.key());
    out.push_back(':');
    std::visit(ValueWriter{&out, true}, field.value());
  }
  if (line.dropped > 0) absl::StrAppend(&out, ",\"dropped\":", line.dropped);
  absl::StrAppend(&out, "}\n");
  return out;
}

void WriteToStandardError(absl::string_view line) {
  while (!line.empty()) {
    const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
    if (written <= 0) return;  // Nowhere left to complain.
    line.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

absl::Status ParseLogLevel(absl::string_view text, LogLevel* level) {
  constexpr std::pair<absl::string_view, LogLevel> kWords[] = {
      {"debug", LogLevel::kDebug},  {"info", LogLevel::kInfo},   {"warning", LogLevel::kWarning},
      {"warn", LogLevel::kWarning}, {"error", LogLevel::kError}, {"off", LogLevel::kOff},
  };
  for (const auto& [word, value] : kWords) {
    if (absl::EqualsIgnoreCase(text, word)) {
      *level = value;
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("log level \"", text, "\": must be debug, info, warning, error or off"));
}

absl::Status ParseLogFormat(absl::string_view text, LogFormat* format) {
  if (absl::EqualsIgnoreCase(text, "text")) {
    *format = LogFormat::kText;
  } else if (absl::EqualsIgnoreCase(text, "json")) {
    *format = LogFormat::kJson;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("log format \"", text, "\": must be text or json"));
  }
  return absl::OkStatus();
}

absl::string_view LogLevelName(LogLevel level) {
  constexpr absl::string_view kNames[] = {"debug", "info", "warning", "error", "off"};
  return kNames[static_cast<int>(level)];
}

Logger::Logger(const LogOptions& options, const Clock& clock, Sink sink)
    : clock_(clock),
      sink_(std::move(sink)),
      level_(static_cast<int>(options.level)),
      options_(options) {}

void Logger::SetLevel(LogLevel level) {
  MutexLock lock(mutex_);
  options_.level = level;
  level_.store(static_cast<int>(level), std::memory_order_relaxed);
}

void Logger::Configure(const LogOptions& options) {
  MutexLock lock(mutex_);
  options_ = options;
  level_.store(static_cast<int>(options.level), std::memory_order_relaxed);
}

bool Logger::Admit(absl::string_view event, uint64_t* dropped) {
  auto found = rates_.find(event);
  if (found == rates_.end()) {
    if (rates_.size() >= kEventNamesMax) event = kOtherEvents;
    found = rates_.try_emplace(std::string(event)).first;
  }
  Rate& rate = found->second;
  const MonotonicTime now = clock_.Now();
  if (rate.lines == 0 || now - rate.window_start >= absl::Seconds(1)) {
    rate.window_start = now;
    rate.lines = 0;
  }
  if (rate.lines >= options_.lines_per_second_max) {
    ++rate.dropped;
    return false;
  }
  ++rate.lines;
  *dropped = std::exchange(rate.dropped, 0);
  return true;
}

void Logger::Log(LogLevel level, absl::string_view event, LogFields fields) {
  if (!Enabled(level) || level == LogLevel::kOff) return;
  MutexLock lock(mutex_);
  uint64_t dropped = 0;
  if (!Admit(event, &dropped)) return;
  const Line line{clock_.WallNow(), level, event, fields, dropped};
  sink_(options_.format == LogFormat::kJson ? FormatJsonLine(line) : FormatText(line));
}

Logger& ProcessLogger() {
  static Logger& logger = *new Logger({}, SystemClock(), WriteToStandardError);
  return logger;
}

}  // namespace pointsman::common
