#include "common/core/config_route_actions.h"

#include <re2/re2.h>

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/config_service_rules.h"
#include "common/core/names.h"
#include "common/core/own_fields.h"
#include "common/core/path_template.h"
#include "common/core/request_path.h"

namespace pointsman::common {
namespace {

constexpr size_t kPathBytesMax = 1024;
constexpr size_t kBodyBytesMax = 4096;
constexpr int kSplitSharesMax = 16;
constexpr uint64_t kSplitWeightMax = 1'000'000;
constexpr int kHeaderChangesMax = 32;
constexpr size_t kHeaderNameBytesMax = 127;
constexpr size_t kHeaderValueBytesMax = 4096;

void CheckHeaderName(absl::string_view name, const RulePath& path, Rules* rules) {
  rules->IsToken(path, name, kHeaderNameBytesMax);
  if (!IsOwnField(name)) return;
  rules->Broken(config_code::kValue, path,
                absl::StrCat("\"", name, "\" is the gateway's own to write"));
}

template <typename Fields>
void CheckHeaderFields(const Fields& fields, const RulePath& path, Rules* rules) {
  rules->EntriesAtMost(path, static_cast<int>(fields.size()), kHeaderChangesMax);
  for (const auto& [name, value] : fields) {
    CheckHeaderName(name, path, rules);
    rules->BytesAtMost(path, value, kHeaderValueBytesMax);
    rules->IsHeaderValue(path, value);
  }
}

void CheckHeaderChanges(const v1::HeaderChanges& changes, const RulePath& path, Rules* rules) {
  CheckHeaderFields(changes.set(), path.Field("set"), rules);
  CheckHeaderFields(changes.add(), path.Field("add"), rules);
  rules->EntriesAtMost(path.Field("remove"), changes.remove_size(), kHeaderChangesMax);
  for (int i = 0; i < std::min(changes.remove_size(), kHeaderChangesMax); ++i) {
    CheckHeaderName(changes.remove(i), path.Entry("remove", i), rules);
  }
}

void CheckHost(absl::string_view host, const RulePath& path, Rules* rules) {
  rules->BytesAtMost(path, host, kAddressBytesMax);
  if (host.empty() || IsHostText(host)) return;
  rules->Broken(config_code::kValue, path,
                "must be a host name or an IP address, such as \"api.example.org\" or "
                "\"api.example.org:8443\"");
}

// A whole path with, where the route matches by a template, names of that in braces.
void CheckNewPath(const std::string& value, const v1::RouteMatch& match, const RulePath& path,
                  Rules* rules) {
  std::string plain;
  absl::string_view rest = value;
  const bool has_template = match.has_template_();
  const auto matched = PathTemplate::Parse(has_template ? match.template_() : "/");
  for (size_t open = rest.find('{'); open != absl::string_view::npos && has_template;
       open = rest.find('{')) {
    const size_t close = std::min(rest.find('}', open), rest.size());
    const absl::string_view name = rest.substr(open + 1, close - open - 1);
    if (close == rest.size()) {
      rules->Broken(config_code::kValue, path, "a \"{\" has no \"}\"");
    } else if (matched.ok() && !matched->Has(name)) {
      rules->Broken(config_code::kReference, path,
                    absl::StrCat("match.template has no {", name, "}"));
    }
    absl::StrAppend(&plain, rest.substr(0, open), "v");
    rest.remove_prefix(std::min(close + 1, rest.size()));
  }
  absl::StrAppend(&plain, rest);
  if (!has_template && absl::StrContains(value, '{')) {
    rules->Broken(config_code::kConflict, path, "{name} needs match.template");
  }
  CheckPathText(plain, path, rules);
}

// Of a Redirect or a Rewrite, what they have in common.
template <typename Message>
void CheckPathChange(const Message& message, const v1::RouteMatch& match, const RulePath& path,
                     Rules* rules) {
  if (message.has_path()) CheckNewPath(message.path(), match, path.Field("path"), rules);
  if (!message.has_prefix()) return;
  const RulePath prefix = path.Field("prefix");
  CheckPathText(message.prefix(), prefix, rules);
  if (!match.has_prefix()) {
    rules->Broken(config_code::kConflict, prefix, "stands in the place of match.prefix: set that");
  }
}

void CheckSplit(const v1::Split& split, const RulePath& path, Rules* rules) {
  const RulePath shares = path.Field("shares");
  if (split.shares_size() == 0) rules->Broken(config_code::kRequired, shares, "needs a service");
  rules->EntriesAtMost(shares, split.shares_size(), kSplitSharesMax);
  std::set<absl::string_view> services;
  uint64_t total = 0;
  for (int i = 0; i < std::min(split.shares_size(), kSplitSharesMax); ++i) {
    const v1::SplitShare& share = split.shares(i);
    const RulePath entry = path.Entry("shares", i);
    if (!IsServiceId(share.service())) {
      rules->Broken(config_code::kValue, entry.Field("service"), "must be a service's ID");
    } else if (!services.insert(share.service()).second) {
      rules->Broken(config_code::kDuplicate, entry.Field("service"),
                    absl::StrCat("\"", share.service(), "\" has a share already"));
    }
    rules->CountIn(entry.Field("weight"), share.weight(), {0, kSplitWeightMax});
    total += share.weight();
  }
  if (split.shares_size() > 0 && total == 0) {
    rules->Broken(config_code::kValue, shares, "one weight at least must be above 0");
  }
}

void CheckRedirect(const v1::Route& route, const RulePath& path, Rules* rules) {
  const v1::Redirect& redirect = route.redirect();
  static constexpr uint32_t kStatuses[] = {0, 301, 302, 303, 307, 308};
  if (std::find(std::begin(kStatuses), std::end(kStatuses), redirect.status()) ==
      std::end(kStatuses)) {
    rules->Broken(config_code::kRange, path.Field("status"),
                  absl::StrCat(redirect.status(), " must be 301, 302, 303, 307 or 308"));
  }
  const std::string& scheme = redirect.scheme();
  if (!scheme.empty() && scheme != "http" && scheme != "https") {
    rules->Broken(config_code::kValue, path.Field("scheme"), "must be \"http\" or \"https\"");
  }
  CheckHost(redirect.host(), path.Field("host"), rules);
  CheckPathChange(redirect, route.match(), path, rules);
  const bool changes = !scheme.empty() || !redirect.host().empty() || redirect.has_path() ||
                       redirect.has_prefix() || redirect.strip_query();
  if (!changes) {
    rules->Broken(config_code::kRequired, path,
                  "leads to the same URL: set scheme, host, path or prefix");
  }
}

void CheckRewrite(const v1::Route& route, const RulePath& path, Rules* rules) {
  const v1::Rewrite& rewrite = route.rewrite();
  CheckHost(rewrite.host(), path.Field("host"), rules);
  CheckPathChange(rewrite, route.match(), path, rules);
  if (rewrite.has_pattern()) {
    const RulePath pattern = path.Field("pattern");
    const std::string& matches = rewrite.pattern().matches();
    if (matches.empty()) {
      rules->Broken(config_code::kRequired, pattern.Field("matches"), "is required");
    }
    rules->CompilesAsPattern(pattern.Field("matches"), matches);
    rules->BytesAtMost(pattern.Field("substitution"), rewrite.pattern().substitution(),
                       kPathBytesMax);
    std::string error;
    const re2::RE2 compiled(matches, re2::RE2::Quiet);
    if (compiled.ok() && !compiled.CheckRewriteString(rewrite.pattern().substitution(), &error)) {
      rules->Broken(config_code::kValue, pattern.Field("substitution"), error);
    }
  }
  const RulePath request = path.Field("request_headers");
  CheckHeaderChanges(rewrite.request_headers(), request, rules);
  const RulePath response = path.Field("response_headers");
  CheckHeaderChanges(rewrite.response_headers(), response, rules);
}

// Where requests go to, and what is done to them on the way.
void CheckForwarding(const v1::Route& route, const RulePath& path, Rules* rules) {
  const bool forwards = route.has_service() || route.has_split();
  const RulePath rewrite = path.Field("rewrite");
  const RulePath mirror = path.Field("mirror");
  if (route.has_rewrite()) CheckRewrite(route, rewrite, rules);
  if (route.has_mirror()) {
    if (!IsServiceId(route.mirror().service())) {
      rules->Broken(config_code::kValue, mirror.Field("service"), "must be a service's ID");
    }
    rules->NumberIn(mirror.Field("share"), route.mirror().share(), {0, 1});
  }
  if (forwards) return;
  if (route.has_rewrite()) {
    rules->Broken(config_code::kConflict, rewrite, "needs a service that requests go on to");
  }
  if (route.has_mirror()) {
    rules->Broken(config_code::kConflict, mirror, "needs a service that requests go on to");
  }
  const std::pair<absl::string_view, bool> overrides[] = {
      {"first_byte_timeout", route.has_first_byte_timeout()},
      {"idle_timeout", route.has_idle_timeout()},
      {"retries", route.has_retries()}};
  for (const auto& [field, present] : overrides) {
    if (!present) continue;
    rules->Broken(config_code::kConflict, path.Field(field),
                  "needs a service that requests go on to");
  }
}

void CheckOverrides(const v1::Route& route, const RulePath& path, Rules* rules) {
  const Range<absl::Duration> any = {absl::Milliseconds(1), absl::Hours(24)};
  rules->DurationInOrZero(path.Field("request_timeout"), route.has_request_timeout(),
                          route.request_timeout(), any);
  rules->DurationIn(path.Field("first_byte_timeout"), route.has_first_byte_timeout(),
                    route.first_byte_timeout(), any);
  rules->DurationIn(path.Field("idle_timeout"), route.has_idle_timeout(), route.idle_timeout(),
                    any);
  const v1::RouteRetries& retries = route.retries();
  const RulePath retries_path = path.Field("retries");
  rules->CountIn(retries_path.Field("max_retries"), retries.max_retries(), {0, 5});
  rules->DurationIn(retries_path.Field("per_try_timeout"), retries.has_per_try_timeout(),
                    retries.per_try_timeout(), any);
  CheckRetryStatuses(retries.statuses(), retries_path, rules);
}

}  // namespace

void CheckPathText(absl::string_view value, const RulePath& path, Rules* rules) {
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

void CheckRouteActions(const v1::Route& route, const RulePath& path, Rules* rules) {
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
    case v1::Route::kSplit:
      CheckSplit(route.split(), path.Field("split"), rules);
      break;
    case v1::Route::kRedirect:
      CheckRedirect(route, path.Field("redirect"), rules);
      break;
    case v1::Route::ACTION_NOT_SET:
      rules->Broken(config_code::kRequired, path,
                    "needs an action: service, split, redirect or direct_response");
  }
  CheckForwarding(route, path, rules);
  CheckOverrides(route, path, rules);
}

}  // namespace pointsman::common
