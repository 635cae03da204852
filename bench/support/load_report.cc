#include "bench/support/load_report.h"

#include <nlohmann/json.hpp>
#include <numeric>

#include "absl/strings/str_format.h"

namespace pointsman::bench {
namespace {

constexpr absl::string_view kFailureNames[kFailureKinds] = {"connect", "reset", "timeout", "status",
                                                            "protocol"};

double Millis(int64_t micros) { return static_cast<double>(micros) / 1e3; }

double Seconds(common::MonotonicTime time) { return static_cast<double>(time.micros()) / 1e6; }

nlohmann::json LatencyJson(const LatencyRecorder& latency) {
  return {{"p50_ms", Millis(latency.QuantileMicros(0.5))},
          {"p90_ms", Millis(latency.QuantileMicros(0.9))},
          {"p99_ms", Millis(latency.QuantileMicros(0.99))},
          {"p999_ms", Millis(latency.QuantileMicros(0.999))},
          {"max_ms", Millis(latency.max_micros())}};
}

nlohmann::json BackendsJson(const LoadReport& report) {
  nlohmann::json backends = nlohmann::json::object();
  for (const auto& [name, count] : report.backends) {
    nlohmann::json one = LatencyJson(count.latency);
    one["ok"] = count.ok;
    one["failed"] = count.failed;
    one["last"] = Seconds(count.last);
    backends[name] = std::move(one);
  }
  return backends;
}

}  // namespace

absl::string_view FailureName(Failure failure) {
  return kFailureNames[static_cast<size_t>(failure)];
}

uint64_t LoadReport::failed() const {
  return std::accumulate(failures.begin(), failures.end(), uint64_t{0});
}

std::string ReportJson(const LoadReport& report, absl::string_view kind, absl::Duration elapsed,
                       common::MonotonicTime now) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  nlohmann::json json = LatencyJson(report.latency);
  json["kind"] = std::string(kind);
  json["now"] = Seconds(now);
  json["seconds"] = seconds;
  json["sent"] = report.sent;
  json["ok"] = report.ok;
  json["failed"] = report.failed();
  json["resent"] = report.resent;
  json["connections"] = report.connections;
  json["rps"] = seconds > 0 ? static_cast<double>(report.ok) / seconds : 0;
  json["failures"] = nlohmann::json::object();
  for (size_t i = 0; i < kFailureKinds; ++i) {
    json["failures"][std::string(kFailureNames[i])] = report.failures[i];
  }
  json["statuses"] = nlohmann::json::object();
  for (const auto& [status, count] : report.statuses) {
    json["statuses"][std::to_string(status)] = count;
  }
  json["backends"] = BackendsJson(report);
  if (report.failed() > 0) {
    json["first_failure"] = Seconds(report.first_failure);
    json["last_failure"] = Seconds(report.last_failure);
  }
  // A header's bytes may be anything: what is not UTF-8 is replaced.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string ReportText(const LoadReport& report, absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  std::string text = absl::StrFormat(
      "%d sent in %.1f s: %d ok (%.0f/s), %d failed, %d resent, %d connections\n", report.sent,
      seconds, report.ok, seconds > 0 ? static_cast<double>(report.ok) / seconds : 0.0,
      report.failed(), report.resent, report.connections);
  for (size_t i = 0; i < kFailureKinds; ++i) {
    if (report.failures[i] > 0) {
      absl::StrAppendFormat(&text, "  failed by %s: %d\n", kFailureNames[i], report.failures[i]);
    }
  }
  for (const auto& [status, count] : report.statuses) {
    absl::StrAppendFormat(&text, "  status %d: %d\n", status, count);
  }
  absl::StrAppendFormat(
      &text, "  latency ms: p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f\n",
      Millis(report.latency.QuantileMicros(0.5)), Millis(report.latency.QuantileMicros(0.9)),
      Millis(report.latency.QuantileMicros(0.99)), Millis(report.latency.QuantileMicros(0.999)),
      Millis(report.latency.max_micros()));
  for (const auto& [name, count] : report.backends) {
    absl::StrAppendFormat(&text, "  %-16s %8d ok %6d failed  p50 %.2f  p99 %.2f ms\n",
                          name.empty() ? "(no X-Backend)" : name, count.ok, count.failed,
                          Millis(count.latency.QuantileMicros(0.5)),
                          Millis(count.latency.QuantileMicros(0.99)));
  }
  return text;
}

}  // namespace pointsman::bench
