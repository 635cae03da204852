#include "cli/print_route.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/text.h"

namespace pointsman::cli {
namespace {

// "a=small", "a=small*" (prefix), "a~.*" (pattern), "a" (any value), "!a" (none): of a header, a
// parameter, a cookie or a field of a body.
template <typename Match>
std::string ConditionText(const std::string& what, const Match& match) {
  switch (match.value_case()) {
    case Match::kExact:
      return absl::StrCat(what, "=", absl::Utf8SafeCHexEscape(match.exact()));
    case Match::kPrefix:
      return absl::StrCat(what, "=", absl::Utf8SafeCHexEscape(match.prefix()), "*");
    case Match::kMatches:
      return absl::StrCat(what, "~", absl::Utf8SafeCHexEscape(match.matches()));
    case Match::kPresent:
      return match.present() ? what : absl::StrCat("!", what);
    case Match::VALUE_NOT_SET:
      break;
  }
  return what;
}

std::string PathText(const v1::RouteMatch& match) {
  if (match.has_exact()) return absl::StrCat("= ", match.exact());
  if (match.has_prefix()) return absl::StrCat(match.prefix(), "*");
  if (match.has_template_()) return match.template_();
  if (match.has_pattern()) return absl::StrCat("~ ", absl::Utf8SafeCHexEscape(match.pattern()));
  if (match.grpc_service().empty()) return match.grpc() ? "gRPC" : "";
  return absl::StrCat("gRPC ", match.grpc_service(), match.grpc_method().empty() ? "" : "/",
                      match.grpc_method());
}

std::string SplitText(const v1::Split& split) {
  return absl::StrJoin(split.shares(), ", ", [](std::string* out, const v1::SplitShare& share) {
    absl::StrAppend(out, share.service(), " ", share.weight());
  });
}

// Where to: what of the URL is another.
std::string RedirectText(const v1::Redirect& redirect) {
  std::string to = absl::StrCat(redirect.scheme(), redirect.scheme().empty() ? "" : "://",
                                redirect.host(), redirect.path());
  if (redirect.has_prefix()) absl::StrAppend(&to, redirect.prefix(), "*");
  return absl::StrCat("redirect ", redirect.status() == 0 ? 302 : redirect.status(), " ", to);
}

}  // namespace

std::string MatchText(const v1::RouteMatch& match) {
  std::vector<std::string> parts;
  if (std::string path = PathText(match); !path.empty()) parts.push_back(std::move(path));
  if (match.methods_size() > 0) parts.push_back(absl::StrJoin(match.methods(), "|"));
  for (const v1::HeaderMatch& header : match.headers()) {
    parts.push_back(ConditionText(absl::StrCat(header.name(), ":"), header));
  }
  for (const v1::ParameterMatch& parameter : match.query()) {
    parts.push_back(
        ConditionText(absl::StrCat("?", absl::Utf8SafeCHexEscape(parameter.name())), parameter));
  }
  for (const v1::ParameterMatch& cookie : match.cookies()) {
    parts.push_back(
        ConditionText(absl::StrCat("cookie:", absl::Utf8SafeCHexEscape(cookie.name())), cookie));
  }
  for (const v1::JsonMatch& json : match.json()) {
    parts.push_back(
        ConditionText(absl::StrCat("json", absl::Utf8SafeCHexEscape(json.pointer())), json));
  }
  if (match.client_addresses_size() > 0) {
    parts.push_back(absl::StrCat("from ", absl::StrJoin(match.client_addresses(), ",")));
  }
  return parts.empty() ? "all" : absl::StrJoin(parts, " ");
}

std::string LimitText(const v1::Route& route) {
  std::vector<std::string> parts;
  if (route.has_rate_limit()) {
    const v1::RateLimit& limit = route.rate_limit();
    std::string text = absl::StrFormat("%.6g/s", limit.requests_per_second());
    if (limit.burst() > 0) absl::StrAppend(&text, " burst ", limit.burst());
    if (limit.has_max_wait())
      absl::StrAppend(&text, " wait ", DurationText(true, limit.max_wait()));
    parts.push_back(std::move(text));
  }
  if (route.buffer_request()) parts.emplace_back("buffered");
  return absl::StrJoin(parts, ", ");
}

std::string ActionText(const v1::Route& route) {
  std::vector<std::string> parts;
  if (route.has_service()) parts.push_back(absl::StrCat("services/", route.service()));
  if (route.has_split()) parts.push_back(absl::StrCat("split ", SplitText(route.split())));
  if (route.has_redirect()) parts.push_back(RedirectText(route.redirect()));
  if (route.has_direct_response()) {
    parts.push_back(absl::StrCat("answer ", route.direct_response().status()));
  }
  if (route.has_rewrite()) parts.emplace_back("rewritten");
  if (route.has_mirror()) {
    const double share = route.mirror().has_share() ? route.mirror().share() : 1;
    parts.push_back(absl::StrCat("mirror ", route.mirror().service(), " ", PercentText(share)));
  }
  return absl::StrJoin(parts, ", ");
}

}  // namespace pointsman::cli
