#include "controller/rpc/refusals.h"

namespace pointsman::controller {

void RefusalCounts::Count(absl::string_view code) {
  const std::string name(code.empty() ? "UNKNOWN" : code);
  {
    common::MutexLock lock(mutex_);
    ++counts_[name];
  }
  if (registry_ == nullptr) return;
  common::MetricName metric = metric_;
  metric.labels.emplace_back("code", name);
  registry_->AddCounter(metric).Add();
}

std::map<std::string, uint64_t> RefusalCounts::counts() const {
  common::MutexLock lock(mutex_);
  return counts_;
}

}  // namespace pointsman::controller
