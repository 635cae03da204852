#pragma once

// Counts refused messages and failed calls by their stable code, for one peer and for the program.
// Thread-safe.

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/metrics.h"
#include "common/mutex.h"

namespace pointsman::controller {

class RefusalCounts {
 public:
  // A peer's own counts, without a metric.
  RefusalCounts() = default;
  // Counts show as counters called `metric` with one more label, "code". `registry` outlives this.
  RefusalCounts(common::Registry* registry, common::MetricName metric)
      : registry_(registry), metric_(std::move(metric)) {}

  void Count(absl::string_view code);
  std::map<std::string, uint64_t> counts() const;

 private:
  common::Registry* const registry_ = nullptr;
  const common::MetricName metric_ = {};
  mutable common::Mutex mutex_;
  std::map<std::string, uint64_t> counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pointsman::controller
