#include "cli/print_config.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/print_route.h"
#include "cli/table.h"
#include "cli/text_diff.h"
#include "common/core/config_value.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"

namespace pointsman::cli {
namespace {

using google::protobuf::RepeatedPtrField;

// What a service's endpoints come to.
struct Summary {
  int endpoints = 0;
  int routable = 0;
  int healthy = 0;
  double requests_per_second = 0;
  double failures_per_second = 0;
};

std::map<std::string, Summary> Summaries(const RepeatedPtrField<v1::EndpointState>& states) {
  std::map<std::string, Summary> by_service;
  for (const v1::EndpointState& state : states) {
    const auto ref = common::ParseEndpointName(state.name());
    if (!ref.ok()) continue;
    Summary& summary = by_service[ref->service];
    ++summary.endpoints;
    summary.routable += state.routable();
    summary.healthy += state.verdict() == v1::VERDICT_HEALTHY;
    summary.requests_per_second += state.requests_per_second();
    summary.failures_per_second += state.failures_per_second();
  }
  return by_service;
}

Cell Readiness(const Summary& summary) {
  const std::string text = absl::StrCat(summary.routable, "/", summary.endpoints);
  if (summary.endpoints == 0) return Cell(text, Colour::kGrey);
  if (summary.routable == 0) return Cell(text, Colour::kRed);
  return Cell(text, summary.healthy == summary.endpoints ? Colour::kGreen : Colour::kYellow);
}

std::string EnumText(const google::protobuf::EnumDescriptor* type, int number) {
  const google::protobuf::EnumValueDescriptor* value = type->FindValueByNumber(number);
  if (number == 0 || value == nullptr) return "-";
  return common::ShortEnumName(*value);
}

std::string CheckText(const v1::HealthCheck& check) {
  std::string text = check.name();
  if (check.has_http()) {
    absl::StrAppend(&text, text.empty() ? "" : ":", check.http().tls() ? "https " : "http ",
                    check.http().path().empty() ? "/" : check.http().path());
  } else {
    absl::StrAppend(&text, text.empty() ? "" : ":", "tcp");
  }
  return text;
}

Cell OverrideAction(const v1::Override& override_) {
  switch (override_.action_case()) {
    case v1::Override::kDrain:
      return Cell("drain", Colour::kBlue);
    case v1::Override::kEject:
      return Cell("eject", Colour::kRed);
    case v1::Override::kWeight:
      return Cell(absl::StrCat("weight x", NumberText(override_.weight())), Colour::kYellow);
    case v1::Override::ACTION_NOT_SET:
      break;
  }
  return "-";
}

}  // namespace

std::string ServicesTable(const RepeatedPtrField<v1::Service>& services,
                          const RepeatedPtrField<v1::EndpointState>& states, const Style& style) {
  const std::map<std::string, Summary> summaries = Summaries(states);
  Table table({{"NAME"},
               {"READY", true},
               {"REQUESTS", true},
               {"FAILURES", true},
               {"SIGNAL"},
               {"REVISION", true},
               {"CHECKS"}});
  for (const v1::Service& service : services) {
    const std::string id(common::BareId(service.name(), "services"));
    const auto found = summaries.find(id);
    const Summary summary = found == summaries.end() ? Summary() : found->second;
    const auto check_text = [](std::string* out, const v1::HealthCheck& check) {
      absl::StrAppend(out, CheckText(check));
    };
    table.AddRow({id, Readiness(summary), RateText(summary.requests_per_second),
                  Cell(RateText(summary.failures_per_second),
                       summary.failures_per_second > 0 ? Colour::kRed : Colour::kNone),
                  EnumText(v1::LoadSignal_descriptor(), service.weights().signal()),
                  absl::StrCat(service.revision()),
                  absl::StrJoin(service.checks(), ", ", check_text)});
  }
  return table.Format(style);
}

std::string RoutesTable(const RepeatedPtrField<v1::Route>& routes, const Style& style) {
  Table table({{"NAME"},
               {"HOSTS"},
               {"MATCH"},
               {"ACTION"},
               {"LIMIT", true},
               {"TIMEOUT", true},
               {"REVISION", true}});
  for (const v1::Route& route : routes) {
    table.AddRow({std::string(common::BareId(route.name(), "routes")),
                  route.hosts().empty() ? "all" : absl::StrJoin(route.hosts(), ", "),
                  MatchText(route.match()), ActionText(route), LimitText(route),
                  DurationText(route.has_request_timeout(), route.request_timeout()),
                  absl::StrCat(route.revision())});
  }
  return table.Format(style);
}

std::string OverridesTable(const RepeatedPtrField<v1::Override>& overrides, const Style& style,
                           absl::TimeZone zone) {
  Table table({{"NAME"}, {"ENDPOINT"}, {"ACTION"}, {"AUTHOR"}, {"SINCE"}, {"COMMENT"}});
  for (const v1::Override& override_ : overrides) {
    table.AddRow({std::string(common::BareId(override_.name(), "overrides")),
                  absl::StrCat(override_.service(), "/", override_.endpoint()),
                  OverrideAction(override_), override_.author(),
                  TimeText(override_.create_time(), zone), override_.comment()});
  }
  return table.Format(style);
}

std::string RevisionsTable(const RepeatedPtrField<v1::ConfigRevision>& revisions,
                           const Style& style, absl::TimeZone zone) {
  Table table({{"REVISION", true}, {"TIME"}, {"ACTOR"}, {"CHANGED"}, {"COMMENT"}});
  for (const v1::ConfigRevision& revision : revisions) {
    std::string changed =
        absl::StrJoin(revision.changed().begin(),
                      revision.changed().begin() + std::min(revision.changed_size(), 3), ", ");
    if (revision.changed_size() > 3) {
      absl::StrAppend(&changed, " and ", revision.changed_size() - 3, " more");
    }
    table.AddRow({absl::StrCat(revision.revision()), TimeText(revision.time(), zone),
                  revision.actor(), changed, revision.comment()});
  }
  return table.Format(style);
}

std::string ChangesText(const RepeatedPtrField<v1::ConfigChange>& changes, bool lines,
                        const Style& style) {
  std::string out;
  for (const v1::ConfigChange& change : changes) {
    const char* word = "changed";
    Colour colour = Colour::kNone;
    switch (change.kind()) {
      case v1::ConfigChange::KIND_CREATED:
        word = "created";
        colour = Colour::kGreen;
        break;
      case v1::ConfigChange::KIND_UPDATED:
        word = "updated";
        colour = Colour::kYellow;
        break;
      case v1::ConfigChange::KIND_DELETED:
        word = "deleted";
        colour = Colour::kRed;
        break;
      default:
        break;
    }
    absl::StrAppend(&out, Paint(style, colour, word), " ", Clean(change.name()), "\n");
    if (lines) absl::StrAppend(&out, DiffLines(change.before(), change.after(), style));
  }
  return out;
}

}  // namespace pointsman::cli
