#include "cli/lookup.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/next_step.h"
#include "cli/text.h"

namespace pointsman::cli {
namespace {

std::string Suggestion(absl::string_view word, const std::vector<std::string>& known) {
  const std::optional<std::string> nearest = common::NearestName(word, known);
  return nearest ? absl::StrCat("; did you mean \"", *nearest, "\"?") : "";
}

// The list that a missing endpoint should be in: its service's when there is one.
std::string ListOfEndpoints(absl::string_view name, const std::vector<std::string>& known) {
  const absl::string_view service = name.substr(0, name.find('/'));
  const bool has_some = std::any_of(known.begin(), known.end(), [&](const std::string& endpoint) {
    return absl::StartsWith(endpoint, absl::StrCat(service, "/"));
  });
  return has_some ? absl::StrCat("pointsman get endpoints ", service) : "pointsman get endpoints";
}

}  // namespace

absl::StatusOr<std::string> KindOf(absl::string_view word,
                                   std::span<const absl::string_view> known) {
  std::vector<std::string> names;
  for (const absl::string_view kind : known) {
    if (word == kind || absl::StrCat(word, "s") == kind) return std::string(kind);
    names.push_back(std::string(kind));
  }
  return WithNext(absl::InvalidArgumentError(
                      absl::StrCat("unknown kind \"", word, "\"", Suggestion(word, names))),
                  absl::StrCat("name one of these: ", absl::StrJoin(names, ", ")));
}

absl::Status Missing(absl::string_view kind, absl::string_view name,
                     const std::vector<std::string>& known) {
  const absl::string_view singular = kind.substr(0, kind.size() - 1);
  const std::string list =
      kind == "endpoints" ? ListOfEndpoints(name, known) : absl::StrCat("pointsman get ", kind);
  return WithNext(absl::NotFoundError(absl::StrCat("there is no ", singular, " \"", name, "\"",
                                                   Suggestion(name, known))),
                  absl::StrCat("list what there is with \"", list, "\""));
}

absl::StatusOr<common::EndpointRef> EndpointNamed(const std::string& name) {
  absl::StatusOr<common::EndpointRef> ref = common::ParseEndpointName(name);
  if (ref.ok()) return ref;
  const absl::string_view bare = common::BareId(name, "services");
  return WithNext(ref.status(),
                  absl::StrCat("list endpoints by name with \"pointsman get endpoints",
                               common::IsServiceId(bare) ? absl::StrCat(" ", bare) : "", "\""));
}

absl::Status SuggestEndpoint(const absl::Status& status, const std::string& name,
                             AdminClient* client) {
  if (!absl::IsNotFound(status)) return status;
  const auto ref = common::ParseEndpointName(name);
  const auto all = client->ListEndpoints("");
  if (!ref.ok() || !all.ok()) return status;
  std::vector<std::string> known;
  for (const v1::EndpointState& endpoint : all->endpoints()) {
    known.push_back(ShortEndpointName(endpoint.name()));
  }
  const std::string typed = absl::StrCat(ref->service, "/", ref->endpoint);
  // A known endpoint that "is not found": it is something about it that is missing.
  if (std::find(known.begin(), known.end(), typed) != known.end()) return status;
  return Missing("endpoints", typed, known);
}

}  // namespace pointsman::cli
