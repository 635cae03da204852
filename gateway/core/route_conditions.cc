#include "gateway/core/route_conditions.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "gateway/core/parameters.h"

namespace pointsman::gateway {
namespace {

using Kind = ConditionResult::Kind;

// The first condition that does not hold; npos: all do.
template <typename Conditions, typename Find>
size_t FirstMiss(const Conditions& conditions, Find find) {
  for (size_t i = 0; i < conditions.size(); ++i) {
    if (!conditions[i].text.Holds(find(conditions[i].name))) return i;
  }
  return std::string::npos;
}

// kHolds, kJson or kAmbiguousBody.
Kind JsonHolds(JsonBody& body, const JsonCondition& condition) {
  const JsonBody::Field field = body.Find(condition.pointer);
  bool holds = false;
  switch (field.kind) {
    case JsonBody::Field::Kind::kTwice:
      return Kind::kAmbiguousBody;
    case JsonBody::Field::Kind::kAbsent:
      holds = condition.text.Holds(std::nullopt);
      break;
    case JsonBody::Field::Kind::kOther:
      holds = condition.text.kind == TextCondition::Kind::kPresent;
      break;
    case JsonBody::Field::Kind::kText:
      holds = condition.text.Holds(field.text);
      break;
  }
  return holds ? Kind::kHolds : Kind::kJson;
}

// The conditions on the body of a route whose others hold.
ConditionResult CheckBody(const RouteEntry& route, const RouteRequest& request) {
  if (!request.body_known) return {Kind::kNeedsBody};
  if (request.json == nullptr) return {Kind::kJson};
  for (size_t i = 0; i < route.json.size(); ++i) {
    const Kind kind = JsonHolds(*request.json, route.json[i]);
    if (kind != Kind::kHolds) return {kind, i};
  }
  return {};
}

// Those that few routes have.
ConditionResult CheckRest(const RouteEntry& route, const RouteRequest& request) {
  std::string scratch;
  const size_t query = FirstMiss(route.query, [&](absl::string_view name) {
    return FindParameter(request.query(), name, &scratch);
  });
  if (query != std::string::npos) return {Kind::kQuery, query};
  const size_t cookie = FirstMiss(route.cookies, request.cookie);
  if (cookie != std::string::npos) return {Kind::kCookie, cookie};
  if (!route.unless_scheme.empty() && route.unless_scheme == request.scheme()) {
    return {Kind::kScheme};
  }
  if (!route.clients.has_value()) return {};
  const std::optional<common::IpAddress> client = request.client();
  if (client.has_value() && route.clients->Contains(*client)) return {};
  return {Kind::kClient};
}

bool HasRest(const RouteEntry& route) {
  return !route.query.empty() || !route.cookies.empty() || route.clients.has_value() ||
         !route.unless_scheme.empty();
}

}  // namespace

size_t ConditionCount(const RouteEntry& route) {
  return (route.methods.empty() ? 0 : 1) + route.headers.size() + route.query.size() +
         route.cookies.size() + (route.clients.has_value() ? 1 : 0) +
         (route.unless_scheme.empty() ? 0 : 1) + route.json.size();
}

ConditionResult CheckConditions(const RouteEntry& route, const RouteRequest& request) {
  if (!route.methods.empty() && std::find(route.methods.begin(), route.methods.end(),
                                          request.method) == route.methods.end()) {
    return {Kind::kMethod};
  }
  const size_t header = FirstMiss(route.headers, request.header);
  if (header != std::string::npos) return {Kind::kHeader, header};
  if (HasRest(route)) {
    const ConditionResult rest = CheckRest(route, request);
    if (rest.kind != Kind::kHolds) return rest;
  }
  return route.json.empty() ? ConditionResult() : CheckBody(route, request);
}

absl::Status CompileConditions(RouteEntry* route) {
  const auto compile = [route](TextCondition* text, absl::string_view of) {
    absl::Status status = text->Compile();
    if (status.ok()) return status;
    return absl::InvalidArgumentError(
        absl::StrCat("route ", route->name, ": ", of, " ", status.message()));
  };
  for (NamedCondition& condition : route->headers) {
    absl::AsciiStrToLower(&condition.name);
    PM_RETURN_IF_ERROR(compile(&condition.text, "header"));
  }
  for (NamedCondition& condition : route->query) {
    PM_RETURN_IF_ERROR(compile(&condition.text, "query"));
  }
  for (NamedCondition& condition : route->cookies) {
    PM_RETURN_IF_ERROR(compile(&condition.text, "cookie"));
  }
  for (JsonCondition& condition : route->json) {
    PM_RETURN_IF_ERROR(compile(&condition.text, "json"));
  }
  return absl::OkStatus();
}

}  // namespace pointsman::gateway
