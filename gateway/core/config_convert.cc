#include "gateway/core/config_convert.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/names.h"
#include "common/core/status_macros.h"
#include "common/core/upgrade_name.h"
#include "gateway/core/filter.h"
#include "gateway/core/json_body.h"
#include "gateway/core/rate_limit.h"
#include "gateway/core/request_buffer.h"

namespace pointsman::gateway {
namespace {

constexpr int kServicesMax = 10'000;
constexpr int kRoutesMax = 10'000;

absl::Duration Bounded(const google::protobuf::Duration& message) {
  const absl::Duration value =
      absl::Seconds(message.seconds()) + absl::Nanoseconds(message.nanos());
  return std::clamp(value, absl::Milliseconds(1), absl::Hours(24));
}

// Of a whole request: zero says that there is no limit.
absl::Duration RequestTimeoutOf(const google::protobuf::Duration& message) {
  if (message.seconds() == 0 && message.nanos() == 0) return absl::InfiniteDuration();
  return Bounded(message);
}

// Of a HeaderMatch or a JsonMatch.
template <typename Match>
TextCondition TextOf(const Match& match) {
  using Kind = TextCondition::Kind;
  switch (match.value_case()) {
    case Match::kExact:
      return {.kind = Kind::kExact, .value = match.exact()};
    case Match::kPrefix:
      return {.kind = Kind::kPrefix, .value = match.prefix()};
    case Match::kMatches:
      return {.kind = Kind::kPattern, .value = match.matches()};
    case Match::kPresent:
      return {.kind = match.present() ? Kind::kPresent : Kind::kAbsent, .value = ""};
    case Match::VALUE_NOT_SET:
      break;
  }
  return {};
}

common::PathTraits TraitsOf(const v1::PathOptions& options) {
  common::PathTraits traits = 0;
  if (options.allow_encoded_slash()) traits |= common::kPathEncodedSlash;
  if (options.allow_encoded_percent()) traits |= common::kPathEncodedPercent;
  if (options.allow_semicolon()) traits |= common::kPathSemicolon;
  if (options.allow_encoded_query()) traits |= common::kPathEncodedQuery;
  if (options.keep_empty_segments()) traits |= common::kPathEmptySegment;
  return traits;
}

absl::Status ReadMatch(const v1::RouteMatch& match, RouteEntry* route) {
  switch (match.path_case()) {
    case v1::RouteMatch::kExact:
      route->path_kind = RouteEntry::PathKind::kExact;
      route->path = match.exact();
      break;
    case v1::RouteMatch::kPrefix:
      route->path_kind = RouteEntry::PathKind::kPrefix;
      route->path = match.prefix();
      break;
    case v1::RouteMatch::PATH_NOT_SET:
      break;
  }
  if (match.grpc()) {
    route->headers.push_back({.name = "content-type",
                              .text = {.kind = TextCondition::Kind::kPattern,
                                       .value = "(?is)application/grpc([+; ].*)?"}});
  }
  route->methods = {match.methods().begin(), match.methods().end()};
  for (const v1::HeaderMatch& header : match.headers()) {
    if (header.name().empty()) {
      return absl::InvalidArgumentError(absl::StrCat(route->name, ": a header without a name"));
    }
    route->headers.push_back({absl::AsciiStrToLower(header.name()), TextOf(header)});
  }
  for (const v1::JsonMatch& json : match.json()) {
    if (!absl::StartsWith(json.pointer(), "/")) {
      return absl::InvalidArgumentError(
          absl::StrCat(route->name, ": a pointer that does not begin with /"));
    }
    route->json.push_back({{.steps = PointerSteps(json.pointer())}, TextOf(json)});
  }
  return absl::OkStatus();
}

absl::Status ReadAction(const v1::Route& message, const std::map<std::string, uint32_t>& indexes,
                        RouteEntry* route) {
  if (message.action_case() == v1::Route::kDirectResponse) {
    const uint32_t status = message.direct_response().status();
    if (status < 200 || status > 599) {
      return absl::InvalidArgumentError(
          absl::StrCat("route ", route->name, ": status ", status, ", range is 200 to 599"));
    }
    route->direct_status = static_cast<uint16_t>(status);
    route->direct_body = message.direct_response().body();
    return absl::OkStatus();
  }
  const std::string service(common::BareId(message.service(), "services"));
  const auto it = indexes.find(service);
  if (message.action_case() != v1::Route::kService || it == indexes.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("route ", route->name, ": no service \"", service, "\""));
  }
  route->service = it->second;
  return absl::OkStatus();
}

RateLimitOptions RateLimitOf(const v1::RateLimit& message) {
  RateLimitOptions options;
  if (std::isfinite(message.requests_per_second())) {
    options.requests_per_second = std::clamp(message.requests_per_second(), 0.001, 1e6);
  }
  const double seconds_worth = std::max(1.0, std::ceil(options.requests_per_second));
  options.burst = message.burst() > 0 ? std::min(message.burst(), 1'000'000u)
                                      : static_cast<uint32_t>(seconds_worth);
  options.max_wait = std::clamp(
      absl::Seconds(message.max_wait().seconds()) + absl::Nanoseconds(message.max_wait().nanos()),
      absl::ZeroDuration(), absl::Seconds(30));
  return options;
}

// Adds what `make` returns, or the filter of before that was compiled from the same.
template <typename Make>
void AddFilter(std::string source, const FilterChain* before, FilterChain* chain, Make make) {
  std::shared_ptr<const Filter> filter;
  for (size_t i = 0; before != nullptr && i < before->sources.size(); ++i) {
    if (before->sources[i] == source) filter = before->filters[i];
  }
  if (filter == nullptr) filter = make();
  chain->filters.push_back(std::move(filter));
  chain->sources.push_back(std::move(source));
}

// Null: the route has none. In the order in which they look at a request. The chain of before where
// nothing changed.
std::shared_ptr<const FilterChain> FiltersOf(const v1::Route& message, const RouteEntry* route) {
  std::shared_ptr<const FilterChain> before = route == nullptr ? nullptr : route->filters;
  auto chain = std::make_shared<FilterChain>();
  if (message.has_rate_limit()) {
    AddFilter(absl::StrCat("rate_limit ", message.rate_limit().SerializeAsString()), before.get(),
              chain.get(),
              [&] { return std::make_shared<RateLimit>(RateLimitOf(message.rate_limit())); });
  }
  // Behind what may refuse: a body is only kept for what goes on.
  if (message.buffer_request()) {
    AddFilter("buffer_request", before.get(), chain.get(),
              [] { return std::make_shared<RequestBuffer>(); });
  }
  if (chain->filters.empty()) return nullptr;
  if (before != nullptr && before->sources == chain->sources) return before;
  return chain;
}

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
  const v1::Limits& limits = service.limits();
  if (limits.max_in_flight_per_endpoint() != 0) {
    policy.max_in_flight_per_endpoint = limits.max_in_flight_per_endpoint();
  }
  if (limits.max_in_flight() != 0) policy.max_in_flight = limits.max_in_flight();
  if (limits.max_request_body_bytes() != 0) {
    policy.max_request_body_bytes = limits.max_request_body_bytes();
  }
  return policy;
}

absl::StatusOr<std::vector<RouteEntry>> RoutesOf(const v1::Config& config,
                                                 const std::map<std::string, uint32_t>& indexes,
                                                 const Router* before) {
  std::vector<RouteEntry> routes;
  routes.reserve(config.routes_size());
  for (const v1::Route& message : config.routes()) {
    RouteEntry route;
    route.name = std::string(common::BareId(message.name(), "routes"));
    for (const std::string& host : message.hosts()) {
      route.hosts.push_back(absl::AsciiStrToLower(host));
    }
    PM_RETURN_IF_ERROR(ReadMatch(message.match(), &route));
    route.path_traits = TraitsOf(message.path_options());
    for (const std::string& name : message.upgrades()) {
      if (common::UpgradeNameError(name).empty()) route.upgrades.push_back(name);
    }
    PM_RETURN_IF_ERROR(ReadAction(message, indexes, &route));
    if (message.has_request_timeout()) {
      route.request_timeout = RequestTimeoutOf(message.request_timeout());
    }
    route.filters = FiltersOf(message, before == nullptr ? nullptr : before->Find(route.name));
    routes.push_back(std::move(route));
  }
  return routes;
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
