#include "common/core/config_route_rules.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/core/config_service_rules.h"
#include "common/core/names.h"
#include "common/core/request_path.h"
#include "common/core/upgrade_name.h"

namespace pointsman::common {
namespace {

constexpr int kHostsMax = 64;
constexpr int kMethodsMax = 16;
constexpr int kHeaderMatchesMax = 16;
constexpr int kUpgradesMax = 8;
constexpr size_t kMethodBytesMax = 32;
constexpr size_t kHostBytesMax = 253;
constexpr size_t kPathBytesMax = 1024;
constexpr size_t kBodyBytesMax = 4096;
constexpr int kJsonMatchesMax = 8;
constexpr size_t kPointerBytesMax = 256;
constexpr int kPointerStepsMax = 16;
constexpr size_t kJsonValueBytesMax = 1024;

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

// Requests are matched in their canonical form: what is not written so never matches.
void CheckPathMatch(absl::string_view value, const RulePath& path, Rules* rules) {
  rules->BytesAtMost(path, value, kPathBytesMax);
  std::string text(value.size(), '\0');
  const CanonicalPath canonical = CanonicalizePath(value, EmptySegments::kMerge, text.data());
  text.resize(canonical.size);
  if (canonical.error != PathError::kNone) {
    rules->Broken(config_code::kValue, path,
                  absl::StrCat("must be a path without query or fragment; it has ",
                               PathErrorText(canonical.error)));
  } else if ((canonical.traits & ~kPathEmptySegment) != 0) {
    rules->Broken(config_code::kValue, path,
                  "a route cannot match on \";\", %2F, %25, %3B, %3F or %23; "
                  "end it before them and see path_options");
  } else if (text != value) {
    rules->Broken(config_code::kValue, path,
                  absl::StrCat("is matched in its canonical form: write \"", text, "\""));
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

void CheckRouteMatch(const v1::RouteMatch& match, const RulePath& path, Rules* rules) {
  if (match.path_case() == v1::RouteMatch::kExact) {
    CheckPathMatch(match.exact(), path.Field("exact"), rules);
  } else if (match.path_case() == v1::RouteMatch::kPrefix) {
    CheckPathMatch(match.prefix(), path.Field("prefix"), rules);
  }
  rules->EntriesAtMost(path.Field("methods"), match.methods_size(), kMethodsMax);
  for (int i = 0; i < std::min(match.methods_size(), kMethodsMax); ++i) {
    rules->IsToken(path.Entry("methods", i), match.methods(i), kMethodBytesMax);
  }
  rules->EntriesAtMost(path.Field("headers"), match.headers_size(), kHeaderMatchesMax);
  for (int i = 0; i < std::min(match.headers_size(), kHeaderMatchesMax); ++i) {
    CheckHeaderMatch(match.headers(i), path.Entry("headers", i), rules);
  }
  rules->EntriesAtMost(path.Field("json"), match.json_size(), kJsonMatchesMax);
  for (int i = 0; i < std::min(match.json_size(), kJsonMatchesMax); ++i) {
    CheckJsonMatch(match.json(i), path.Entry("json", i), rules);
  }
  if (match.grpc() && match.json_size() > 0) {
    rules->Broken(config_code::kConflict, path.Field("json"), "gRPC's messages are no JSON");
  }
}

void CheckUpgrades(const v1::Route& route, const RulePath& path, Rules* rules) {
  if (route.has_direct_response() && route.upgrades_size() > 0) {
    rules->Broken(config_code::kConflict, path.Field("upgrades"),
                  "a direct_response follows no upgrade: they need a service");
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
  switch (route.action_case()) {
    case v1::Route::kService:
      if (!IsServiceId(route.service())) {
        rules->Broken(config_code::kValue, path.Field("service"), "must be a service's ID");
      }
      break;
    case v1::Route::kDirectResponse: {
      const RulePath response = path.Field("direct_response");
      rules->CountIn(response.Field("status"), route.direct_response().status(), {200, 599});
      rules->BytesAtMost(response.Field("body"), route.direct_response().body(), kBodyBytesMax);
      break;
    }
    case v1::Route::ACTION_NOT_SET:
      rules->Broken(config_code::kRequired, path, "needs an action: service or direct_response");
  }
  rules->DurationInOrZero(path.Field("request_timeout"), route.has_request_timeout(),
                          route.request_timeout(), {absl::Milliseconds(1), absl::Hours(24)});
  if (route.has_rate_limit()) CheckRateLimit(route.rate_limit(), path.Field("rate_limit"), rules);
}

}  // namespace pointsman::common
