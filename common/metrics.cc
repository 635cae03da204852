#include "common/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/core/check.h"

namespace pointsman::common {
namespace {

constexpr double kLatencyBounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                     0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                     1,      2.5,     5,      10,    30,     60};
constexpr double kWorkBounds[] = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005,
                                  0.001,   0.0025,   0.005,   0.01,   0.025,   0.05,
                                  0.1,     0.25,     0.5,     1,      2.5,     10};

void AddTo(std::atomic<double>* target, double delta) {
  double seen = target->load(std::memory_order_relaxed);
  while (!target->compare_exchange_weak(seen, seen + delta, std::memory_order_relaxed)) {
  }
}

bool IsMetricName(absl::string_view name, bool colons) {
  if (name.empty() || absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || (colons && c == ':');
  });
}

// The shortest text that reads back to the same number.
std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

std::string EscapeLabel(absl::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out.push_back('\\');
    if (c == '\n') {
      absl::StrAppend(&out, "\\n");
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// "{a="1",b="2"}" or nothing; `le` is added last unless empty.
std::string LabelText(const Labels& labels, absl::string_view le = "") {
  std::string out;
  const auto append = [&](absl::string_view name, absl::string_view value) {
    absl::StrAppend(&out, out.empty() ? "{" : ",", name, "=\"", EscapeLabel(value), "\"");
  };
  for (const auto& [name, value] : labels) append(name, value);
  if (!le.empty()) append("le", le);
  if (!out.empty()) out.push_back('}');
  return out;
}

void WriteHistogram(const std::string& name, std::span<const double> bounds,
                    const Registry::HistogramSample& sample, std::string* out) {
  uint64_t total = 0;
  for (size_t i = 0; i < sample.counts.size(); ++i) {
    total += sample.counts[i];
    const std::string le = i < bounds.size() ? NumberText(bounds[i]) : "+Inf";
    absl::StrAppend(out, name, "_bucket", LabelText(sample.labels, le), " ", total, "\n");
  }
  const std::string labels = LabelText(sample.labels);
  absl::StrAppend(out, name, "_sum", labels, " ", NumberText(sample.sum), "\n");
  absl::StrAppend(out, name, "_count", labels, " ", total, "\n");
}

}  // namespace

void Gauge::Add(double delta) { AddTo(&value_, delta); }

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()),
      counts_(std::make_unique<std::atomic<uint64_t>[]>(bounds.size() + 1)) {
  PM_CHECK(!bounds_.empty());
  PM_CHECK(std::is_sorted(bounds_.begin(), bounds_.end(), std::less_equal<double>()));
  PM_CHECK(std::isfinite(bounds_.front()) && std::isfinite(bounds_.back()));
}

void Histogram::Observe(double value) {
  if (std::isnan(value)) return;
  const size_t bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  AddTo(&sum_, value);
}

std::vector<uint64_t> Histogram::Counts() const {
  std::vector<uint64_t> counts(bounds_.size() + 1);
  for (size_t i = 0; i < counts.size(); ++i) {
    counts[i] = counts_[i].load(std::memory_order_relaxed);
  }
  return counts;
}

std::span<const double> LatencyBounds() { return kLatencyBounds; }
std::span<const double> WorkBounds() { return kWorkBounds; }

Registry::Family& Registry::FamilyOf(const MetricName& name, Kind kind) {
  PM_CHECK(IsMetricName(name.name, true));
  for (const auto& label : name.labels) PM_CHECK(IsMetricName(label.first, false));
  auto [found, inserted] = families_.try_emplace(name.name);
  Family& family = found->second;
  if (inserted) {
    family.kind = kind;
    family.help = name.help;
  }
  PM_CHECK(family.kind == kind);
  return family;
}

Counter& Registry::AddCounter(const MetricName& name) {
  MutexLock lock(mutex_);
  Series& series = FamilyOf(name, Kind::kCounter).series[name.labels];
  if (series.counter == nullptr) series.counter = std::make_unique<Counter>();
  return *series.counter;
}

