#include "gateway/core/route_convert.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/core/address.h"
#include "common/core/names.h"
#include "common/core/own_fields.h"
#include "common/core/status_macros.h"
#include "common/core/upgrade_name.h"
#include "gateway/core/filter_convert.h"
#include "gateway/core/json_body.h"
#include "gateway/core/policy_time.h"
#include "gateway/core/rewrite.h"

namespace pointsman::gateway {
namespace {

constexpr uint32_t kSplitWeightMax = 1'000'000;

Criticality CriticalityOf(v1::Criticality criticality) {
  switch (criticality) {
    case v1::CRITICALITY_CRITICAL:
      return Criticality::kCritical;
    case v1::CRITICALITY_SHEDDABLE:
      return Criticality::kSheddable;
    default:
      return Criticality::kStandard;
  }
}

// Of a HeaderMatch, a ParameterMatch or a JsonMatch.
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
    case v1::RouteMatch::kTemplate:
      route->path_kind = RouteEntry::PathKind::kTemplate;
      route->path = match.template_();
      break;
    case v1::RouteMatch::kPattern:
      route->path_kind = RouteEntry::PathKind::kPattern;
      route->path = match.pattern();
      break;
    case v1::RouteMatch::PATH_NOT_SET:
      break;
  }
  if (!match.grpc_service().empty()) {
    const bool method = !match.grpc_method().empty();
    route->path_kind = method ? RouteEntry::PathKind::kExact : RouteEntry::PathKind::kPrefix;
    route->path = absl::StrCat("/", match.grpc_service(), method ? "/" : "", match.grpc_method());
  }
  if (match.grpc() || !match.grpc_service().empty()) {
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
  for (const v1::ParameterMatch& parameter : match.query()) {
    route->query.push_back({parameter.name(), TextOf(parameter)});
  }
  for (const v1::ParameterMatch& cookie : match.cookies()) {
    route->cookies.push_back({cookie.name(), TextOf(cookie)});
  }
  if (match.client_addresses_size() > 0) {
    auto clients = common::CidrSet::Parse(absl::StrJoin(match.client_addresses(), ","));
    if (!clients.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(route->name, ": client_addresses: ", clients.status().message()));
    }
    route->clients = *std::move(clients);
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

// Index of a service by its ID.
absl::StatusOr<uint32_t> IndexOf(absl::string_view name,
                                 const std::map<std::string, uint32_t>& indexes,
                                 const RouteEntry& route) {
  const std::string service(common::BareId(name, "services"));
  const auto it = indexes.find(service);
  if (it != indexes.end()) return it->second;
  return absl::InvalidArgumentError(
      absl::StrCat("route ", route.name, ": no service \"", service, "\""));
}

absl::Status ReadSplit(const v1::Split& message, const std::map<std::string, uint32_t>& indexes,
                       RouteEntry* route) {
  uint64_t total = 0;
  for (const v1::SplitShare& share : message.shares()) {
    PM_ASSIGN_OR_RETURN(const uint32_t index, IndexOf(share.service(), indexes, *route));
    const uint32_t weight = std::min(share.weight(), kSplitWeightMax);
    route->split.push_back({index, weight});
    total += weight;
  }
  if (total > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("route ", route->name, ": a split of nothing"));
}

// Of a Redirect or a Rewrite, what they have in common.
template <typename Message>
PathChange PathChangeOf(const Message& message) {
  PathChange change;
  if (message.has_path()) {
    change.kind = PathChange::Kind::kWhole;
    change.text = message.path();
  } else if (message.has_prefix()) {
    change.kind = PathChange::Kind::kPrefix;
    change.text = message.prefix();
  }
  return change;
}

std::shared_ptr<const Redirect> RedirectOf(const v1::Redirect& message) {
  auto redirect = std::make_shared<Redirect>();
  if (message.status() != 0) {
    redirect->status = static_cast<uint16_t>(std::clamp(message.status(), 301u, 308u));
  }
  if (message.scheme() == "http" || message.scheme() == "https") {
    redirect->scheme = message.scheme();
  }
  if (common::IsHostText(message.host())) redirect->host = message.host();
  redirect->path = PathChangeOf(message);
  redirect->strip_query = message.strip_query();
  return redirect;
}

// All that is another is the scheme.
bool OnlyScheme(const Redirect& redirect) {
  return !redirect.scheme.empty() && redirect.host.empty() &&
         redirect.path.kind == PathChange::Kind::kNone && !redirect.strip_query;
}

// Others would break the message that they are written into.
bool IsField(absl::string_view name, absl::string_view value) {
  return common::IsToken(name) && !common::IsOwnField(name) &&
         std::none_of(value.begin(), value.end(), [](char c) {
           return c != '\t' && absl::ascii_iscntrl(static_cast<unsigned char>(c));
         });
}

HeaderChanges ChangesOf(const v1::HeaderChanges& message) {
  HeaderChanges changes;
  for (const std::string& name : message.remove()) {
    if (!common::IsOwnField(name)) changes.remove.push_back(absl::AsciiStrToLower(name));
  }
  // By name: a map has no order of its own.
  const auto take = [](const auto& from, auto* to) {
    for (const auto& [name, value] : from) {
      if (IsField(name, value)) to->emplace_back(absl::AsciiStrToLower(name), value);
    }
    std::sort(to->begin(), to->end());
  };
  take(message.set(), &changes.set);
  take(message.add(), &changes.add);
  return changes;
}

std::shared_ptr<const Rewrite> RewriteOf(const v1::Rewrite& message) {
  auto rewrite = std::make_shared<Rewrite>();
  if (common::IsHostText(message.host())) rewrite->host = message.host();
  rewrite->path = PathChangeOf(message);
  if (message.has_pattern()) {
    rewrite->path.kind = PathChange::Kind::kPattern;
    rewrite->path.pattern_text = message.pattern().matches();
    rewrite->path.text = message.pattern().substitution();
  }
  rewrite->request_headers = ChangesOf(message.request_headers());
  rewrite->response_headers = ChangesOf(message.response_headers());
  return rewrite;
}

PolicyOverrides OverridesOf(const v1::Route& message) {
  PolicyOverrides overrides;
  if (message.has_request_timeout()) {
    overrides.request_timeout = RequestTimeoutOf(message.request_timeout());
  }
  if (message.has_first_byte_timeout()) {
    overrides.first_byte_timeout = Bounded(message.first_byte_timeout());
  }
  if (message.has_idle_timeout()) overrides.idle_timeout = Bounded(message.idle_timeout());
  const v1::RouteRetries& retries = message.retries();
  if (retries.has_max_retries()) overrides.max_retries = std::min(retries.max_retries(), 5u);
  if (retries.has_per_try_timeout()) {
    overrides.per_try_timeout = Bounded(retries.per_try_timeout());
  }
  if (retries.statuses_size() > 0) {
    overrides.retry_statuses.emplace();
    for (const uint32_t status : retries.statuses()) overrides.retry_statuses->Add(status);
  }
  return overrides;
}

absl::Status ReadAction(const v1::Route& message, const std::map<std::string, uint32_t>& indexes,
                        RouteEntry* route) {
  switch (message.action_case()) {
    case v1::Route::kDirectResponse: {
      const uint32_t status = message.direct_response().status();
      if (status < 200 || status > 599) {
        return absl::InvalidArgumentError(
            absl::StrCat("route ", route->name, ": status ", status, ", range is 200 to 599"));
      }
      route->direct_status = static_cast<uint16_t>(status);
      route->direct_body = message.direct_response().body();
      return absl::OkStatus();
    }
    case v1::Route::kRedirect:
      route->redirect = RedirectOf(message.redirect());
      // Else who came by it would be sent to where they are.
      if (OnlyScheme(*route->redirect)) route->unless_scheme = route->redirect->scheme;
      return absl::OkStatus();
    case v1::Route::kSplit:
      return ReadSplit(message.split(), indexes, route);
    case v1::Route::kService: {
      PM_ASSIGN_OR_RETURN(route->service, IndexOf(message.service(), indexes, *route));
      return absl::OkStatus();
    }
    case v1::Route::ACTION_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat("route ", route->name, " has no action"));
}

absl::Status ReadMirror(const v1::Mirror& message, const std::map<std::string, uint32_t>& indexes,
                        RouteEntry* route) {
  PM_ASSIGN_OR_RETURN(const uint32_t index, IndexOf(message.service(), indexes, *route));
  const bool has_share = message.has_share() && std::isfinite(message.share());
  route->mirror = {index, has_share ? std::clamp(message.share(), 0.0, 1.0) : 1.0};
  return absl::OkStatus();
}

}  // namespace

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
    route.overrides = OverridesOf(message);
    route.criticality = CriticalityOf(message.criticality());
    if (message.has_rewrite()) route.rewrite = RewriteOf(message.rewrite());
    if (message.has_mirror()) PM_RETURN_IF_ERROR(ReadMirror(message.mirror(), indexes, &route));
    route.filters = FiltersOf(message, before == nullptr ? nullptr : before->Find(route.name));
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace pointsman::gateway
