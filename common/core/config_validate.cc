#include "common/core/config_validate.h"

#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/core/config_route_rules.h"
#include "common/core/config_rules.h"
#include "common/core/config_service_rules.h"
#include "common/core/names.h"

namespace pointsman::common {
namespace {

constexpr size_t kCommentBytesMax = 255;

void CheckOverride(const v1::Override& override_, const RulePath& path, Rules* rules) {
  absl::string_view id = override_.name();
  if (!absl::ConsumePrefix(&id, "overrides/") || !IsOverrideId(id)) {
    rules->Broken(id.empty() ? config_code::kRequired : config_code::kValue, path.Field("name"),
                  "must be 1 to 127 of A-Z, a-z, 0-9, '.', '_' and '-'");
  }
  if (!IsServiceId(override_.service())) {
    rules->Broken(override_.service().empty() ? config_code::kRequired : config_code::kValue,
                  path.Field("service"), "must be a service's ID");
  }
  if (!IsEndpointId(override_.endpoint())) {
    rules->Broken(override_.endpoint().empty() ? config_code::kRequired : config_code::kValue,
                  path.Field("endpoint"), "must be an endpoint's ID");
  }
  switch (override_.action_case()) {
    case v1::Override::kDrain:
      if (!override_.drain()) {
        rules->Broken(config_code::kValue, path.Field("drain"), "must be true");
      }
      break;
    case v1::Override::kEject:
      if (!override_.eject()) {
        rules->Broken(config_code::kValue, path.Field("eject"), "must be true");
      }
      break;
    case v1::Override::kWeight:
      rules->NumberIn(path.Field("weight"), override_.weight(), {0.001, 100});
      break;
    case v1::Override::ACTION_NOT_SET:
      rules->Broken(config_code::kRequired, path, "needs an action: drain, eject or weight");
  }
  rules->BytesAtMost(path.Field("comment"), override_.comment(), kCommentBytesMax);
}

// The name's first place, to tell of a second one.
template <typename Resources>
void CheckUniqueNames(const Resources& resources, absl::string_view field, Rules* rules) {
  const RulePath root;
  std::map<absl::string_view, int> first;
  for (int i = 0; i < resources.size(); ++i) {
    const auto [found, inserted] = first.emplace(resources[i].name(), i);
    if (inserted || resources[i].name().empty()) continue;
    const RulePath entry = root.Entry(field, i);
    rules->Broken(
        config_code::kDuplicate, entry.Field("name"),
        absl::StrCat("\"", resources[i].name(), "\" is already ", field, "[", found->second, "]"));
  }
}

// Calls `check(ID, path)` for each service that requests of the route go to.
template <typename Check>
void ForEachTarget(const v1::Route& route, const RulePath& path, Check check) {
  if (route.has_service()) check(route.service(), path.Field("service"));
  const RulePath split = path.Field("split");
  for (int i = 0; i < route.split().shares_size(); ++i) {
    const RulePath share = split.Entry("shares", i);
    check(route.split().shares(i).service(), share.Field("service"));
  }
  const RulePath mirror = path.Field("mirror");
  if (route.has_mirror()) check(route.mirror().service(), mirror.Field("service"));
}

void CheckReferences(const v1::Config& config, Rules* rules) {
  const RulePath root;
  std::set<std::string, std::less<>> known;
  for (const v1::Service& service : config.services()) {
    known.insert(std::string(BareId(service.name(), "services")));
  }
  for (int i = 0; i < config.routes_size(); ++i) {
    const RulePath path = root.Entry("routes", i);
    ForEachTarget(config.routes(i), path, [&](const std::string& service, const RulePath& at) {
      if (!IsServiceId(service) || known.count(service) > 0) return;
      std::string message = absl::StrCat("there is no service \"", service, "\"");
      const std::vector<std::string> names(known.begin(), known.end());
      if (const auto nearest = NearestName(service, names); nearest) {
        absl::StrAppend(&message, "; did you mean \"", *nearest, "\"?");
      }
      rules->Broken(config_code::kReference, at, message);
    });
  }
}

// Patterns are looked at one by one, for each request to their host.
void CheckPatterns(const v1::Config& config, Rules* rules) {
  const RulePath root;
  std::map<absl::string_view, int> of_host;
  for (int i = 0; i < config.routes_size(); ++i) {
    const v1::Route& route = config.routes(i);
    if (!route.match().has_pattern()) continue;
    bool too_many = route.hosts().empty() && ++of_host["*"] > kPatternsOfHostMax;
    for (const std::string& host : route.hosts()) {
      too_many = ++of_host[host] > kPatternsOfHostMax || too_many;
    }
    if (!too_many) continue;
    const RulePath entry = root.Entry("routes", i);
    const RulePath match = entry.Field("match");
    rules->Broken(
        config_code::kLimit, match.Field("pattern"),
        absl::StrCat("a host has at most ", kPatternsOfHostMax,
                     " routes with a pattern; templates and prefixes have no such bound"));
  }
}

// What services speak must carry what routes lead to them.
void CheckTargets(const v1::Config& config, Rules* rules) {
  const RulePath root;
  std::map<std::string, v1::Protocol, std::less<>> protocols;
  for (const v1::Service& service : config.services()) {
    protocols.emplace(std::string(BareId(service.name(), "services")), service.protocol());
  }
  for (int i = 0; i < config.routes_size(); ++i) {
    const v1::RouteMatch& match = config.routes(i).match();
    const bool grpc = match.grpc() || !match.grpc_service().empty();
    const RulePath path = root.Entry("routes", i);
    ForEachTarget(config.routes(i), path, [&](const std::string& service, const RulePath& at) {
      const auto found = protocols.find(service);
      if (found == protocols.end()) return;
      if (found->second == v1::PROTOCOL_TCP) {
        rules->Broken(config_code::kConflict, at,
                      absl::StrCat("\"", service, "\" has protocol TCP: listeners of gateways ",
                                   "lead to it, not routes"));
      } else if (grpc && found->second != v1::PROTOCOL_HTTP2) {
        const RulePath match_path = path.Field("match");
        rules->Broken(config_code::kConflict,
                      match_path.Field(match.grpc() ? "grpc" : "grpc_service"),
                      absl::StrCat("gRPC needs protocol: http2 of \"", service, "\""));
      }
    });
  }
}

template <typename Resource>
ConfigProblems CheckOne(const Resource& resource,
                        void (*check)(const Resource&, const RulePath&, Rules*)) {
  ProblemList problems;
  Rules rules(&problems);
  check(resource, RulePath(), &rules);
  return std::move(problems).Take();
}

void CompleteName(absl::string_view collection, std::string* name) {
  if (name->empty() || absl::StrContains(*name, '/')) return;
  *name = absl::StrCat(collection, "/", *name);
}

}  // namespace

void NormalizeConfig(v1::Config* config) {
  for (v1::Service& service : *config->mutable_services()) {
    CompleteName("services", service.mutable_name());
  }
  for (v1::Route& route : *config->mutable_routes()) {
    CompleteName("routes", route.mutable_name());
    for (std::string& host : *route.mutable_hosts()) absl::AsciiStrToLower(&host);
    if (route.has_service()) {
      route.set_service(std::string(BareId(route.service(), "services")));
    }
    if (route.has_split()) {
      for (v1::SplitShare& share : *route.mutable_split()->mutable_shares()) {
        share.set_service(std::string(BareId(share.service(), "services")));
      }
    }
    if (route.has_mirror()) {
      std::string* mirror = route.mutable_mirror()->mutable_service();
      *mirror = std::string(BareId(*mirror, "services"));
    }
  }
  for (v1::Override& override_ : *config->mutable_overrides()) {
    CompleteName("overrides", override_.mutable_name());
    override_.set_service(std::string(BareId(override_.service(), "services")));
  }
}

ConfigProblems ValidateConfig(const v1::Config& config) {
  ProblemList problems;
  Rules rules(&problems);
  const RulePath root;
  rules.EntriesAtMost(root.Field("services"), config.services_size(), kServicesMax);
  rules.EntriesAtMost(root.Field("routes"), config.routes_size(), kRoutesMax);
  rules.EntriesAtMost(root.Field("overrides"), config.overrides_size(), kOverridesMax);
  if (config.ByteSizeLong() > kConfigBytesMax) {
    rules.Broken(config_code::kLimit, root,
                 absl::StrCat("the configuration has ", config.ByteSizeLong(), " bytes, at most ",
                              kConfigBytesMax, " are allowed"));
  }
  if (!problems.empty()) return std::move(problems).Take();
  for (int i = 0; i < config.services_size(); ++i) {
    CheckService(config.services(i), root.Entry("services", i), &rules);
  }
  for (int i = 0; i < config.routes_size(); ++i) {
    CheckRoute(config.routes(i), root.Entry("routes", i), &rules);
  }
  for (int i = 0; i < config.overrides_size(); ++i) {
    CheckOverride(config.overrides(i), root.Entry("overrides", i), &rules);
  }
  CheckUniqueNames(config.services(), "services", &rules);
  CheckUniqueNames(config.routes(), "routes", &rules);
  CheckUniqueNames(config.overrides(), "overrides", &rules);
  CheckReferences(config, &rules);
  CheckTargets(config, &rules);
  CheckPatterns(config, &rules);
  return std::move(problems).Take();
}

ConfigProblems ValidateService(const v1::Service& service) {
  return CheckOne(service, &CheckService);
}
ConfigProblems ValidateRoute(const v1::Route& route) { return CheckOne(route, &CheckRoute); }
ConfigProblems ValidateOverride(const v1::Override& override_) {
  return CheckOne(override_, &CheckOverride);
}
ConfigProblems ValidateEndpoint(const v1::Endpoint& endpoint) {
  return CheckOne(endpoint, &CheckEndpoint);
}

}  // namespace pointsman::common
