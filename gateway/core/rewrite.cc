#include "gateway/core/rewrite.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/core/status_macros.h"
#include "gateway/core/text_condition.h"

namespace pointsman::gateway {
namespace {

// What RE2 may make of one path.
constexpr size_t kPathBytesMax = 32 * 1024;

std::optional<std::string> Canonical(absl::string_view path, common::PathTraits traits) {
  if (path.size() > kPathBytesMax) return std::nullopt;
  std::string out(path.size(), '\0');
  const auto keep = (traits & common::kPathEmptySegment) != 0 ? common::EmptySegments::kKeep
                                                              : common::EmptySegments::kMerge;
  const common::CanonicalPath canonical = common::CanonicalizePath(path, keep, out.data());
  if (canonical.error != common::PathError::kNone) return std::nullopt;
  if ((canonical.traits & ~traits & ~common::kPathEmptySegment) != 0) return std::nullopt;
  out.resize(canonical.size);
  return out;
}

// A segment goes when dots are resolved.
bool LeavesASegment(absl::string_view path) {
  if (path.size() > kPathBytesMax) return true;
  std::string out(path.size(), '\0');
  const common::CanonicalPath canonical =
      common::CanonicalizePath(path, common::EmptySegments::kKeep, out.data());
  return std::count(out.begin(), out.begin() + static_cast<ptrdiff_t>(canonical.size), '/') !=
         std::count(path.begin(), path.end(), '/');
}

// "/a/{id}" -> "/a/", "id", "".
std::vector<std::string> PartsOf(absl::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t open = text.find('{');
    const size_t close = text.find('}', open == absl::string_view::npos ? 0 : open);
    if (open == absl::string_view::npos || close == absl::string_view::npos) break;
    parts.emplace_back(text.substr(0, open));
    parts.emplace_back(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
  }
  parts.emplace_back(text);
  return parts;
}

// "/v2" for "/api" in "/api/x"; what is left of "/api/" begins a segment of its own.
std::string WithPrefix(absl::string_view prefix, absl::string_view path, size_t prefix_size) {
  absl::string_view rest = path.substr(std::min(prefix_size, path.size()));
  const absl::string_view before = path.substr(0, path.size() - rest.size());
  // Its "/" stays with what is left.
  if (!rest.empty() && absl::EndsWith(before, "/")) rest = path.substr(before.size() - 1);
  if (absl::StartsWith(rest, "/")) absl::ConsumeSuffix(&prefix, "/");
  return absl::StrCat(prefix, rest);
}

}  // namespace

absl::Status PathChange::Compile(const common::PathTemplate* matched) {
  if (kind == Kind::kPattern) {
    PM_ASSIGN_OR_RETURN(pattern, CompilePattern(pattern_text));
    std::string error;
    if (pattern->CheckRewriteString(text, &error)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("substitution \"", text, "\": ", error));
  }
  if (kind != Kind::kWhole || matched == nullptr) return absl::OkStatus();
  parts = PartsOf(text);
  for (size_t i = 1; i < parts.size(); i += 2) {
    if (matched->Has(parts[i])) continue;
    return absl::InvalidArgumentError(absl::StrCat("the template has no {", parts[i], "}"));
  }
  return absl::OkStatus();
}

std::optional<std::string> PathChange::Apply(absl::string_view path, size_t prefix_size,
                                             const common::PathTemplate* matched,
                                             common::PathTraits traits) const {
  switch (kind) {
    case Kind::kNone:
      return std::string(path);
    case Kind::kWhole: {
      if (parts.empty()) return Canonical(text, traits);
      std::string filled = parts[0];
      for (size_t i = 1; i + 1 < parts.size(); i += 2) {
        const auto captured = matched->Capture(path, parts[i]);
        if (!captured.has_value()) return std::nullopt;
        absl::StrAppend(&filled, *captured, parts[i + 1]);
      }
      return Canonical(filled, traits);
    }
    case Kind::kPrefix:
      return Canonical(WithPrefix(text, path, prefix_size), traits);
    case Kind::kPattern: {
      std::string replaced(path);
      re2::RE2::Replace(&replaced, *pattern, text);
      // What was no dot segment before must not lead out of the route now.
      if (LeavesASegment(replaced)) return std::nullopt;
      return Canonical(replaced, traits);
    }
  }
  return std::nullopt;
}

std::string LocationOf(const Redirect& redirect, absl::string_view scheme,
                       absl::string_view authority, absl::string_view path,
                       absl::string_view query) {
  const absl::string_view new_scheme = redirect.scheme.empty() ? scheme : redirect.scheme;
  absl::string_view host = redirect.host.empty() ? authority : redirect.host;
  // A port is of the scheme that it was named for; the colons of an IPv6 address are none.
  if (redirect.host.empty() && new_scheme != scheme) {
    const size_t colon = host.rfind(':');
    if (colon != absl::string_view::npos && host.find(']', colon) == absl::string_view::npos) {
      host = host.substr(0, colon);
    }
  }
  std::string url = absl::StrCat(new_scheme, "://", host, path);
  if (host.empty()) url = std::string(path);
  if (query.data() != nullptr && !redirect.strip_query) absl::StrAppend(&url, "?", query);
  return url;
}

}  // namespace pointsman::gateway
