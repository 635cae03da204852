#include "sim/world/report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace pointsman::sim {
namespace {

double Share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double PerSecond(uint64_t count, const WorldResult& result) {
  const double seconds = absl::ToDoubleSeconds(result.measured);
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

void AddDetection(const Detection& detection, std::vector<Figure>& figures) {
  const auto add = [&](const char* name, const std::optional<absl::Duration>& time) {
    const double seconds =
        time ? absl::ToDoubleSeconds(*time) : std::numeric_limits<double>::infinity();
    figures.push_back({name, "s", seconds});
  };
  add("off_first_gateway", detection.first);
  add("off_all_gateways", detection.all);
  add("half_weight_all_gateways", detection.halved);
  add("half_of_the_tries", detection.shed);
  add("clients_served_as_before", detection.settled);
  add("back_on_all_gateways", detection.back);
}

std::string ShowNumber(double value) {
  if (!std::isfinite(value)) return "never";
  return absl::StrFormat("%.6g", value);
}

std::string JsonNumber(double value) {
  return std::isfinite(value) ? absl::StrFormat("%.9g", value) : "null";
}

// Texts of ours: names of endpoints and codes; still nothing may break the quotes.
std::string JsonText(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const bool plain = c >= ' ' && c != '"' && c != '\\' && c < 0x7f;
    out += plain ? c : '?';
  }
  return out + '"';
}

}  // namespace

std::vector<Figure> FiguresOf(const WorldResult& result) {
  const auto milliseconds = [&](double q) { return result.latency.Quantile(q) / 1e3; };
  std::vector<Figure> figures = {
      {"requests", "", static_cast<double>(result.requests)},
      {"p50", "ms", milliseconds(0.5)},
      {"p99", "ms", milliseconds(0.99)},
      {"p99_9", "ms", milliseconds(0.999)},
      {"error_share", "", Share(result.errors(), result.requests)},
      {"server_errors", "", static_cast<double>(result.server_errors)},
      {"failed", "", static_cast<double>(result.failed)},
      {"turned_away", "", static_cast<double>(result.turned_away)},
      {"tries_per_request", "", Share(result.tries, result.requests)},
      {"utilisation_mean", "", result.utilisation_mean},
      {"load_max_over_mean", "", result.load_max_over_mean},
      {"load_max_over_mean_by_chance", "", result.load_floor},
      {"ejections", "", static_cast<double>(result.ejections)},
      {"false_ejections", "", static_cast<double>(result.false_ejections)},
      {"restarts", "", static_cast<double>(result.restarts)},
      {"verdict_changes_most", "", static_cast<double>(result.verdict_changes_most)},
      {"fail_open", "", result.fail_open ? 1.0 : 0.0},
      {"tables", "", static_cast<double>(result.tables)},
      {"from_agents", "B/s", PerSecond(result.from_agents.bytes, result)},
      {"from_gateways", "B/s", PerSecond(result.from_gateways.bytes, result)},
      {"to_gateways", "B/s", PerSecond(result.to_gateways.bytes, result)},
  };
  if (!result.faults.empty()) AddDetection(result.faults[0], figures);
  return figures;
}

std::string RepeatCommand(const Scenario& scenario) {
  return absl::StrCat("pointsman-sim run ", scenario.name, " --seed ", scenario.options.seed);
}

std::string ResultText(const Scenario& scenario, const WorldResult& result) {
  std::string text =
      absl::StrFormat("%s, seed %d: %s\n", scenario.name, scenario.options.seed, scenario.summary);
  for (const Figure& figure : FiguresOf(result)) {
    absl::StrAppendFormat(&text, "  %-30s %12s %s\n", figure.name, ShowNumber(figure.value),
                          std::isfinite(figure.value) ? figure.unit : "");
  }
  absl::StrAppendFormat(&text, "  %-30s %12x\n", "digest", result.digest);
  for (const Ejection& ejection : result.first_ejections) {
    absl::StrAppendFormat(&text, "  %8.3f s: e%d became UNHEALTHY, %s%s\n",
                          absl::ToDoubleSeconds(ejection.at), ejection.endpoint,
                          v1::Reason_Name(ejection.reason), ejection.by_fault ? "" : " (false)");
  }
  bool missed = false;
  for (const Finding& finding : Judge(scenario, result)) {
    missed = missed || !finding.met;
    absl::StrAppendFormat(&text, "  %-6s %-36s %10s, at most %s\n", finding.met ? "ok" : "MISSED",
                          finding.what, ShowNumber(finding.value), ShowNumber(finding.most));
  }
  for (const std::string& violation : result.violations) {
    absl::StrAppend(&text, "  broken ", violation, "\n");
  }
  if (missed) absl::StrAppend(&text, "repeat with: ", RepeatCommand(scenario), "\n");
  return text;
}

std::string ResultJson(const Scenario& scenario, const WorldResult& result) {
  std::vector<std::string> figures, aims, violations;
  for (const Figure& figure : FiguresOf(result)) {
    const std::string unit = figure.unit.empty() ? "" : absl::StrCat("_", figure.unit);
    figures.push_back(
        absl::StrCat(JsonText(absl::StrCat(figure.name, unit)), ":", JsonNumber(figure.value)));
  }
  for (const Finding& finding : Judge(scenario, result)) {
    aims.push_back(absl::StrCat(
        "{\"what\":", JsonText(finding.what), ",\"value\":", JsonNumber(finding.value),
        ",\"most\":", JsonNumber(finding.most), ",\"met\":", finding.met ? "true" : "false", "}"));
  }
  for (const std::string& violation : result.violations) violations.push_back(JsonText(violation));
  return absl::StrCat("{\"scenario\":", JsonText(scenario.name),
                      ",\"seed\":", scenario.options.seed, ",\"digest\":\"",
                      absl::Hex(result.digest), "\",\"figures\":{", absl::StrJoin(figures, ","),
                      "},\"aims\":[", absl::StrJoin(aims, ","), "],\"violations\":[",
                      absl::StrJoin(violations, ","), "]}\n");
}

std::string ListText() {
  std::string text;
  for (const Scenario& scenario : Scenarios()) {
    absl::StrAppendFormat(&text, "%-20s %s\n", scenario.name, scenario.summary);
  }
  return text;
}

}  // namespace pointsman::sim
