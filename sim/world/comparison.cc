#include "sim/world/comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/core/check.h"
#include "sim/policies/catalogue.h"
#include "sim/world/world.h"

namespace pointsman::sim {
namespace {

// A p99 within so much of the best is as good.
constexpr double kAsGood = 1.02;

// The 97.5 % quantile of Student's t with n degrees of freedom (Abramowitz and Stegun 26.7.5: an
// expansion around the normal's; within 1 % from 3 on, and 1 and 2 are exact).
double StudentQuantile(size_t n) {
  constexpr double kNormal = 1.959964;
  if (n == 1) return 12.7062;
  if (n == 2) return 4.30265;
  const double z = kNormal;
  const double v = static_cast<double>(n);
  const double g1 = (std::pow(z, 3) + z) / 4;
  const double g2 = (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) / 96;
  const double g3 = (3 * std::pow(z, 7) + 19 * std::pow(z, 5) + 17 * std::pow(z, 3) - 15 * z) / 384;
  return z + g1 / v + g2 / (v * v) + g3 / (v * v * v);
}

struct Samples {
  std::vector<double> p50, p99, p999, errors, load, floor, shed, settled;
  uint64_t false_ejections = 0;

  void Add(const WorldResult& result) {
    p50.push_back(result.latency.Quantile(0.5) / 1e3);
    p99.push_back(result.latency.Quantile(0.99) / 1e3);
    p999.push_back(result.latency.Quantile(0.999) / 1e3);
    const double requests = std::max<double>(1, static_cast<double>(result.requests));
    errors.push_back(static_cast<double>(result.errors()) / requests);
    load.push_back(result.load_max_over_mean);
    floor.push_back(result.load_floor);
    false_ejections += result.false_ejections;
    if (result.faults.empty()) return;
    const auto seconds = [](const std::optional<absl::Duration>& time) {
      return time ? absl::ToDoubleSeconds(*time) : std::numeric_limits<double>::infinity();
    };
    shed.push_back(seconds(result.faults[0].shed));
    settled.push_back(seconds(result.faults[0].settled));
  }
};

double MedianOf(std::vector<double> samples) {
  if (samples.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

std::vector<double> Differences(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out;
  for (size_t i = 0; i < a.size(); ++i) out.push_back(b[i] - a[i]);
  return out;
}

ComparedRow RowOf(std::string policy, const Samples& its, const Samples& ours) {
  ComparedRow row;
  row.policy = std::move(policy);
  row.p50_ms = MeanOf(its.p50);
  row.p99_ms = MeanOf(its.p99);
  row.p999_ms = MeanOf(its.p999);
  row.error_share = MeanOf(its.errors);
  row.load = MeanOf(its.load);
  row.load_floor = MeanOf(its.floor);
  row.shed_s = MedianOf(its.shed);
  row.settled_s = MedianOf(its.settled);
  row.false_ejections = its.false_ejections;
  row.ours_p99 = RatioOf(its.p99, ours.p99);
  row.ours_errors = MeanOf(Differences(its.errors, ours.errors));
  return row;
}

std::string Seconds(double value) {
  if (std::isnan(value)) return "";
  return std::isfinite(value) ? absl::StrFormat("%.1f", value) : "never";
}

std::string Interval(const Estimate& estimate) {
  return absl::StrFormat("%.2f (%.2f to %.2f)", estimate.value, estimate.low, estimate.high);
}

}  // namespace

std::vector<std::string> ComparedPolicies() {
  std::vector<std::string> names = {kOurs};
  for (const absl::string_view name : PolicyNames()) {
    if (name != "weighted" && name != "weighted_p2c") names.emplace_back(name);
  }
  return names;
}

std::vector<std::string> ComparedScenarios() {
  return {"uniform-50",    "uniform-90", "steady",           "antagonists",
          "slow",          "crash",      "black-hole",       "grey-20rps",
          "fast-failures", "half-zone",  "shared-dependency"};
}

Estimate MeanOf(const std::vector<double>& samples) {
  PM_CHECK(samples.size() >= 2);
  const double n = static_cast<double>(samples.size());
  double sum = 0;
  for (const double sample : samples) sum += sample;
  const double mean = sum / n;
  double squares = 0;
  for (const double sample : samples) squares += (sample - mean) * (sample - mean);
  const double half = StudentQuantile(samples.size() - 1) * std::sqrt(squares / (n - 1) / n);
  return {mean, mean - half, mean + half};
}

Estimate RatioOf(const std::vector<double>& a, const std::vector<double>& b) {
  PM_CHECK(a.size() == b.size());
  std::vector<double> logs;
  for (size_t i = 0; i < a.size(); ++i) logs.push_back(std::log(b[i] / a[i]));
  const Estimate mean = MeanOf(logs);
  return {std::exp(mean.value), std::exp(mean.low), std::exp(mean.high)};
}

ComparedScenario Compare(const Scenario& scenario, uint64_t seeds,
                         const std::function<void(absl::string_view)>& progress) {
  const std::vector<std::string> policies = ComparedPolicies();
  std::vector<Samples> samples(policies.size());
  for (size_t i = 0; i < policies.size(); ++i) {
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      WorldOptions options = scenario.options;
      options.seed = seed;
      options.policy = policies[i] == kOurs ? "" : policies[i];
      progress(absl::StrCat(scenario.name, ", ", policies[i], ", seed ", seed, " of ", seeds));
      samples[i].Add(RunWorld(options));
    }
  }
  ComparedScenario out{scenario.name, scenario.summary, {}, true, ""};
  for (size_t i = 0; i < policies.size(); ++i) {
    out.rows.push_back(RowOf(policies[i], samples[i], samples[0]));
    const ComparedRow& row = out.rows.back();
    const bool faster = row.ours_p99.low > kAsGood;
    const bool fewer_errors = row.ours_errors.low > 0;
    if (!faster && !fewer_errors) continue;
    out.first = false;
    absl::StrAppend(&out.who_is_better, out.who_is_better.empty() ? "" : ", ", row.policy,
                    faster ? " (p99)" : "", fewer_errors ? " (errors)" : "");
  }
  return out;
}

std::string ComparisonMarkdown(const ComparedScenario& compared) {
  std::string out = absl::StrCat("## ", compared.name, "\n\n", compared.summary, ".\n\n");
  absl::StrAppend(&out,
                  "| policy | p50, ms | p99, ms | p99.9, ms | errors, % | load max / mean (by "
                  "chance) | tries halved after, s | as before after, s | false ejections | ours / "
                  "its p99 |\n"
                  "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const ComparedRow& row : compared.rows) {
    absl::StrAppendFormat(
        &out, "| %s | %.0f | %.0f | %.0f | %.3f | %.2f (%.2f) | %s | %s | %s | %s |\n", row.policy,
        row.p50_ms.value, row.p99_ms.value, row.p999_ms.value, 100 * row.error_share.value,
        row.load.value, row.load_floor.value, Seconds(row.shed_s), Seconds(row.settled_s),
        row.policy == kOurs ? absl::StrCat(row.false_ejections) : "",
        row.policy == kOurs ? "" : Interval(row.ours_p99));
  }
  absl::StrAppend(&out, "\n",
                  compared.first
                      ? "Ours is first, or within 2 % of the first.\n"
                      : absl::StrCat("Better than ours: ", compared.who_is_better, ".\n"));
  return out;
}

}  // namespace pointsman::sim