Gauge& Registry::AddGauge(const MetricName& name) {
  MutexLock lock(mutex_);
  Series& series = FamilyOf(name, Kind::kGauge).series[name.labels];
  if (series.gauge == nullptr) series.gauge = std::make_unique<Gauge>();
  return *series.gauge;
}

Histogram& Registry::AddHistogram(const MetricName& name, std::span<const double> bounds) {
  MutexLock lock(mutex_);
  Series& series = FamilyOf(name, Kind::kHistogram).series[name.labels];
  if (series.histogram == nullptr) series.histogram = std::make_unique<Histogram>(bounds);
  PM_CHECK(std::equal(bounds.begin(), bounds.end(), series.histogram->bounds().begin(),
                      series.histogram->bounds().end()));
  return *series.histogram;
}

void Registry::AddCounterCallback(const MetricName& name, Callback read) {
  MutexLock lock(mutex_);
  FamilyOf(name, Kind::kCounter).series[name.labels].callbacks.push_back(std::move(read));
}

void Registry::AddGaugeCallback(const MetricName& name, Callback read) {
  MutexLock lock(mutex_);
  FamilyOf(name, Kind::kGauge).series[name.labels].callbacks.push_back(std::move(read));
}

void Registry::AddCounterCollector(const MetricName& name, Collector collect) {
  MutexLock lock(mutex_);
  PM_CHECK(name.labels.empty());
  FamilyOf(name, Kind::kCounter).collectors.push_back(std::move(collect));
}

void Registry::AddGaugeCollector(const MetricName& name, Collector collect) {
  MutexLock lock(mutex_);
  PM_CHECK(name.labels.empty());
  FamilyOf(name, Kind::kGauge).collectors.push_back(std::move(collect));
}

void Registry::AddHistogramCollector(const MetricName& name, std::vector<double> bounds,
                                     HistogramCollector collect) {
  MutexLock lock(mutex_);
  PM_CHECK(name.labels.empty());
  Family& family = FamilyOf(name, Kind::kHistogram);
  PM_CHECK(family.bounds.empty() || family.bounds == bounds);
  family.bounds = std::move(bounds);
  family.histogram_collectors.push_back(std::move(collect));
}

void Registry::WriteFamily(const std::string& name, const Family& family, std::string* out) {
  constexpr absl::string_view kKinds[] = {"counter", "gauge", "histogram"};
  absl::StrAppend(out, "# HELP ", name, " ", family.help, "\n# TYPE ", name, " ",
                  kKinds[static_cast<int>(family.kind)], "\n");
  std::map<Labels, double> values;
  for (const auto& [labels, series] : family.series) {
    if (series.histogram != nullptr) {
      const Histogram& histogram = *series.histogram;
      WriteHistogram(name, histogram.bounds(), {labels, histogram.Counts(), histogram.Sum()}, out);
      continue;
    }
    double value = 0;
    if (series.counter != nullptr) value += static_cast<double>(series.counter->value());
    if (series.gauge != nullptr) value += series.gauge->value();
    for (const Callback& read : series.callbacks) value += read();
    values[labels] += value;
  }
  for (const Collector& collect : family.collectors) {
    for (Sample& sample : collect()) {
      if (values.size() >= kCollectedSeriesMax) break;
      values[std::move(sample.labels)] += sample.value;
    }
  }
  int histograms = 0;
  for (const HistogramCollector& collect : family.histogram_collectors) {
    for (const HistogramSample& sample : collect()) {
      if (++histograms > kCollectedSeriesMax) break;
      WriteHistogram(name, family.bounds, sample, out);
    }
  }
  for (const auto& [labels, value] : values) {
    absl::StrAppend(out, name, LabelText(labels), " ", NumberText(value), "\n");
  }
}

std::string Registry::Scrape() const {
  std::string out;
  MutexLock lock(mutex_);
  for (const auto& [name, family] : families_) WriteFamily(name, family, &out);
  return out;
}

}  // namespace pointsman::common
