#include "controller/core/policy.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "pointsman/v1/override.pb.h"
#include "pointsman/v1/service.pb.h"

namespace pointsman::controller {
namespace {

// Absent or out of range at either end: the nearest allowed value.
absl::Duration DurationOr(bool present, const google::protobuf::Duration& value,
                          absl::Duration fallback, absl::Duration low, absl::Duration high) {
  if (!present) return fallback;
  const absl::Duration given = absl::Seconds(value.seconds()) + absl::Nanoseconds(value.nanos());
  return std::clamp(given, low, high);
}

double NumberOr(double value, double fallback, double low, double high) {
  if (!(value > 0)) return fallback;
  return std::clamp(value, low, high);
}

HealthRules HealthFrom(const v1::HealthPolicy& in) {
  HealthRules out;
  out.removal_cap = NumberOr(in.removal_cap(), out.removal_cap, 0.01, 1);
  out.removal_window = DurationOr(in.has_removal_window(), in.removal_window(), out.removal_window,
                                  absl::Seconds(1), absl::Hours(1));
  if (in.has_fail_open_below()) out.fail_open_below = std::clamp(in.fail_open_below(), 0.0, 1.0);
  out.deregister_after = DurationOr(in.has_deregister_after(), in.deregister_after(),
                                    out.deregister_after, absl::Seconds(5), absl::Hours(24));
  out.silent_after = DurationOr(in.has_silent_after(), in.silent_after(), out.silent_after,
                                absl::Seconds(1), absl::Minutes(10));
  out.shadow = in.shadow();
  return out;
}

Signal SignalFrom(v1::LoadSignal signal) {
  switch (signal) {
    case v1::LOAD_SIGNAL_CPU:
      return Signal::kCpu;
    case v1::LOAD_SIGNAL_IN_FLIGHT:
      return Signal::kInFlight;
    case v1::LOAD_SIGNAL_QUEUE_DELAY:
      return Signal::kQueueDelay;
    case v1::LOAD_SIGNAL_UTILISATION:
      return Signal::kUtilisation;
    case v1::LOAD_SIGNAL_NONE:
      return Signal::kNone;
    default:
      return Signal::kMax;
  }
}

WeightRules WeightsFrom(const v1::WeightPolicy& in) {
  WeightRules out;
  out.signal = SignalFrom(in.signal());
  out.min_factor = NumberOr(in.min_factor(), out.min_factor, 0.001, 1);
  out.max_factor = NumberOr(in.max_factor(), out.max_factor, 1, 100);
  out.slow_start = DurationOr(in.has_slow_start(), in.slow_start(), out.slow_start,
                              absl::ZeroDuration(), absl::Hours(1));
  out.slow_start_initial = NumberOr(in.slow_start_initial(), out.slow_start_initial, 0.01, 1);
  out.shadow = in.shadow();
  out.blend = NumberOr(in.blend(), out.blend, 0.01, 1);
  out.control_period = DurationOr(in.has_control_period(), in.control_period(), out.control_period,
                                  absl::Milliseconds(100), absl::Minutes(1));
  return out;
}

}  // namespace

ServicePolicy PolicyFromConfig(const v1::Service& service) {
  ServicePolicy policy;
  for (const v1::HealthCheck& check : service.checks()) {
    const char* kind = check.has_tcp() ? "tcp" : "http";
    policy.checks.push_back(check.name().empty() ? kind : check.name());
  }
  policy.health = HealthFrom(service.health());
  policy.weights = WeightsFrom(service.weights());
  const v1::Picker::Kind picker = service.picker().kind();
  // Their names promise turns and draws that load has no part in.
  if (picker == v1::Picker::KIND_RANDOM || picker == v1::Picker::KIND_ROUND_ROBIN) {
    policy.weights.signal = Signal::kNone;
  }
  policy.overprovisioning = NumberOr(service.failover().overprovisioning(), 1.4, 1, 10);
  policy.recovery.disabled = service.recovery().disabled();
  policy.recovery.max_share = NumberOr(service.recovery().max_share(), 0.2, 0.01, 1);
  policy.recovery.grant_lease =
      DurationOr(service.recovery().has_grant_lease(), service.recovery().grant_lease(),
                 absl::Seconds(60), absl::Seconds(5), absl::Hours(1));
  const v1::Timeouts& timeouts = service.timeouts();
  // The shortest of those that may have ended a try.
  policy.try_timeout = DurationOr(timeouts.has_first_byte(), timeouts.first_byte(),
                                  absl::Seconds(30), absl::Milliseconds(1), absl::Hours(1));
  policy.try_timeout = std::min(
      policy.try_timeout, DurationOr(timeouts.has_connect(), timeouts.connect(), absl::Seconds(1),
                                     absl::Milliseconds(1), absl::Hours(1)));
  policy.try_timeout = std::min(
      policy.try_timeout,
      DurationOr(service.retries().has_per_try_timeout(), service.retries().per_try_timeout(),
                 policy.try_timeout, absl::Milliseconds(1), absl::Hours(1)));
  return policy;
}

EndpointOverride OverrideFromConfig(const v1::Override& override) {
  EndpointOverride out;
  if (override.has_drain() && override.drain()) out.kind = OverrideKind::kDrain;
  if (override.has_eject() && override.eject()) out.kind = OverrideKind::kEject;
  if (override.has_weight()) {
    out.kind = OverrideKind::kWeight;
    out.weight = NumberOr(override.weight(), 1, 0.001, 100);
  }
  out.author = override.author();
  out.comment = override.comment();
  return out;
}

absl::string_view BareServiceId(absl::string_view name) {
  return absl::StripPrefix(name, "services/");
}

const char* SignalName(Signal signal) {
  switch (signal) {
    case Signal::kMax:
      return "max";
    case Signal::kCpu:
      return "cpu";
    case Signal::kInFlight:
      return "in_flight";
    case Signal::kQueueDelay:
      return "queue_delay";
    case Signal::kUtilisation:
      return "utilisation";
    case Signal::kNone:
      return "none";
  }
  return "none";
}

}  // namespace pointsman::controller
