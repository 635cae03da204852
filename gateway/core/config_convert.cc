#include "gateway/core/config_convert.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/names.h"
#include "gateway/core/policy_time.h"

namespace pointsman::gateway {
namespace {

constexpr int kServicesMax = 10'000;
constexpr int kRoutesMax = 10'000;
constexpr uint32_t kWaitingMax = 100'000;
constexpr uint32_t kAdaptiveMinDefault = 20;
constexpr double kHedgePercentileDefault = 95;

UpstreamTls TlsOf(const v1::Service& service) {
  UpstreamTls tls;
  tls.ca_pem = service.tls().ca_pem();
  tls.server_name = service.tls().server_name();
  tls.insecure = service.tls().insecure();
  tls.protocol = service.protocol() == v1::PROTOCOL_HTTP2 ? UpstreamProtocol::kHttp2
                 : service.protocol() == v1::PROTOCOL_TCP ? UpstreamProtocol::kTcp
                                                          : UpstreamProtocol::kHttp1;
  return tls;
}

PickerPolicy::Kind KindOf(v1::Picker::Kind kind) {
  switch (kind) {
    case v1::Picker::KIND_RANDOM:
      return PickerPolicy::Kind::kRandom;
    case v1::Picker::KIND_ROUND_ROBIN:
    case v1::Picker::KIND_WEIGHTED_ROUND_ROBIN:
      return PickerPolicy::Kind::kRoundRobin;
    case v1::Picker::KIND_LEAST_REQUEST:
      return PickerPolicy::Kind::kLeastRequest;
    case v1::Picker::KIND_MAGLEV:
      return PickerPolicy::Kind::kMaglev;
    case v1::Picker::KIND_RING_HASH:
      return PickerPolicy::Kind::kRingHash;
    default:
      return PickerPolicy::Kind::kP2c;
  }
}

std::optional<HashPart> HashPartOf(const v1::HashKey& key) {
  switch (key.part_case()) {
    case v1::HashKey::kHeader:
      return HashPart{HashPart::Kind::kHeader, absl::AsciiStrToLower(key.header())};
    case v1::HashKey::kCookie:
      return HashPart{HashPart::Kind::kCookie, key.cookie()};
    case v1::HashKey::kQuery:
      return HashPart{HashPart::Kind::kQuery, key.query()};
    case v1::HashKey::kClientAddress:
      return HashPart{HashPart::Kind::kClientAddress, ""};
    case v1::HashKey::PART_NOT_SET:
      break;
  }
  return std::nullopt;
}

void ReadOverload(const v1::Service& service, ServicePolicy* policy) {
  const v1::Limits& limits = service.limits();
  policy->waiting_max = std::min(limits.max_waiting(), kWaitingMax);
  if (limits.has_max_wait()) {
    policy->wait_max = std::min(Bounded(limits.max_wait()), absl::Minutes(1));
  }
  if (limits.has_adaptive()) {
    const uint32_t least = limits.adaptive().min_in_flight();
    policy->adaptive_min_in_flight =
        std::min(least != 0 ? least : kAdaptiveMinDefault, policy->max_in_flight);
  }
  if (!service.retries().has_hedging()) return;
  const v1::Hedging& hedging = service.retries().hedging();
  const bool given = hedging.percentile() != 0 && std::isfinite(hedging.percentile());
  policy->hedge_percentile =
      given ? std::clamp(hedging.percentile(), 50.0, 99.9) : kHedgePercentileDefault;
  if (hedging.has_min_delay()) {
    policy->hedge_min_delay = std::min(Bounded(hedging.min_delay()), absl::Minutes(1));
  }
}

void ReadAges(const v1::Service& service, ServicePolicy* policy) {
  const v1::Connections& connections = service.connections();
  policy->connection_requests_max = connections.max_requests();
  if (connections.has_max_age()) {
    policy->connection_age_max =
        std::clamp(DurationOf(connections.max_age()), absl::Seconds(1), absl::Hours(720));
  }
  if (service.timeouts().has_stream_age()) {
    policy->stream_age_max = Bounded(service.timeouts().stream_age());
  }
}

}  // namespace

std::shared_ptr<const UpstreamTlsMap> UpstreamTlsOf(const v1::Config& config) {
  auto map = std::make_shared<UpstreamTlsMap>();
  for (const v1::Service& service : config.services()) {
    if (!service.has_tls()) continue;
    UpstreamTls tls = TlsOf(service);
    map->try_emplace(UpstreamTlsKey(tls), std::move(tls));
  }
  if (map->empty()) return nullptr;
  return map;
}

ServicePolicy PolicyOf(const v1::Service& service) {
  ServicePolicy policy;
  policy.upstream_http2 = service.protocol() == v1::PROTOCOL_HTTP2;
  policy.tcp = service.protocol() == v1::PROTOCOL_TCP;
  if (service.has_tls()) policy.upstream_tls = UpstreamTlsKey(TlsOf(service));
  const v1::Timeouts& timeouts = service.timeouts();
  if (timeouts.has_connect()) policy.connect_timeout = Bounded(timeouts.connect());
  if (timeouts.has_first_byte()) policy.first_byte_timeout = Bounded(timeouts.first_byte());
  if (timeouts.has_idle()) policy.idle_timeout = Bounded(timeouts.idle());
  if (timeouts.has_request()) policy.request_timeout = RequestTimeoutOf(timeouts.request());
  const v1::Retries& retries = service.retries();
  if (retries.has_max_retries()) policy.max_retries = std::min(retries.max_retries(), 5u);
  if (retries.has_per_try_timeout()) policy.per_try_timeout = Bounded(retries.per_try_timeout());
  if (retries.has_budget_ratio() && std::isfinite(retries.budget_ratio())) {
    policy.retry_budget_ratio = std::clamp(retries.budget_ratio(), 0.0, 1.0);
  }
  if (retries.has_budget_min_per_second()) {
    policy.retry_budget_min_per_second = std::min(retries.budget_min_per_second(), 1000u);
  }
  if (common::IsHostText(service.authority())) policy.authority = service.authority();
  for (const uint32_t status : retries.statuses()) policy.retry_statuses.Add(status);
  const v1::Limits& limits = service.limits();
  if (limits.max_in_flight_per_endpoint() != 0) {
    policy.max_in_flight_per_endpoint = limits.max_in_flight_per_endpoint();
  }
  if (limits.max_in_flight() != 0) policy.max_in_flight = limits.max_in_flight();
  if (limits.max_request_body_bytes() != 0) {
    policy.max_request_body_bytes = limits.max_request_body_bytes();
  }
  ReadOverload(service, &policy);
  ReadAges(service, &policy);
  return policy;
}

PickerPolicy PickerOf(const v1::Picker& picker) {
  PickerPolicy policy;
  policy.kind = KindOf(picker.kind());
  if (picker.choices() != 0)
    policy.choices = std::clamp(picker.choices(), 2u, PickerPolicy::kChoicesMax);
  for (const v1::HashKey& key : picker.hash_on()) {
    if (std::optional<HashPart> part = HashPartOf(key)) policy.hash_on.push_back(*part);
  }
  if (picker.bounded_load() != 0 && std::isfinite(picker.bounded_load())) {
    policy.bounded_load = std::clamp(picker.bounded_load(), 1.0, 100.0);
  }
  if (picker.has_affinity_cookie()) {
    policy.affinity.name = picker.affinity_cookie().name();
    policy.affinity.ttl = std::clamp(DurationOf(picker.affinity_cookie().ttl()),
                                     absl::ZeroDuration(), absl::Hours(24 * 365));
    if (!picker.affinity_cookie().path().empty()) {
      policy.affinity.path = picker.affinity_cookie().path();
    }
  }
  policy.subset_size = picker.subset_size();
  return policy;
}

absl::StatusOr<std::vector<std::string>> ServiceIds(const v1::Config& config) {
  if (config.services_size() > kServicesMax || config.routes_size() > kRoutesMax) {
    return absl::ResourceExhaustedError(absl::StrCat(config.services_size(), " services and ",
                                                     config.routes_size(),
                                                     " routes, limits are 10000 each"));
  }
  std::vector<std::string> ids;
  for (const v1::Service& service : config.services()) {
    ids.emplace_back(common::BareId(service.name(), "services"));
    if (!common::IsServiceId(ids.back())) {
      return absl::InvalidArgumentError(absl::StrCat("bad service id \"", ids.back(), "\""));
    }
  }
  std::sort(ids.begin(), ids.end());
  if (const auto twice = std::adjacent_find(ids.begin(), ids.end()); twice != ids.end()) {
    return absl::InvalidArgumentError(absl::StrCat("service ", *twice, " comes twice"));
  }
  return ids;
}

}  // namespace pointsman::gateway
