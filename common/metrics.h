#pragma once

// Metrics of one program: counters, gauges and histograms with labels fixed when they are
// registered, and callbacks read at each scrape (for values that live elsewhere, such as the
// gateway's per-worker cells). Written out as Prometheus text.
//
// Names begin with "pointsman_", use base units (seconds, bytes) and end in "_total" for counters.
// Labels are few and of few values: never an address, an endpoint or a request's content.
//
// A Registry owns its metrics; references stay valid as long as it lives. There is no global one:
// main makes one and hands it on. Registry is thread-safe; Counter, Gauge and Histogram are
// lock-free and thread-safe, relaxed (a scrape may see one update before another).

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/mutex.h"

namespace pointsman::common {

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double delta);
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  // `bounds`: upper bounds, ascending, finite, at least one; one more bucket takes the rest.
  explicit Histogram(std::span<const double> bounds);
  // NaN is dropped. O(log buckets).
  void Observe(double value);
  // Counts by bucket, not summed up; the last one is above every bound.
  std::vector<uint64_t> Counts() const;
  double Sum() const { return sum_.load(std::memory_order_relaxed); }
  const std::vector<double>& bounds() const { return bounds_; }

 private:
  const std::vector<double> bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// 100 us to 60 s in steps of about 2.5: latencies, in seconds.
std::span<const double> LatencyBounds();
// 10 us to 10 s: durations of our own work, in seconds.
std::span<const double> WorkBounds();

// Ordered pairs of label name and value.
using Labels = std::vector<std::pair<std::string, std::string>>;

// What a metric is called and says.
struct MetricName {
  std::string name;
  // One sentence for people.
  std::string help;
  Labels labels = {};
};

class Registry {
 public:
  // One series of a collector: its labels and value.
  struct Sample {
    Labels labels;
    double value;
  };
  // One histogram of a collector. Counts by bucket, not cumulative; one more than bounds.
  struct HistogramSample {
    Labels labels;
    std::vector<uint64_t> counts;
    double sum;
  };
  using Callback = std::function<double()>;
  using Collector = std::function<std::vector<Sample>()>;
  using HistogramCollector = std::function<std::vector<HistogramSample>()>;

  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The same name and labels give the same metric again. REQUIRES: the name is valid and has one
  // kind (and for histograms, one set of bounds) in the whole registry; labels' names are valid.
  Counter& AddCounter(const MetricName& name);
  Gauge& AddGauge(const MetricName& name);
  Histogram& AddHistogram(const MetricName& name, std::span<const double> bounds);
  // Read at each scrape, on the scraping thread, with the registry's lock held: no registration
  // from inside. Several callbacks of the same name and labels are summed. REQUIRES: what the
  // callback uses outlives the last Scrape().
  void AddCounterCallback(const MetricName& name, Callback read);
  void AddGaugeCallback(const MetricName& name, Callback read);
  // Series whose labels are known only at the scrape (verdict counts by service); name.labels is
  // empty. At most kCollectedSeriesMax are shown. REQUIRES: as above.
  void AddCounterCollector(const MetricName& name, Collector collect);
  void AddGaugeCollector(const MetricName& name, Collector collect);
  // All with the same bounds, ascending.
  void AddHistogramCollector(const MetricName& name, std::vector<double> bounds,
                             HistogramCollector collect);

  static constexpr int kCollectedSeriesMax = 10'000;

  // Prometheus text exposition (version 0.0.4), families by name, series by labels.
  std::string Scrape() const;

 private:
  enum class Kind { kCounter, kGauge, kHistogram };
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::vector<Callback> callbacks;
  };
  struct Family {
    Kind kind;
    std::string help;
    std::map<Labels, Series> series;
    std::vector<Collector> collectors;
    std::vector<double> bounds;  // Of the histogram collectors.
    std::vector<HistogramCollector> histogram_collectors;
  };

  Family& FamilyOf(const MetricName& name, Kind kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void WriteFamily(const std::string& name, const Family& family, std::string* out);

  mutable Mutex mutex_;
  std::map<std::string, Family> families_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pointsman::common
