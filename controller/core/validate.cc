#include "controller/core/validate.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/status_macros.h"
#include "controller/core/codes.h"
#include "pointsman/v1/agent.pb.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

constexpr int kInstancesMax = 256;
constexpr int kLeasesMax = 256;
constexpr int kChecksMax = 8;
constexpr int kLabelsMax = 16;
constexpr size_t kNameMax = 63;
constexpr size_t kAddressMax = 255;
constexpr size_t kLabelValueMax = 255;
constexpr size_t kDetailMax = 127;
constexpr size_t kVersionMax = 127;
constexpr int kSlicesMax = 10'000;
constexpr int kObservedMax = 4'096;
constexpr int kBucketsMax = 20;
// Longest window and age, and bounds of gauges, beyond which a number is a mistake.
constexpr int64_t kSecondsMax = 7 * 24 * 3600;
constexpr double kUtilisationMax = 1e4;
constexpr double kInFlightMax = 1e9;
constexpr uint64_t kCounterMax = uint64_t{1} << 62;

template <typename... Parts>
absl::Status Refuse(const char* code, const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(code, ": ", parts...));
}

bool IsName(const std::string& text) {
  if (text.empty() || text.size() > kNameMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

bool IsServiceId(const std::string& text) {
  if (text.empty() || text.size() > kNameMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
  });
}

// Not negative, and not longer than a week.
template <typename Duration>
bool IsTime(const Duration& duration) {
  return duration.seconds() >= 0 && duration.seconds() <= kSecondsMax && duration.nanos() >= 0 &&
         duration.nanos() < 1'000'000'000;
}

template <typename Duration>
bool IsPositiveTime(const Duration& duration) {
  return IsTime(duration) && (duration.seconds() > 0 || duration.nanos() > 0);
}

struct Gauge {
  const char* name;
  double value;
  double max;
};

absl::Status CheckGauge(const Gauge& gauge, absl::string_view where, const char* not_finite,
                        const char* out_of_range) {
  if (!std::isfinite(gauge.value)) return Refuse(not_finite, where, gauge.name, " is not finite");
  if (gauge.value < 0 || gauge.value > gauge.max) {
    return Refuse(out_of_range, where, gauge.name, " is ", gauge.value, ", range 0 to ", gauge.max);
  }
  return absl::OkStatus();
}

absl::Status ValidateLoad(const v1::InstanceLoad& load, absl::string_view where) {
  const Gauge gauges[] = {{"cpu_utilisation", load.cpu_utilisation(), kUtilisationMax},
                          {"in_flight", load.in_flight(), kInFlightMax},
                          {"utilisation", load.utilisation(), kUtilisationMax}};
  for (const Gauge& gauge : gauges) {
    PM_RETURN_IF_ERROR(CheckGauge(gauge, where, kReportNotFinite, kReportOutOfRange));
  }
  if (!IsTime(load.queue_delay())) return Refuse(kReportOutOfRange, where, "queue_delay");
  if (load.requests() > kCounterMax || load.errors() > kCounterMax) {
    return Refuse(kReportOutOfRange, where, "requests or errors above 2^62");
  }
  return absl::OkStatus();
}

absl::Status ValidateChecks(const v1::InstanceReport& instance, absl::string_view where) {
  if (instance.checks_size() > kChecksMax) {
    return Refuse(kReportTooLarge, where, "checks: ", instance.checks_size(), ", at most ",
                  kChecksMax);
  }
  for (const v1::CheckState& check : instance.checks()) {
    if (!v1::CheckStatus_IsValid(check.status()) ||
        !v1::CheckFailure_IsValid(check.last_failure())) {
      return Refuse(kReportOutOfRange, where, "checks: unknown status or failure");
    }
    if (!IsTime(check.since()) || !IsTime(check.last_latency()) || !IsTime(check.age()) ||
        !IsTime(check.slow_after())) {
      return Refuse(kReportOutOfRange, where, "checks: a time is negative or above a week");
    }
    if (check.detail().size() > kDetailMax) {
      return Refuse(kReportTooLarge, where, "checks.detail: ", check.detail().size(),
                    " bytes, at most ", kDetailMax);
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateObserved(const v1::EndpointObservation& o) {
  const std::string where = absl::StrCat("handle ", o.handle(), ": ");
  if (o.handle() == 0) return Refuse(kObservationsOutOfRange, "handle is 0");
  PM_RETURN_IF_ERROR(CheckGauge({"in_flight", o.in_flight(), kInFlightMax}, where,
                                kObservationsNotFinite, kObservationsOutOfRange));
  const uint64_t counters[] = {o.requests(), o.connect_failures(), o.resets(), o.timeouts(),
                               o.server_errors()};
  for (const uint64_t counter : counters) {
    if (counter > kCounterMax) {
      return Refuse(kObservationsOutOfRange, where, "a counter is above 2^62");
    }
  }
  // Cumulative over the gateway's life: longer than a week is possible.
  if (o.latency_sum().seconds() < 0 || o.latency_sum().nanos() < 0 || o.avoided().seconds() < 0 ||
      o.avoided().nanos() < 0) {
    return Refuse(kObservationsOutOfRange, where, "a time is negative");
  }
  if (o.latency_buckets_size() > kBucketsMax) {
    return Refuse(kObservationsTooLarge, where, "latency_buckets: ", o.latency_buckets_size(),
                  ", at most ", kBucketsMax);
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view CodeOf(const absl::Status& status) {
  const absl::string_view message = status.message();
  const size_t end = message.find(": ");
  if (end == absl::string_view::npos) return "";
  const absl::string_view code = message.substr(0, end);
  const bool valid = !code.empty() && std::all_of(code.begin(), code.end(), [](char c) {
    return absl::ascii_isupper(static_cast<unsigned char>(c)) || c == '_';
  });
  return valid ? code : "";
}

absl::Status ValidateEndpoint(const v1::Endpoint& endpoint) {
  if (!IsName(endpoint.id())) {
    return Refuse(kEndpointInvalid, "id must be 1 to 63 bytes of [A-Za-z0-9._-]");
  }
  const std::string where = absl::StrCat(endpoint.id(), ": ");
  if (endpoint.address().empty() || endpoint.address().size() > kAddressMax) {
    return Refuse(kEndpointInvalid, where, "address has ", endpoint.address().size(),
                  " bytes, range 1 to ", kAddressMax);
  }
  // A gateway refuses a whole slice with an address that it cannot read.
  const auto address = common::ParseEndpointAddress(endpoint.address());
  if (!address.ok()) return Refuse(kEndpointInvalid, where, address.status().message());
  if (endpoint.locality().region().size() > kNameMax ||
      endpoint.locality().zone().size() > kNameMax) {
    return Refuse(kEndpointInvalid, where, "locality: at most 63 bytes each");
  }
  if (endpoint.labels_size() > kLabelsMax) {
    return Refuse(kEndpointInvalid, where, "labels: ", endpoint.labels_size(), ", at most ",
                  kLabelsMax);
  }
  for (const auto& [key, value] : endpoint.labels()) {
    if (key.empty() || key.size() > kNameMax || value.size() > kLabelValueMax) {
      return Refuse(kEndpointInvalid, where, "labels: key 1 to 63, value at most 255 bytes");
    }
  }
  const double capacity = endpoint.capacity();
  if (!std::isfinite(capacity) || (capacity != 0 && (capacity < 0.01 || capacity > 100))) {
    return Refuse(kEndpointInvalid, where, "capacity is ", capacity, ", range 0.01 to 100");
  }
  if (endpoint.priority() > 15) {
    return Refuse(kEndpointInvalid, where, "priority is ", endpoint.priority(), ", range 0 to 15");
  }
  return absl::OkStatus();
}

absl::Status ValidateHello(const v1::AgentHello& hello) {
  if (!IsName(hello.agent_id())) {
    return Refuse(kHelloInvalid, "agent_id must be 1 to 63 bytes of [A-Za-z0-9._-]");
  }
  if (hello.boot_id() == 0) return Refuse(kHelloInvalid, "boot_id is 0");
  if (hello.version().size() > kVersionMax) return Refuse(kHelloInvalid, "version is too long");
  if (hello.instances_size() > kInstancesMax) {
    return Refuse(kHelloTooManyInstances, "instances: ", hello.instances_size(), ", at most ",
                  kInstancesMax);
  }
  if (hello.leases_size() > kLeasesMax) {
    return Refuse(kHelloTooManyLeases, "leases: ", hello.leases_size(), ", at most ", kLeasesMax);
  }
  std::set<std::pair<std::string, std::string>> named;
  for (const v1::Instance& instance : hello.instances()) {
    if (!IsServiceId(instance.service())) {
      return Refuse(kHelloInvalid, "instances: service must be 1 to 63 bytes of [a-z0-9-]");
    }
    PM_RETURN_IF_ERROR(ValidateEndpoint(instance.endpoint()));
    if (!named.emplace(instance.service(), instance.endpoint().id()).second) {
      return Refuse(kHelloDuplicateInstance, instance.service(), "/", instance.endpoint().id(),
                    " is named twice");
    }
  }
  for (const v1::RestartLease& lease : hello.leases()) {
    if (!IsServiceId(lease.service()) || !IsName(lease.endpoint()) || !IsTime(lease.remaining())) {
      return Refuse(kHelloInvalid, "leases: service, endpoint or remaining time is invalid");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateReport(const v1::AgentReport& report, uint32_t instances) {
  if (report.sequence() == 0) return Refuse(kReportOutOfRange, "sequence is 0");
  if (!IsPositiveTime(report.window())) {
    return Refuse(kReportOutOfRange, "window must be above 0 and at most a week");
  }
  if (report.instances_size() != static_cast<int>(instances)) {
    return Refuse(kReportUnknownInstance, "instances: ", report.instances_size(),
                  ", the Hello has ", instances);
  }
  const Gauge host[] = {{"host.cpu_utilisation", report.host().cpu_utilisation(), 1.01},
                        {"host.memory_utilisation", report.host().memory_utilisation(), 1.01}};
  for (const Gauge& gauge : host) {
    PM_RETURN_IF_ERROR(CheckGauge(gauge, "", kReportNotFinite, kReportOutOfRange));
  }
  for (int i = 0; i < report.instances_size(); ++i) {
    const v1::InstanceReport& instance = report.instances(i);
    const bool plain = instance.checks_size() == 0 && !instance.has_load();
    const std::string where = plain ? std::string() : absl::StrCat("instances[", i, "].");
    if (!v1::ProcessState_IsValid(instance.process())) {
      return Refuse(kReportOutOfRange, "instances[", i, "].process is unknown");
    }
    PM_RETURN_IF_ERROR(ValidateChecks(instance, where));
    PM_RETURN_IF_ERROR(ValidateLoad(instance.load(), where));
  }
  return absl::OkStatus();
}

absl::Status ValidateRestartRequest(const v1::RestartRequest& request, uint32_t instances) {
  if (request.instance() >= instances) {
    return Refuse(kReportUnknownInstance, "instance is ", request.instance(), ", the Hello has ",
                  instances);
  }
  if (request.cause().size() > kDetailMax) {
    return Refuse(kRestartInvalid, "cause: ", request.cause().size(), " bytes, at most ",
                  kDetailMax);
  }
  return absl::OkStatus();
}

absl::Status ValidateRestartResult(const v1::RestartResult& result) {
  if (result.detail().size() > kDetailMax) {
    return Refuse(kRestartInvalid, "detail: ", result.detail().size(), " bytes, at most ",
                  kDetailMax);
  }
  return absl::OkStatus();
}

absl::Status ValidateGatewayHello(const v1::GatewayHello& hello) {
  if (!IsName(hello.gateway_id())) {
    return Refuse(kHelloInvalid, "gateway_id must be 1 to 63 bytes of [A-Za-z0-9._-]");
  }
  if (hello.boot_id() == 0) return Refuse(kHelloInvalid, "boot_id is 0");
  if (hello.version().size() > kVersionMax) return Refuse(kHelloInvalid, "version is too long");
  if (hello.locality().region().size() > kNameMax || hello.locality().zone().size() > kNameMax) {
    return Refuse(kHelloInvalid, "locality: at most 63 bytes each");
  }
  if (hello.slices_size() > kSlicesMax) {
    return Refuse(kHelloInvalid, "slices: ", hello.slices_size(), ", at most ", kSlicesMax);
  }
  for (const v1::HeldSlice& slice : hello.slices()) {
    if (!IsServiceId(slice.service())) {
      return Refuse(kHelloInvalid, "slices: service must be 1 to 63 bytes of [a-z0-9-]");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateObservations(const v1::Observations& observations) {
  if (observations.sequence() == 0) return Refuse(kObservationsOutOfRange, "sequence is 0");
  if (!IsPositiveTime(observations.window())) {
    return Refuse(kObservationsOutOfRange, "window must be above 0 and at most a week");
  }
  int observed = 0;
  for (const v1::ServiceObservations& service : observations.services()) {
    if (!IsServiceId(service.service())) {
      return Refuse(kObservationsOutOfRange, "service must be 1 to 63 bytes of [a-z0-9-]");
    }
    observed += service.endpoints_size();
    if (observed > kObservedMax) {
      return Refuse(kObservationsTooLarge, "more than ", kObservedMax, " endpoints");
    }
    for (const v1::EndpointObservation& observation : service.endpoints()) {
      PM_RETURN_IF_ERROR(ValidateObserved(observation));
    }
  }
  return absl::OkStatus();
}

}  // namespace pointsman::controller
