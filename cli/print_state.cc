#include "cli/print_state.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/table.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"

namespace pointsman::cli {
namespace {

using google::protobuf::RepeatedPtrField;

constexpr int kBarWidth = 10;
// A weight that moves less is not worth a line.
constexpr double kWeightChangeMin = 0.01;

// "healthy", "unhealthy (fail-open)".
Cell VerdictCell(const v1::EndpointState& endpoint) {
  std::string text = VerdictText(endpoint.verdict());
  const bool usable =
      endpoint.verdict() == v1::VERDICT_HEALTHY || endpoint.verdict() == v1::VERDICT_DEGRADED;
  if (endpoint.routable() && !usable) absl::StrAppend(&text, " (fail-open)");
  if (!endpoint.routable() && usable) absl::StrAppend(&text, " (unused)");
  return Cell(text, VerdictColour(endpoint.verdict()));
}

Cell FailuresCell(double per_second) {
  return Cell(RateText(per_second), per_second > 0 ? Colour::kRed : Colour::kNone);
}

std::string CauseText(const v1::EndpointState& endpoint) {
  return endpoint.cause().empty() ? ReasonText(endpoint.reason()) : endpoint.cause();
}

std::string OptionalPercent(bool present, double value) {
  return present ? PercentText(value) : "-";
}

Cell ConnectedCell(bool connected) {
  return connected ? Cell("connected", Colour::kGreen) : Cell("gone", Colour::kRed);
}

Table EndpointColumns(bool wide) {
  std::vector<Column> columns = {{"ENDPOINT"},    {"VERDICT"},        {"WEIGHT", true},
                                 {"SHARE", true}, {"REQUESTS", true}, {"FAILURES", true},
                                 {"P50", true},   {"P99", true},      {"SINCE", true}};
  if (wide) {
    columns.insert(columns.begin() + 3, {"", false});
    for (const char* name : {"CPU", "IN-FLIGHT", "UTIL", "QUEUE", "REPORT", "RESTARTS"}) {
      columns.push_back({name, true});
    }
    for (const char* name : {"ADDRESS", "PLACE", "AGENT"}) columns.push_back({name});
  }
  columns.push_back({"WHY"});
  return Table(std::move(columns));
}

// Of each service, the heaviest weight that is in use: weights compare within a service only.
using Heaviest = std::map<std::string, uint32_t>;

std::string ServiceOf(const v1::EndpointState& endpoint) {
  const auto ref = common::ParseEndpointName(endpoint.name());
  return ref.ok() ? ref->service : "";
}

Heaviest HeaviestOf(const RepeatedPtrField<v1::EndpointState>& endpoints) {
  Heaviest heaviest;
  for (const v1::EndpointState& endpoint : endpoints) {
    if (!endpoint.routable()) continue;
    uint32_t& weight = heaviest[ServiceOf(endpoint)];
    weight = std::max(weight, endpoint.weight());
  }
  return heaviest;
}

// Nothing is sent to an endpoint that is not routable, whatever its weight was: it has none.
std::string WeightInUse(const v1::EndpointState& endpoint) {
  return endpoint.routable() ? WeightText(endpoint.weight()) : "-";
}

std::string WeightBar(const v1::EndpointState& endpoint, const Heaviest& heaviest,
                      const Style& style) {
  const auto of_service = heaviest.find(ServiceOf(endpoint));
  if (!endpoint.routable() || of_service == heaviest.end() || of_service->second == 0) {
    return Bar(style, 0, kBarWidth);
  }
  return Bar(style, static_cast<double>(endpoint.weight()) / of_service->second, kBarWidth);
}

std::vector<Cell> EndpointRow(const v1::EndpointState& endpoint, bool wide,
                              const Heaviest& heaviest, const Style& style) {
  std::vector<Cell> row = {ShortEndpointName(endpoint.name()),
                           VerdictCell(endpoint),
                           WeightInUse(endpoint),
                           PercentText(endpoint.share()),
                           RateText(endpoint.requests_per_second()),
                           FailuresCell(endpoint.failures_per_second()),
                           DurationText(endpoint.has_latency_p50(), endpoint.latency_p50()),
                           DurationText(endpoint.has_latency_p99(), endpoint.latency_p99()),
                           DurationText(endpoint.has_since(), endpoint.since())};
  if (wide) {
    row.insert(row.begin() + 3, Cell(WeightBar(endpoint, heaviest, style)));
    row.push_back(OptionalPercent(endpoint.has_cpu_utilisation(), endpoint.cpu_utilisation()));
    row.push_back(endpoint.has_in_flight() ? NumberText(endpoint.in_flight()) : "-");
    row.push_back(OptionalPercent(endpoint.has_utilisation(), endpoint.utilisation()));
    row.push_back(DurationText(endpoint.has_queue_delay(), endpoint.queue_delay()));
    row.push_back(DurationText(endpoint.has_report_age(), endpoint.report_age()));
    row.push_back(absl::StrCat(endpoint.restarts()));
    row.push_back(endpoint.endpoint().address());
    row.push_back(LocalityText(endpoint.endpoint().locality()));
    row.push_back(endpoint.agent().empty() ? "(static)" : endpoint.agent());
  }
  row.push_back(CauseText(endpoint));
  return row;
}

std::string RefusedText(const v1::AgentState& agent) {
  const std::map<std::string, uint64_t> ordered(agent.refused().begin(), agent.refused().end());
  return absl::StrJoin(ordered, ", ", absl::PairFormatter(" "));
}

std::string VersionText(const v1::Version& version) {
  return absl::StrCat(version.epoch(), ".", version.revision());
}

std::string CountText(uint64_t count, const char* noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace

std::string EndpointsTable(const RepeatedPtrField<v1::EndpointState>& endpoints, bool wide,
                           const Style& style) {
  const Heaviest heaviest = HeaviestOf(endpoints);
  Table table = EndpointColumns(wide);
  for (const v1::EndpointState& endpoint : endpoints) {
    table.AddRow(EndpointRow(endpoint, wide, heaviest, style));
  }
  return table.Format(style);
}

std::string AgentsTable(const RepeatedPtrField<v1::AgentState>& agents, bool wide,
                        const Style& style) {
  Table table({{"NAME"},
               {"STATE"},
               {"REPORT", true},
               {"INTERVAL", true},
               {"REPORTS", true},
               {"VERSION"},
               {"PEER"},
               {"REFUSED"},
               {"INSTANCES"}});
  for (const v1::AgentState& agent : agents) {
    const std::string instances =
        wide ? absl::StrJoin(agent.instances(), ", ") : absl::StrCat(agent.instances_size());
    table.AddRow({std::string(common::BareId(agent.name(), "agents")),
                  ConnectedCell(agent.connected()),
                  DurationText(agent.has_report_age(), agent.report_age()),
                  DurationText(agent.has_report_interval(), agent.report_interval()),
                  absl::StrCat(agent.reports()), agent.version(), agent.peer(),
                  Cell(RefusedText(agent), Colour::kRed), instances});
  }
  return table.Format(style);
}

std::string GatewaysTable(const RepeatedPtrField<v1::GatewayState>& gateways, bool wide,
                          const Style& style) {
  Table table({{"NAME"},
               {"STATE"},
               {"SLICES", true},
               {"BEHIND", true},
               {"LAG", true},
               {"APPLY", true},
               {"OBSERVED", true},
               {"CONFIG", true},
               {"NACKS", true},
               {"PLACE"},
               {"VERSION"},
               {"PEER"},
               {"LAST NACK"}});
  for (const v1::GatewayState& gateway : gateways) {
    table.AddRow(
        {std::string(common::BareId(gateway.name(), "gateways")),
         ConnectedCell(gateway.connected()), absl::StrCat(gateway.slices()),
         Cell(absl::StrCat(gateway.slices_behind()),
              gateway.slices_behind() > 0 ? Colour::kYellow : Colour::kNone),
         DurationText(gateway.has_lag(), gateway.lag()),
         DurationText(gateway.has_apply_duration(), gateway.apply_duration()),
         DurationText(gateway.has_observation_age(), gateway.observation_age()),
         VersionText(gateway.config()),
         Cell(absl::StrCat(gateway.nacks()), gateway.nacks() > 0 ? Colour::kRed : Colour::kNone),
         LocalityText(gateway.locality()), wide ? gateway.version() : "-",
         wide ? gateway.peer() : "-", gateway.last_nack()});
  }
  return table.Format(style);
}

std::string DetailsText(const v1::Event& event) {
  const std::map<std::string, std::string> ordered(event.details().begin(), event.details().end());
  return absl::StrCat("{", absl::StrJoin(ordered, ", ", absl::PairFormatter("=")), "}");
}

std::string EventsTable(const RepeatedPtrField<v1::Event>& events, bool wide, const Style& style,
                        absl::TimeZone zone) {
  Table table({{"TIME"}, {"TYPE"}, {"SUBJECT"}, {"ACTOR"}, {"SUMMARY"}});
  for (const v1::Event& event : events) {
    std::string summary = event.summary();
    if (wide && !event.details().empty()) absl::StrAppend(&summary, " ", DetailsText(event));
    table.AddRow({TimeText(event.time(), zone), event.type(), ShortEndpointName(event.subject()),
                  event.actor(), summary});
  }
  return table.Format(style);
}

std::string EventLine(const v1::Event& event, bool wide, const Style& style, absl::TimeZone zone) {
  std::string out =
      absl::StrFormat("%s  %-22s %s", TimeText(event.time(), zone), Clean(event.type()),
                      Paint(style, Colour::kBold, Clean(ShortEndpointName(event.subject()))));
  absl::StrAppend(&out, "  ", Clean(event.summary()));
  if (!event.actor().empty() && event.actor() != "controller") {
    absl::StrAppend(&out, " (", Clean(event.actor()), ")");
  }
  if (wide && !event.details().empty()) absl::StrAppend(&out, " ", Clean(DetailsText(event)));
  return out + "\n";
}

std::string EndpointFacts(const v1::EndpointState& endpoint, const Style& style) {
  Facts facts;
  facts.Add("Name", endpoint.name());
  facts.Add("Address", endpoint.endpoint().address());
  facts.Add("Place", LocalityText(endpoint.endpoint().locality()));
  const std::map<std::string, std::string> labels(endpoint.endpoint().labels().begin(),
                                                  endpoint.endpoint().labels().end());
  facts.Add("Labels", absl::StrJoin(labels, ", ", absl::PairFormatter("=")));
  facts.Add("Agent", endpoint.agent().empty() ? "(static)" : endpoint.agent());
  facts.Add("Verdict", VerdictCell(endpoint));
  facts.Add("Since", DurationText(endpoint.has_since(), endpoint.since()));
  facts.Add("Why", CauseText(endpoint));
  facts.Add("Weight", absl::StrCat(WeightText(endpoint.weight()), " of nominal",
                                   endpoint.routable() ? "" : " (not in use)", ", ",
                                   PercentText(endpoint.share()), " of picks ",
                                   Bar(style, endpoint.share(), 2 * kBarWidth)));
  facts.Add("Traffic", absl::StrCat(RateText(endpoint.requests_per_second()), ", ",
                                    RateText(endpoint.failures_per_second()), " failed"));
  if (endpoint.has_latency_p50() || endpoint.has_latency_p99()) {
    facts.Add(
        "Latency",
        absl::StrCat("p50 ", DurationText(endpoint.has_latency_p50(), endpoint.latency_p50()),
                     ", p99 ", DurationText(endpoint.has_latency_p99(), endpoint.latency_p99())));
  }
  if (endpoint.has_cpu_utilisation()) facts.Add("CPU", PercentText(endpoint.cpu_utilisation()));
  if (endpoint.has_in_flight()) facts.Add("In flight", NumberText(endpoint.in_flight()));
  if (endpoint.has_utilisation()) facts.Add("Utilisation", PercentText(endpoint.utilisation()));
  if (endpoint.has_queue_delay()) {
    facts.Add("Queue delay", DurationText(true, endpoint.queue_delay()));
  }
  if (endpoint.has_report_age()) {
    facts.Add("Last report", absl::StrCat(DurationText(true, endpoint.report_age()), " ago"));
  }
  facts.Add("Restarts", absl::StrCat(endpoint.restarts(),
                                     endpoint.restart_budget_spent() ? " (budget used up)" : ""));
  return facts.Format(style);
}

std::string AgentFacts(const v1::AgentState& agent, const Style& style) {
  Facts facts;
  facts.Add("Name", agent.name());
  facts.Add("State", ConnectedCell(agent.connected()));
  facts.Add("Peer", agent.peer());
  facts.Add("Version", agent.version());
  if (agent.has_report_age()) {
    facts.Add("Last report", absl::StrCat(DurationText(true, agent.report_age()), " ago"));
  }
  facts.Add("Interval", DurationText(agent.has_report_interval(), agent.report_interval()));
  facts.Add("Reports", absl::StrCat(agent.reports()));
  facts.Add("Refused", Cell(RefusedText(agent), Colour::kRed));
  facts.Add("Instances", absl::StrJoin(agent.instances(), ", "));
  return facts.Format(style);
}

std::string GatewayFacts(const v1::GatewayState& gateway, const Style& style) {
  Facts facts;
  facts.Add("Name", gateway.name());
  facts.Add("State", ConnectedCell(gateway.connected()));
  facts.Add("Peer", gateway.peer());
  facts.Add("Version", gateway.version());
  facts.Add("Place", LocalityText(gateway.locality()));
  facts.Add("Slices", absl::StrCat(gateway.slices(), ", ", gateway.slices_behind(), " behind"));
  if (gateway.has_lag()) facts.Add("Lag", DurationText(true, gateway.lag()));
  facts.Add("Last apply", DurationText(gateway.has_apply_duration(), gateway.apply_duration()));
  facts.Add("Config", absl::StrCat("epoch ", gateway.config().epoch(), ", revision ",
                                   gateway.config().revision()));
  facts.Add("Observed", DurationText(gateway.has_observation_age(), gateway.observation_age()));
  facts.Add("Nacks", absl::StrCat(gateway.nacks()));
  facts.Add("Last nack", Cell(gateway.last_nack(), Colour::kRed));
  return facts.Format(style);
}

std::string StatusText(const v1::ControllerStatus& status, const Style& style) {
  Facts facts;
  facts.Add("Version", status.version());
  facts.Add("Uptime", DurationText(status.has_uptime(), status.uptime()));
  facts.Add("Configuration", absl::StrCat("revision ", status.config_revision()));
  facts.Add("Epoch", absl::StrCat(status.epoch()));
  facts.Add("Services", absl::StrCat(status.services()));
  const bool all = status.endpoints_routable() == status.endpoints();
  facts.Add("Endpoints",
            Cell(absl::StrCat(status.endpoints(), ", ", status.endpoints_routable(), " routable"),
                 all ? Colour::kGreen : Colour::kYellow));
  facts.Add("Connected", absl::StrCat(CountText(status.agents_connected(), "agent"), ", ",
                                      CountText(status.gateways_connected(), "gateway")));
  facts.Add("Fail-open", Cell(absl::StrJoin(status.fail_open(), ", "), Colour::kRed));
  facts.Add("Freeze", status.frozen()
                          ? Cell(absl::StrCat("frozen: ", status.freeze_cause()), Colour::kRed)
                          : Cell("no"));
  facts.Add("Store",
            status.store_writable()
                ? Cell(absl::StrCat("writable (", status.store_id(), ")"), Colour::kGreen)
                : Cell(absl::StrCat("takes no writes: ", status.store_error()), Colour::kRed));
  return facts.Format(style);
}

std::string EndpointChange(const v1::EndpointState* before, const v1::EndpointState& after,
                           const Style& style) {
  std::vector<std::string> parts;
  const auto verdict = [&](const v1::EndpointState& endpoint) {
    const Cell cell = VerdictCell(endpoint);
    return Paint(style, cell.colour, cell.text);
  };
  if (before == nullptr) {
    parts = {verdict(after), absl::StrCat("weight ", WeightText(after.weight()))};
  } else {
    if (before->verdict() != after.verdict() || before->routable() != after.routable()) {
      parts.push_back(absl::StrCat(verdict(*before), " -> ", verdict(after)));
    }
    const double step = std::abs(static_cast<double>(after.weight()) - before->weight());
    if (step > kWeightChangeMin * std::max(before->weight(), after.weight())) {
      parts.push_back(absl::StrCat("weight ", WeightText(before->weight()), " -> ",
                                   WeightText(after.weight())));
    }
    if (parts.empty()) return "";
  }
  parts.push_back(Clean(CauseText(after)));
  return absl::StrCat(Clean(ShortEndpointName(after.name())), "  ", absl::StrJoin(parts, "  "),
                      "\n");
}

}  // namespace pointsman::cli
