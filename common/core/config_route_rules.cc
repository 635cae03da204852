#include "common/core/config_route_rules.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/core/cidr_set.h"
#include "common/core/config_route_actions.h"
#include "common/core/config_service_rules.h"
#include "common/core/names.h"
#include "common/core/path_template.h"
#include "common/core/upgrade_name.h"

namespace pointsman::common {
namespace {

constexpr int kHostsMax = 64;
constexpr int kMethodsMax = 16;
constexpr int kHeaderMatchesMax = 16;
constexpr int kUpgradesMax = 8;
constexpr size_t kMethodBytesMax = 32;
constexpr size_t kHostBytesMax = 253;
constexpr int kJsonMatchesMax = 8;
constexpr size_t kPointerBytesMax = 256;
constexpr int kPointerStepsMax = 16;
constexpr size_t kJsonValueBytesMax = 1024;
constexpr int kParametersMax = 16;
constexpr size_t kParameterNameBytesMax = 127;
constexpr size_t kParameterValueBytesMax = 1024;
constexpr int kNetworksMax = 64;
constexpr size_t kGrpcNameBytesMax = 255;

bool IsHostLabel(absl::string_view label) {
  if (label.empty() || label.size() > 63) return false;
  return std::all_of(label.begin(), label.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

// "a.example.com", "*.example.com", "*"; also "[::1]" and "10.0.0.7", as a Host header has them.
bool IsRouteHost(absl::string_view host) {
  if (host == "*") return true;
  if (host.size() > kHostBytesMax) return false;
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    return host.size() > 4 && std::all_of(host.begin() + 1, host.end() - 1, [](char c) {
             return absl::ascii_isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.';
           });
  }
  absl::ConsumePrefix(&host, "*.");
  const std::vector<absl::string_view> labels = absl::StrSplit(host, '.');
  return std::all_of(labels.begin(), labels.end(), IsHostLabel);
}

// Segment by segment; what is literal is matched in its canonical form.
void CheckTemplate(const std::string& value, const RulePath& path, Rules* rules) {
  const auto parsed = PathTemplate::Parse(value);
  if (!parsed.ok()) {
    const bool long_one = absl::IsResourceExhausted(parsed.status());
    return rules->Broken(long_one ? config_code::kLimit : config_code::kValue, path,
                         std::string(parsed.status().message()));
  }
  std::string plain;
  for (const PathTemplate::Segment& segment : parsed->segments()) {
    const bool literal = segment.kind == PathTemplate::Segment::Kind::kLiteral;
    absl::StrAppend(&plain, "/", literal ? segment.text : "v");
  }
  CheckPathText(plain, path, rules);
}

bool IsGrpcName(absl::string_view name, bool dots) {
  const bool parts =
      !absl::StartsWith(name, ".") && !absl::EndsWith(name, ".") && !absl::StrContains(name, "..");
  return parts && !name.empty() && name.size() <= kGrpcNameBytesMax &&
         std::all_of(name.begin(), name.end(), [dots](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
                  (dots && c == '.');
         });
}

void CheckGrpc(const v1::RouteMatch& match, const RulePath& path, Rules* rules) {
  const bool has_method = !match.grpc_method().empty();
  if (match.grpc_service().empty()) {
    if (has_method) {
      rules->Broken(config_code::kRequired, path.Field("grpc_service"),
                    "grpc_method is a method of it");
    }
    return;
  }
  if (!IsGrpcName(match.grpc_service(), /*dots=*/true)) {
    rules->Broken(config_code::kValue, path.Field("grpc_service"),
                  "must be a service's full name, as in \"helloworld.Greeter\"");
  }
  if (has_method && !IsGrpcName(match.grpc_method(), /*dots=*/false)) {
    rules->Broken(config_code::kValue, path.Field("grpc_method"),
                  "must be a method's name, as in \"SayHello\"");
  }
  if (match.path_case() != v1::RouteMatch::PATH_NOT_SET) {
    rules->Broken(config_code::kConflict, path.Field("grpc_service"),
                  "stands for the path: leave exact, prefix, template and pattern out");
  }
}

void CheckPointer(absl::string_view pointer, const RulePath& path, Rules* rules) {
  if (!absl::StartsWith(pointer, "/")) {
    return rules->Broken(pointer.empty() ? config_code::kRequired : config_code::kValue, path,
                         "must be a JSON pointer, as in \"/model\" or \"/messages/0/role\"");
  }
  rules->BytesAtMost(path, pointer, kPointerBytesMax);
  rules->EntriesAtMost(path, static_cast<int>(std::count(pointer.begin(), pointer.end(), '/')),
                       kPointerStepsMax);
  for (size_t at = pointer.find('~'); at != absl::string_view::npos;
       at = pointer.find('~', at + 1)) {
    const absl::string_view escaped = pointer.substr(at + 1, 1);
    if (escaped == "0" || escaped == "1") continue;
    return rules->Broken(config_code::kValue, path,
                         "in a JSON pointer \"~\" is written ~0, and \"/\" in a name ~1");
  }
}

void CheckJsonMatch(const v1::JsonMatch& match, const RulePath& path, Rules* rules) {
  CheckPointer(match.pointer(), path.Field("pointer"), rules);
  switch (match.value_case()) {
    case v1::JsonMatch::kExact:
      return rules->BytesAtMost(path.Field("exact"), match.exact(), kJsonValueBytesMax);
    case v1::JsonMatch::kPrefix:
      return rules->BytesAtMost(path.Field("prefix"), match.prefix(), kJsonValueBytesMax);
    case v1::JsonMatch::kMatches:
      return rules->CompilesAsPattern(path.Field("matches"), match.matches());
    case v1::JsonMatch::kPresent:
    case v1::JsonMatch::VALUE_NOT_SET:
      return;
  }
}

void CheckParameter(const v1::ParameterMatch& match, const RulePath& path, Rules* rules) {
  if (match.name().empty()) {
    rules->Broken(config_code::kRequired, path.Field("name"), "is required");
  }
  rules->BytesAtMost(path.Field("name"), match.name(), kParameterNameBytesMax);
  if (match.has_exact()) {
    rules->BytesAtMost(path.Field("exact"), match.exact(), kParameterValueBytesMax);
  } else if (match.has_prefix()) {
    rules->BytesAtMost(path.Field("prefix"), match.prefix(), kParameterValueBytesMax);
  } else if (match.has_matches()) {
    rules->CompilesAsPattern(path.Field("matches"), match.matches());
  }
}

// Each of a list that is not too long.
template <typename Entries, typename Check>
void CheckEach(const Entries& entries, absl::string_view field, int max, const RulePath& path,
               Rules* rules, Check check) {
  rules->EntriesAtMost(path.Field(field), entries.size(), max);
  for (int i = 0; i < std::min(static_cast<int>(entries.size()), max); ++i) {
    check(entries[i], path.Entry(field, i), rules);
  }
}

void CheckMatchPath(const v1::RouteMatch& match, const RulePath& path, Rules* rules) {
  switch (match.path_case()) {
    case v1::RouteMatch::kExact:
      return CheckPathText(match.exact(), path.Field("exact"), rules);
    case v1::RouteMatch::kPrefix:
      return CheckPathText(match.prefix(), path.Field("prefix"), rules);
    case v1::RouteMatch::kTemplate:
      return CheckTemplate(match.template_(), path.Field("template"), rules);
    case v1::RouteMatch::kPattern:
      return rules->CompilesAsPattern(path.Field("pattern"), match.pattern());
    case v1::RouteMatch::PATH_NOT_SET:
      return;
  }
}

void CheckNetwork(const std::string& network, const RulePath& path, Rules* rules) {
  const auto parsed = CidrSet::Parse(network);
  if (network.find(',') == std::string::npos && parsed.ok() && !parsed->empty()) return;
  rules->Broken(config_code::kValue, path,
                absl::StrCat("\"", absl::Utf8SafeCHexEscape(network.substr(0, 80)),
                             "\" must be a network, as in \"10.0.0.0/8\" or \"2001:db8::7\""));
}

void CheckRouteMatch(const v1::RouteMatch& match, const RulePath& path, Rules* rules) {
  CheckMatchPath(match, path, rules);
  CheckGrpc(match, path, rules);
  CheckEach(match.methods(), "methods", kMethodsMax, path, rules,
            [](const std::string& method, const RulePath& entry, Rules* each) {
              each->IsToken(entry, method, kMethodBytesMax);
            });
  CheckEach(match.headers(), "headers", kHeaderMatchesMax, path, rules, CheckHeaderMatch);
  CheckEach(match.query(), "query", kParametersMax, path, rules, CheckParameter);
  CheckEach(match.cookies(), "cookies", kParametersMax, path, rules, CheckParameter);
  CheckEach(match.client_addresses(), "client_addresses", kNetworksMax, path, rules, CheckNetwork);
  CheckEach(match.json(), "json", kJsonMatchesMax, path, rules, CheckJsonMatch);
  const bool grpc = match.grpc() || !match.grpc_service().empty();
  if (grpc && match.json_size() > 0) {
    rules->Broken(config_code::kConflict, path.Field("json"), "gRPC's messages are no JSON");
  }
}

void CheckUpgrades(const v1::Route& route, const RulePath& path, Rules* rules) {
  if ((route.has_direct_response() || route.has_redirect()) && route.upgrades_size() > 0) {
    rules->Broken(config_code::kConflict, path.Field("upgrades"),
                  "the gateway's own answer follows no upgrade: they need a service");
  }
  rules->EntriesAtMost(path.Field("upgrades"), route.upgrades_size(), kUpgradesMax);
  for (int i = 0; i < std::min(route.upgrades_size(), kUpgradesMax); ++i) {
    const std::string& name = route.upgrades(i);
    const absl::string_view error = UpgradeNameError(name);
    if (error.empty()) continue;
    rules->Broken(config_code::kValue, path.Entry("upgrades", i),
                  absl::StrCat("\"", absl::Utf8SafeCHexEscape(name.substr(0, 80)), "\" ", error));
  }
}

void CheckRateLimit(const v1::RateLimit& limit, const RulePath& path, Rules* rules) {
  rules->NumberIn(path.Field("requests_per_second"), limit.requests_per_second(), {0.001, 1e6});
  rules->CountIn(path.Field("burst"), limit.burst(), {0, 1'000'000});
  rules->DurationInOrZero(path.Field("max_wait"), limit.has_max_wait(), limit.max_wait(),
                          {absl::Milliseconds(1), absl::Seconds(30)});
}

}  // namespace

void CheckRoute(const v1::Route& route, const RulePath& path, Rules* rules) {
  absl::string_view id = route.name();
  if (!absl::ConsumePrefix(&id, "routes/") || !IsServiceId(id)) {
    rules->Broken(id.empty() ? config_code::kRequired : config_code::kValue, path.Field("name"),
                  "must be 1 to 63 of a-z, 0-9 and -, as in \"web\" or \"routes/web\"");
  }
  rules->EntriesAtMost(path.Field("hosts"), route.hosts_size(), kHostsMax);
  for (int i = 0; i < std::min(route.hosts_size(), kHostsMax); ++i) {
    if (IsRouteHost(route.hosts(i))) continue;
    rules->Broken(config_code::kValue, path.Entry("hosts", i),
                  absl::StrCat("\"", route.hosts(i).substr(0, 80),
                               "\" must be a name without port, \"*.\" and a name, or \"*\""));
  }
  CheckRouteMatch(route.match(), path.Field("match"), rules);
  CheckUpgrades(route, path, rules);
  CheckRouteActions(route, path, rules);
  rules->IsKnownEnum(path.Field("criticality"), v1::Criticality_IsValid(route.criticality()),
                     route.criticality());
  if (route.has_rate_limit()) CheckRateLimit(route.rate_limit(), path.Field("rate_limit"), rules);
}

}  // namespace pointsman::common
