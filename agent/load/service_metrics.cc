#include "agent/load/service_metrics.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"

namespace pointsman::agent {
namespace {

using Json = nlohmann::json;

// Above these a number is a mistake, whatever the service does.
constexpr double kGaugeMax = 1e9;
constexpr double kQueueDelaySecondsMax = 86400;

absl::Status Bad(const char* key, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("METRICS_VALUE: ", key, ": ", why));
}

absl::StatusOr<std::optional<double>> Gauge(const Json& object, const char* key, double max) {
  const auto at = object.find(key);
  if (at == object.end() || at->is_null()) return std::optional<double>();
  if (!at->is_number()) return Bad(key, "not a number");
  const double value = at->get<double>();
  if (!std::isfinite(value) || value < 0 || value > max) {
    return Bad(key, absl::StrCat(value, " is not within 0 to ", max));
  }
  return std::optional<double>(value);
}

absl::StatusOr<std::optional<uint64_t>> Count(const Json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end() || at->is_null()) return std::optional<uint64_t>();
  if (at->is_number_unsigned()) return std::optional<uint64_t>(at->get<uint64_t>());
  if (!at->is_number()) return Bad(key, "not a number");
  const double value = at->get<double>();
  // 2^63: above it a double no longer counts anything.
  if (!std::isfinite(value) || value < 0 || value > 9.2e18 || value != std::floor(value)) {
    return Bad(key, absl::StrCat(value, " is not a whole number of at least 0"));
  }
  return std::optional<uint64_t>(static_cast<uint64_t>(value));
}

}  // namespace

absl::StatusOr<ServiceMetrics> ParseServiceMetrics(absl::string_view text) {
  const Json object = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError("METRICS_SYNTAX: not one JSON object");
  }
  ServiceMetrics metrics;
  PM_ASSIGN_OR_RETURN(metrics.in_flight, Gauge(object, "in_flight", kGaugeMax));
  PM_ASSIGN_OR_RETURN(metrics.utilisation, Gauge(object, "utilisation", kGaugeMax));
  PM_ASSIGN_OR_RETURN(const std::optional<double> delay,
                      Gauge(object, "queue_delay_seconds", kQueueDelaySecondsMax));
  if (delay.has_value()) metrics.queue_delay = absl::Seconds(*delay);
  PM_ASSIGN_OR_RETURN(metrics.requests, Count(object, "requests"));
  PM_ASSIGN_OR_RETURN(metrics.errors, Count(object, "errors"));
  return metrics;
}

}  // namespace pointsman::agent
